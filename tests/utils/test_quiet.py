from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers
from tiny import write_encoder

from clism_core.inference.actor import Embedder
from clism_core.inference.predictor import load_predictor
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.utils.quiet import quiet_loading


@pytest.fixture(autouse=True)
def _verbose() -> Iterator[None]:
    with quiet_loading():  # restores the previous settings
        transformers.logging.set_verbosity_info()
        transformers.logging.enable_progress_bar()
        yield


def test_only_the_block_is_quiet() -> None:
    with quiet_loading():
        assert transformers.logging.get_verbosity() == transformers.logging.ERROR
        assert not transformers.logging.is_progress_bar_enabled()
    assert transformers.logging.get_verbosity() == transformers.logging.INFO
    assert transformers.logging.is_progress_bar_enabled()


@pytest.mark.parametrize("load", [load_predictor, Embedder], ids=["predictor", "embedder"])
def test_models_load_silently(tmp_path: Path, capfd: pytest.CaptureFixture[str], load: object) -> None:
    encoder = write_encoder("xlmr", tmp_path / "encoder")
    MrcModel.begin(str(encoder), MrcConfig(), seed=0).save(tmp_path / "model")
    capfd.readouterr()
    load(str(tmp_path / "model"), batch_size=2)  # type: ignore[operator]
    assert capfd.readouterr() == ("", "")
