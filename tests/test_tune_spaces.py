"""The search spaces that come with the project, and those of a user's own."""

from dataclasses import replace
from pathlib import Path

import pytest

from clism_core.experiments.tuning.config import TuneConfig, check_sweep
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.utils.errors import InputError
from tune_spaces import load_space, space_names

OWN = """
from ray import tune
from clism_core.experiments.tuning.space import Space
SPACE = Space(job="pretrain", parameters={"seed": tune.choice([0, 1])}, metrics=("*/span_exact_match",))
"""


def test_the_spaces_are_those_of_the_design() -> None:
    named = ["fewshot", "finetune_mrc", "finetune_ner", "joint", "loss_weights", "pretraining", "temperature"]
    assert space_names() == named


@pytest.mark.parametrize("name", space_names())
def test_space_fits_its_job(name: str) -> None:
    space = load_space(name)
    finetune = FinetuneConfig(task="ner" if name == "finetune_ner" else "mrc", model="m", train="t", dev="d")
    if space.job == "joint":
        finetune = replace(finetune, model="")
    check_sweep(TuneConfig(space=name, pretrain=PretrainConfig(model="m", data="d"), finetune=finetune), space)


def test_a_file_of_ones_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    assert load_space(str(tmp_path / "mine.py")).metrics == ("*/span_exact_match",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "not found; give a Python file, or a module of tune_spaces: fewshot, ", id="no file"),
        pytest.param("SPACE = 3", "SPACE missing", id="no space"),
        pytest.param("import nothing_of_this_name", "ModuleNotFoundError", id="file that fails"),
    ],
)
def test_what_is_no_space_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=message):
        load_space(str(file))
