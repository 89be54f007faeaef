"""Runs of the studies, and tables and figures from recorded results."""

import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from labelled import write_squad
from recorded_study import record, study_config
from tiny import write_prepared

from clism_core.experiments.studies.artefacts import Artefact, Picture, Table
from clism_core.experiments.studies.check import check_study
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.plan import StudyPlan, plan_study
from clism_core.experiments.studies.registry import STUDIES, StudyName
from clism_core.experiments.studies.results import Results, summarise
from clism_core.experiments.studies.run_graph import Chain, all_stages, chain_stages
from clism_core.experiments.studies.study import check_data, run_study
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.test_data import TestSetConfig
from clism_core.tracking.lifecycle import start_run
from clism_core.tracking.run import TrackedRun
from clism_core.utils.errors import InputError

pytestmark = pytest.mark.usefixtures("home_folder")
NAMES = list(STUDIES)


def share(chain: Chain) -> float:
    """Return the share of correct examples: ours 0.8, ablations 0.6, others 0.3, and 0.1 more with odd seeds."""
    name = str(chain.labels.get("method", chain.labels.get("temperature", "")))
    if "samples" in chain.labels:
        name = "Ours" if chain.labels["samples"] else "XLM-R"
    right = 0.8 if name.startswith("Ours") else 0.6 if name.startswith("w/o") else 0.3
    return right + 0.1 * (int(chain.labels.get("seed", 0)) % 2)


CURVE = {0: 5.0, 50: 30.0, 100: 40.0}
PRETRAINED = {
    "eval/gradient_norm/cacr": {0: 0.5, 100: 0.25},
    "eval/en-ar/retrieval_accuracy": {100: 0.5},
    "eval/en-ar/retrieval_accuracy_reverse": {100: 0.3},
}


@pytest.fixture
def measured(tmp_path: Path) -> Results:
    return record(study_config(tmp_path, "main"), share)


@pytest.mark.parametrize(
    ("name", "pretrain", "finetune", "evaluate"),
    [
        ("main", 1, 12, 12),  # 3 methods, 2 tasks, 2 seeds
        ("per-language", 1, 12, 12),
        ("fewshot", 1, 16, 16),  # 2 numbers, 2 samples; 1 base, ours with and without [QUE]: 12, and see below
        ("ablation", 4, 20, 20),
        ("convergence", 1, 4, 0),
        ("data-scale", 2, 12, 12),
        ("temperature", 3, 8, 8),
    ],
)
def test_runs_of_a_study(tmp_path: Path, name: StudyName, pretrain: int, finetune: int, evaluate: int) -> None:
    config = study_config(tmp_path, name)
    if name == "fewshot":  # another base encoder
        config = replace(config, ours={**config.ours, "Ours (Info-XLM)": "Info-XLM"})
    kinds = [stage.kind for stage in all_stages(load_study(name).chains(config)).values()]
    assert [kinds.count(kind) for kind in ("pretrain", "finetune", "evaluate")] == [pretrain, finetune, evaluate]
    check_study(config)


def test_ours_are_fine_tuned_with_que_and_others_without(tmp_path: Path) -> None:
    for chain in load_study("main").chains(study_config(tmp_path, "main")):
        used = chain.finetune.mrc.use_que, chain.finetune.ner.use_que
        assert used == (True, True) if chain.labels["method"] == "Ours (XLM-R)" else (False, False)


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_figures_are_written(tmp_path: Path, name: StudyName) -> None:
    config = study_config(tmp_path, name)
    found = load_study(name).artefacts(
        config, record(config, share, pretrain=PRETRAINED, finetune={"eval/en/f1": CURVE})
    )
    files = [file for artefact in found for file in artefact.write(tmp_path)]
    endings = {file.suffix for file in files}
    assert endings >= {".md", ".csv", ".tex"}
    assert name in ("main", "per-language", "ablation") or endings >= {".png", ".svg"}
    for file in files:
        if file.suffix == ".svg":
            ElementTree.parse(file)
        elif file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG")
        elif file.suffix == ".tex":
            assert r"\begin{tabular}" in file.read_text()
            assert not set("±<") & set(file.read_text().replace("$<$", ""))
        elif file.suffix == ".csv":
            assert pd.read_csv(file)["mean"].notna().all()


def table(found: list[Artefact], name: str) -> Table:
    return next(each for each in found if isinstance(each, Table) and each.name == name)


def legend(picture: Picture) -> list[str]:
    found = picture.figure.axes[0].get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def cell(cells: pd.DataFrame, **labels: object) -> pd.Series:
    for name, value in labels.items():
        cells = cells[cells[name] == value]
    assert len(cells) == 1
    return cells.iloc[0]


