import pytest
import yaml

from clism_core.pretraining.card import mixture_text, model_card
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.mixture import DataSetConfig
from clism_core.utils.language_pair import LanguagePair

ONE = PretrainConfig(model="xlm-roberta-base", data="prepared")
TWO = PretrainConfig(model="xlm-roberta-base", data=[DataSetConfig("wiki", 2), DataSetConfig("news", 1)])


def card(config: PretrainConfig) -> str:
    return model_card(config, step=3, metrics={}, samples=40, language_pairs=[LanguagePair("en", "de")])


def test_card_of_a_mixture_contains_the_shares() -> None:
    assert "\n- 66.7 % from `wiki` (weight 2)\n- 33.3 % from `news` (weight 1)\n\n```python" in card(TWO)


def test_card_of_one_data_set_contains_no_shares() -> None:
    assert mixture_text(ONE) == ""
    assert card(TWO).replace(mixture_text(TWO), "") == card(ONE)
    assert "(NAACL 2022).\n\n```python" in card(ONE)


@pytest.mark.parametrize(
    ("model", "base_model"),
    [
        pytest.param("xlm-roberta-base", {"base_model": "xlm-roberta-base"}, id="from the hub"),
        pytest.param("s3://bucket/mine", {}, id="folder"),
    ],
)
def test_front_matter_for_the_hub(model: str, base_model: dict[str, str]) -> None:
    config = PretrainConfig(model=model, data="prepared")
    text = model_card(config, step=3, metrics={}, samples=40, language_pairs=[LanguagePair("en", "no")])
    empty, front_matter, rest = text.split("---\n", 2)
    assert empty == ""
    assert rest.startswith("# Encoder")
    assert yaml.safe_load(front_matter) == base_model | {
        "language": ["en", "no"],  # not false, as YAML reads `no` without quotes
        "library_name": "transformers",
        "tags": ["cross-lingual", "feature-extraction"],
    }
