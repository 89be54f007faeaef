from pathlib import Path

import pytest
from guide import load_example
from recorded_study import record, study_config

from clism_core.experiments.studies.artefacts import Table
from clism_core.experiments.studies.check import check_study
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.plan import plan_study
from clism_core.experiments.studies.registry import STUDIES

pytestmark = pytest.mark.usefixtures("home_folder")


def test_a_new_study_from_chains_to_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_example("Add a study")
    monkeypatch.setitem(STUDIES, "que", f"{module.__name__}:QUE")
    config = study_config(tmp_path, "que")
    check_study(config)
    planned = plan_study(config)
    labels = [tuple(chain.labels[name] for name in ("method", "task", "seed")) for chain in planned.chains]
    names = ("with [QUE]", "without [QUE]")
    assert labels == [(name, task, seed) for name in names for task in ("mrc", "ner") for seed in (0, 1)]
    kinds = [stage.kind for stage in planned.missing]
    assert [kinds.count(kind) for kind in ("pretrain", "finetune", "evaluate")] == [1, 8, 8]
    measured = record(config, lambda chain: 0.8 if chain.finetune.task_options.use_que else 0.6)
    (table,) = load_study("que").artefacts(config, measured)
    assert isinstance(table, Table)
    wide = table.wide().set_index("method")
    assert list(wide.columns) == ["xquad F1", "xquad exact match", "conll F1"]
    assert wide.loc["without [QUE]", "xquad exact match"] == "60.0 ± 0.0"
    assert wide.loc["with [QUE]", "xquad exact match"].startswith("80.0 ± 0.0 (+20.0, p ")
    assert plan_study(config).missing == []