def test_main_table_has_means_deviations_tests_and_the_papers_scores(tmp_path: Path, measured: Results) -> None:
    config = study_config(tmp_path, "main")
    (found,) = load_study("main").artefacts(config, measured)
    assert isinstance(found, Table)
    ours = cell(found.cells, method="Ours (XLM-R)", dataset="xquad", score="exact_match", source="measured")
    # 8 and 9 of 10 right in both languages; the base has 3 and 4
    assert (ours["mean"], ours["std"], ours["runs"]) == pytest.approx((85.0, 50**0.5, 2))
    assert ours["difference"] == pytest.approx(50.0)
    assert ours["low"] <= 50.0 <= ours["high"]
    assert ours["p_value"] == pytest.approx(1 / 501, rel=1)  # hardly any of the 500 permutations is as extreme
    base = cell(found.cells, method="XLM-R", dataset="xquad", score="exact_match", source="measured")
    assert base["mean"] == pytest.approx(35.0)
    assert pd.isna(base["p_value"])
    reported = cell(found.cells, method="Ours (XLM-R)", dataset="xquad", score="f1", source="paper")
    assert reported["mean"] == 76.73  # table 2
    assert cell(found.cells, method="CalibreNet", dataset="conll", score="f1")["mean"] == 80.92
    assert list(found.wide().columns) == ["method", "source", "xquad F1", "xquad exact match", "conll F1"]
    text = found.markdown()
    assert "| 85.0 ± 7.1 (+50.0, p 0.00" in text
    (line,) = [line for line in text.splitlines() if "AA-CL" in line]
    assert "59.9" in line
    assert "paper" in line


def test_a_test_set_missing_from_the_paper_has_only_measured_rows(tmp_path: Path) -> None:
    config = replace(study_config(tmp_path, "main", dataset="mine"), tasks=["mrc"])
    (found,) = load_study("main").artefacts(config, record(config, share))
    assert isinstance(found, Table)
    assert set(found.cells["source"]) == {"measured"}
    assert list(found.wide().columns) == ["method", "mine F1", "mine exact match"]
    assert list(found.wide()["method"]) == ["XLM-R", "Info-XLM", "Ours (XLM-R)"]


def test_each_language_has_a_column(tmp_path: Path, measured: Results) -> None:
    config = study_config(tmp_path, "per-language")
    found = load_study("per-language").artefacts(config, measured)
    assert [artefact.name for artefact in found] == ["per-language-xquad", "per-language-conll"]
    wide = table(found, "per-language-conll").wide()
    assert list(wide.columns) == ["method", "score", "ar", "en", "average"]


def test_few_shot_curves_include_the_papers_scores(tmp_path: Path) -> None:
    config = study_config(tmp_path, "fewshot")
    found = load_study("fewshot").artefacts(config, record(config, share))
    cells = table(found, "fewshot").cells
    assert cell(cells, method="Ours (XLM-R)", examples=128, score="f1", source="paper")["mean"] == 29.5  # table 9
    ours = cell(cells, method="Ours (XLM-R)", examples=128, score="exact_match", source="measured")
    assert (ours["mean"], ours["std"], ours["runs"]) == pytest.approx((80.0, 0.0, 2))
    assert ours["difference"] == pytest.approx(50.0)
    without = cell(cells, method="Ours (XLM-R), without [QUE]", examples=64, score="f1", source="measured")
    assert without["mean"] == pytest.approx(80.0)
    figure, que_figure = (artefact for artefact in found if isinstance(artefact, Picture))
    assert set(legend(figure)) >= {"XLM-R", "Ours (XLM-R)", "Ours (XLM-R) (paper)"}
    assert legend(que_figure) == [
        "Ours (XLM-R)",
        "Ours (XLM-R), without [QUE]",
    ]


def test_ablations_are_tested_against_the_full_method(tmp_path: Path) -> None:
    config = study_config(tmp_path, "ablation")
    objectives = [stage.config.objectives for stage in _pretrainings(config.name, tmp_path)]
    weights = {(each.w_clism, each.w_cacr, each.w_mlm) for each in objectives}
    assert weights == {(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)}
    (found,) = load_study("ablation").artefacts(config, record(config, share))
    assert isinstance(found, Table)
    row = cell(found.cells, method="w/o CACR", dataset="conll", score="f1")
    assert row["difference"] < 0
    assert pd.isna(cell(found.cells, method="Ours (XLM-R)", dataset="conll", score="f1")["p_value"])


def _pretrainings(name: StudyName, folder: Path) -> list:  # type: ignore[type-arg]
    stages = all_stages(load_study(name).chains(study_config(folder, name))).values()
    return [stage for stage in stages if stage.kind == "pretrain"]


