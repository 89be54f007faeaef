import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import write_encoder

from clism_core.command_line import build_parser
from clism_core.model.tokenizer import load_tokenizer
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.identity import config_identity, identity
from clism_core.pretraining.mixture import DataSet, DataSetConfig
from clism_core.training.config import dump_config
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.resume import check_same_run, save_identity
from clism_core.utils.errors import InputError

CONFIG = PretrainConfig(model="a", data="b", output="c", pairs_per_sample={0.0: 1, 0.6: 4})


def data_set(content: str, weight: float = 1.0) -> DataSet:
    manifest: Any = {"content": content}
    return DataSet(folder="anywhere", weight=weight, manifest=manifest)


def test_same_run_at_another_location_resumes(tmp_path: Path) -> None:
    save_identity(str(tmp_path), config_identity(CONFIG))
    elsewhere = replace(CONFIG, model="x", data="y", micro_batch_size=2, loop=LoopConfig(log_every=1))
    check_same_run(str(tmp_path), config_identity(elsewhere))


def test_changed_fields_are_named(tmp_path: Path) -> None:
    save_identity(str(tmp_path), config_identity(CONFIG))
    other = replace(CONFIG, optimizer=OptimizerConfig(learning_rate=1.0), loop=LoopConfig(steps=3))
    with pytest.raises(InputError, match=r"another loop\.steps, optimizer\.learning_rate;"):
        check_same_run(str(tmp_path), config_identity(other))


def test_other_vocabulary_data_or_model_is_another_run(tmp_path: Path) -> None:
    tokenizers = [load_tokenizer(str(write_encoder(kind, tmp_path / kind))) for kind in ("xlmr", "bert")]
    save_identity(str(tmp_path), identity(CONFIG, data=[data_set("1")], tokenizer=tokenizers[0], model="m"))
    check_same_run(str(tmp_path), identity(CONFIG, data=[data_set("1")], tokenizer=tokenizers[0], model="m"))
    with pytest.raises(InputError, match="another data, vocabulary;"):
        check_same_run(str(tmp_path), identity(CONFIG, data=[data_set("2")], tokenizer=tokenizers[1], model="m"))
    with pytest.raises(InputError, match="another model;"):  # of the same vocabulary
        check_same_run(str(tmp_path), identity(CONFIG, data=[data_set("1")], tokenizer=tokenizers[0], model="n"))


def test_single_data_set_is_identified_by_its_content(tmp_path: Path) -> None:
    """As in runs of versions without mixtures; its weight has no effect."""
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path)))
    found = identity(CONFIG, data=[data_set("1", weight=3)], tokenizer=tokenizer, model="m")
    assert found["data"] == "1"
    assert not [name for name in found if name.startswith("data.")]


@pytest.mark.parametrize(
    ("weights", "contents", "message"),
    [
        pytest.param((2, 1), "12", None, id="the same"),
        pytest.param((3, 1), "12", r"another data, data\.weight;", id="another weight"),
        pytest.param((1, 2), "12", "another data;", id="weights changed places"),
        pytest.param((2, 1), "13", "another data;", id="other data"),
    ],
)
def test_mixture_is_identified_by_contents_and_weights(
    tmp_path: Path, weights: tuple[float, float], contents: str, message: str | None
) -> None:
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path)))

    def mixture(contents: str, weights: tuple[float, float]) -> dict[str, Any]:
        config = replace(CONFIG, data=[DataSetConfig("/x", weights[0]), DataSetConfig("/y", weights[1])])
        sets = [data_set(content, weight) for content, weight in zip(contents, weights, strict=True)]
        return identity(config, data=sets, tokenizer=tokenizer, model="m")

    save_identity(str(tmp_path), mixture("12", (2, 1)))
    if message is None:
        check_same_run(str(tmp_path), mixture(contents, weights))
        return
    with pytest.raises(InputError, match=message):
        check_same_run(str(tmp_path), mixture(contents, weights))


def test_finished_run_with_other_weights_is_another_run(tmp_path: Path) -> None:
    """Detected without the data, which may have been deleted."""
    first, second = (
        replace(CONFIG, data=[DataSetConfig("/x", weight), DataSetConfig("/y", 1)]) for weight in (2.0, 3.0)
    )
    save_identity(str(tmp_path), config_identity(first))
    check_same_run(str(tmp_path), config_identity(replace(first, data=first.data[::-1])))
    with pytest.raises(InputError, match=r"another data\.weight;"):
        check_same_run(str(tmp_path), config_identity(second))


def test_new_folder_contains_no_run(tmp_path: Path) -> None:
    check_same_run(str(tmp_path), config_identity(CONFIG))


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(CONFIG, id="one data set"),
        pytest.param(replace(CONFIG, data=[DataSetConfig("b", 2.0), DataSetConfig("d")]), id="two data sets"),
    ],
)
def test_dumped_configuration_can_be_loaded(tmp_path: Path, config: PretrainConfig) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(config))
    parser = build_parser(PretrainConfig, None)
    values = parser.parse_args(["--config", str(file)])
    del values["config"]
    again = PretrainConfig(**vars(parser.instantiate(values)))
    assert again == config
    assert json.dumps(config_identity(again)) == json.dumps(config_identity(config))
