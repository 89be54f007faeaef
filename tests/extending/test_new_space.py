from pathlib import Path

import pytest
from guide import example_code

from clism_core.experiments.tuning.config import TuneConfig, check_sweep, trial_configs
from clism_core.pretraining.config import PretrainConfig
from clism_core.utils.errors import InputError
from tune_spaces import load_space

CODE = example_code("Add a search space")


def sweep(folder: Path, code: str) -> TuneConfig:
    (folder / "masking.py").write_text(code)
    return TuneConfig(space=str(folder / "masking.py"), pretrain=PretrainConfig(model="m", data="d"))


def test_a_new_space_is_loaded_and_drawn_from(tmp_path: Path) -> None:
    config = sweep(tmp_path, CODE)
    space = load_space(config.space)
    check_sweep(config, space)
    assert config.resolved(space).trials == 12
    for _ in range(5):
        drawn = {name: domain.sample() for name, domain in space.parameters.items()}
        masking = trial_configs(config.bases(space), space, drawn)["pretrain"].masking
        assert masking.max_spans in (1, 2, 4)
        assert 0.05 <= masking.mlm_probability <= 0.4


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        pytest.param("masking.max_spans", "masking.spans", "masking.spans", id="no such field"),
        pytest.param("[1, 2, 4]", "[1, 2, 0]", "--masking.max_spans", id="value out of range"),
    ],
)
def test_a_wrong_space_is_refused(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    config = sweep(tmp_path, CODE.replace(right, wrong))
    with pytest.raises(InputError, match=message):
        check_sweep(config, load_space(config.space))