def test_convergence_curve_has_the_mean_of_each_step(tmp_path: Path) -> None:
    config = study_config(tmp_path, "convergence")
    assert all(
        chain.finetune.loop.evaluate_at == config.curve_steps for chain in load_study("convergence").chains(config)
    )
    found = load_study("convergence").artefacts(config, record(config, share, finetune={"eval/en/f1": CURVE}))
    wide = table(found, "convergence").wide()
    assert list(wide.columns) == ["method", "0", "50", "100"]
    assert list(wide.iloc[1]) == ["Ours (XLM-R)", "5.0 ± 0.0", "30.0 ± 0.0", "40.0 ± 0.0"]


def test_amounts_of_data_are_tested_against_no_pretraining(tmp_path: Path) -> None:
    config = study_config(tmp_path, "data-scale")
    assert [stage.config.max_samples for stage in _pretrainings("data-scale", tmp_path)] == [100, 1000]
    found = load_study("data-scale").artefacts(config, record(config, share))
    cells = table(found, "data-scale").cells
    assert cell(cells, samples=1000, dataset="xquad", score="f1")["difference"] == pytest.approx(50.0, abs=5.0)
    assert list(table(found, "data-scale").wide()["samples"]) == [0, 100, 1000]


def test_temperatures_have_gradients_retrieval_and_scores(tmp_path: Path) -> None:
    config = study_config(tmp_path, "temperature")
    found = load_study("temperature").artefacts(config, record(config, share, pretrain=PRETRAINED))
    wide = table(found, "temperature").wide().set_index("temperature")
    assert list(wide.index) == ["0.05", "20", "no CACR", "not pre-trained"]
    assert wide.loc["20", "gradient norm, step 0"] == "0.5"
    assert wide.loc["20", "gradient norm, last step"] == "0.25"
    assert wide.loc["20", "retrieval, both ways"] == "40.0"
    assert wide.loc["not pre-trained", "retrieval, both ways"] == ""
    assert wide.loc["not pre-trained", "few-shot F1, xquad"] == "30.0 ± 0.0"
    assert wide.loc["20", "few-shot F1, xquad"] == "30.0 ± 0.0 (+0.0, p 1.000)"


def test_runs_that_failed_are_left_out(tmp_path: Path) -> None:
    config = study_config(tmp_path, "main")
    measured = record(config, share, but=lambda chain: chain.labels["method"] == "XLM-R" or chain.labels["seed"] == 1)
    (found,) = load_study("main").artefacts(config, measured)
    assert isinstance(found, Table)
    ours = cell(found.cells, method="Ours (XLM-R)", dataset="xquad", score="f1", source="measured")
    assert ours["runs"] == 1
    assert pd.isna(ours["std"])
    assert pd.isna(ours["p_value"])  # nothing to test against
    assert "XLM-R" not in set(found.cells[found.cells["source"] == "measured"]["method"])


def test_only_shared_repeats_are_compared(tmp_path: Path) -> None:
    config = replace(study_config(tmp_path, "main"), tasks=["mrc"], seeds=[0, 1, 2])
    lost = {("XLM-R", 1), ("Ours (XLM-R)", 2)}
    measured = record(config, share, but=lambda chain: (chain.labels["method"], chain.labels["seed"]) in lost)
    sides = {"method": "Ours (XLM-R)", "task": "mrc"}, {"method": "XLM-R", "task": "mrc"}
    found = measured.compare(*sides, resamples=200)
    alone = record(replace(config, seeds=[0]), share).compare(*sides, resamples=200)
    pd.testing.assert_frame_equal(found, alone)


def test_cross_lingual_pairs_have_their_own_average(tmp_path: Path) -> None:
    config = replace(study_config(tmp_path, "main"), tasks=["mrc"])
    cross = tmp_path / "test-context-ar-question-en.json"
    (tmp_path / "test.ar.json").rename(cross)
    tests = [*config.mrc_tests, TestSetConfig(dataset="xquad", path=str(cross))]
    config = replace(config, mrc_tests=tests)
    measured = record(config, share)
    found = measured.compare({"method": "Ours (XLM-R)"}, {"method": "XLM-R"}, resamples=200).set_index("language")
    assert list(dict.fromkeys(found.index)) == ["en", "ar-en", "average", "cross_average"]
    assert found.loc["average", "difference"].tolist() == found.loc["en", "difference"].tolist()
    (per_language,) = load_study("per-language").artefacts(config, measured)
    assert isinstance(per_language, Table)
    assert list(per_language.wide().columns) == ["method", "score", "ar-en", "en", "average", "cross_average"]
    (main,) = load_study("main").artefacts(config, measured)
    assert isinstance(main, Table)
    ours = cell(main.cells, method="Ours (XLM-R)", score="f1", source="measured")
    assert ours["difference"] == pytest.approx(found.loc["average", "difference"].iloc[0])


