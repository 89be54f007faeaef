import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import build_parser
from tiny import write_encoder

from clism_core.data.tokens import load_tokenizer
from clism_core.errors import InputError
from clism_core.training.config import PretrainConfig
from clism_core.training.identity import check_same_run, config_identity, identity, keep_identity
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.pretrain import dump_config

CONFIG = PretrainConfig(model="a", data="b", output="c", pairs_per_sample={0.0: 1, 0.6: 4})


def test_a_run_is_the_same_where_only_its_place_differs(tmp_path: Path) -> None:
    keep_identity(str(tmp_path), config_identity(CONFIG))
    elsewhere = replace(CONFIG, model="x", data="y", micro_batch_size=2, loop=LoopConfig(log_every=1))
    check_same_run(str(tmp_path), config_identity(elsewhere))


def test_what_differs_is_named(tmp_path: Path) -> None:
    keep_identity(str(tmp_path), config_identity(CONFIG))
    other = replace(CONFIG, optimizer=OptimizerConfig(learning_rate=1.0), loop=LoopConfig(steps=3))
    with pytest.raises(InputError, match=r"another loop\.steps, optimizer\.learning_rate;"):
        check_same_run(str(tmp_path), config_identity(other))


def test_another_vocabulary_or_other_data_is_another_run(tmp_path: Path) -> None:
    tokenizers = [load_tokenizer(str(write_encoder(kind, tmp_path / kind))) for kind in ("xlmr", "bert")]
    keep_identity(str(tmp_path), identity(CONFIG, data="1", tokenizer=tokenizers[0]))
    check_same_run(str(tmp_path), identity(CONFIG, data="1", tokenizer=tokenizers[0]))
    with pytest.raises(InputError, match="another data, vocabulary;"):
        check_same_run(str(tmp_path), identity(CONFIG, data="2", tokenizer=tokenizers[1]))


def test_a_new_folder_holds_no_run(tmp_path: Path) -> None:
    check_same_run(str(tmp_path), config_identity(CONFIG))


def test_the_dumped_configuration_can_be_given_again(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(CONFIG))
    parser = build_parser(PretrainConfig, None)
    values = parser.parse_args(["--config", str(file)])
    del values["config"]
    again = PretrainConfig(**vars(parser.instantiate(values)))
    assert again == CONFIG
    assert json.dumps(config_identity(again)) == json.dumps(config_identity(CONFIG))