def test_all_evaluations_of_changed_test_files_are_listed(tmp_path: Path, measured: Results) -> None:
    measured.check_test_sets()
    write_squad(tmp_path / "test.en.json", questions=9)
    with pytest.raises(InputError, match=r"test sets have changed since .*; delete the folders") as caught:
        replace(measured, _test_sets={}).check_test_sets()
    questions = [chain for chain in measured.chains if chain.labels["task"] == "mrc"]
    folders = {chain_stages(chain)["evaluate"].folder(measured.output) for chain in questions}
    assert {word for word in str(caught.value).split() if "/evaluate-" in word} == folders


def test_all_problems_of_data_are_reported_before_anything_runs(tmp_path: Path) -> None:
    config = study_config(tmp_path, "main")
    check_data(config)
    (tmp_path / "test.en.json").unlink()
    (tmp_path / "test.ar.json").write_text("{")
    (tmp_path / "train.conll").unlink()
    with pytest.raises(InputError) as caught:
        check_data(config)
    problems = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in problems] == ["mrc", "ner"]
    assert "test.ar.json" in problems[0]
    assert "train.conll cannot be read" in problems[1]
    check_data(replace(config, name="convergence", tasks=["mrc"]))  # has no test sets
    with pytest.raises(InputError, match="mrc: --examples 128: the training data has only 12"):
        check_data(study_config(tmp_path / "few", "fewshot"))
    prepared = write_prepared(tmp_path / "data")
    study = replace(config, name="convergence", tasks=["mrc"], pretrain=PretrainConfig(model="", data=str(prepared)))
    check_data(study)
    (prepared / "samples" / "0.parquet").unlink()
    with pytest.raises(InputError, match=r"pretrain: --data .* differs from its .*samples/0\.parquet is missing"):
        check_data(study)
    twice = replace(config, tasks=["mrc"], mrc_tests=[TestSetConfig("xquad", str(tmp_path / "train.json"), "en")] * 2)
    with pytest.raises(InputError, match="mrc: xquad/en is both"):
        check_data(twice)


def test_the_latest_value_of_a_repeated_step_counts(tmp_path: Path) -> None:
    config = replace(study_config(tmp_path, "convergence"), seeds=[0])
    measured = record(config, share, finetune={"eval/en/f1": {50: 10.0}})
    for run in measured.finished.values():
        time.sleep(0.01)
        TrackedRun(measured.tracking_uri, run.run_id).client.log_metric(run.run_id, "eval/en/f1", 12.0, step=50)
    curves = measured.curves("finetune", "eval/en/f1")
    assert curves["value"].tolist() == [12.0, 12.0]


def test_a_study_whose_runs_have_no_results_is_an_error(tmp_path: Path) -> None:
    config = study_config(tmp_path, "convergence")
    record(config, share)  # without a curve
    run = start_run(job="study", output=config.output)
    with pytest.raises(InputError, match="--name convergence: the runs have no results for the tables convergence"):
        run_study(config, plan_study(config), run, concurrency=1)
    nothing = StudyPlan(chains=[], stages={}, input_digests={}, finished={})
    with pytest.raises(InputError, match="--name convergence: the study has no runs"):
        run_study(config, nothing, run, concurrency=1)


def test_a_finished_study_has_its_tables_and_no_failures(tmp_path: Path) -> None:
    config = study_config(tmp_path, "convergence")
    record(config, share, finetune={"eval/en/f1": CURVE})
    result = run_study(config, plan_study(config), start_run(job="study", output=config.output), concurrency=1)
    assert (len(result.tables), result.failed, result.stopped) == (1, [], False)
    assert {Path(file).name for file in result.files} >= {"convergence.md", "convergence.png"}
    assert all(Path(file).exists() for file in result.files)


def test_runs_missing_from_the_tracking_store_are_an_error(tmp_path: Path, measured: Results) -> None:
    elsewhere = replace(measured, tracking_uri=f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(InputError, match=r"was not found in MLflow at .*set MLFLOW_TRACKING_URI"):
        _ = elsewhere.test_scores


def test_means_and_deviations_by_hand() -> None:
    scores = pd.DataFrame({"method": ["b", "a", "b", "b"], "value": [1.0, 5.0, 2.0, 6.0]})
    found = summarise(scores, ["method"])
    assert list(found["method"]) == ["b", "a"]
    assert found["mean"].tolist() == [3.0, 5.0]
    assert found["std"][0] == pytest.approx(7**0.5)  # (4 + 1 + 9) / 2
    assert pd.isna(found["std"][1])
    assert found["runs"].tolist() == [3, 1]
