from clism_core.data.mixture import DataSetConfig
from clism_core.training.card import mixture_text, model_card
from clism_core.training.config import PretrainConfig

ONE = PretrainConfig(model="xlm-roberta-base", data="prepared")
TWO = PretrainConfig(model="xlm-roberta-base", data=[DataSetConfig("wiki", 2), DataSetConfig("news", 1)])


def card(config: PretrainConfig) -> str:
    return model_card(config, step=3, metrics={}, samples=40, language_pairs=["en-de"])


def test_the_card_of_a_mixture_gives_the_shares() -> None:
    assert "\n- 66.7 % from `wiki` (weight 2)\n- 33.3 % from `news` (weight 1)\n\n```python" in card(TWO)


def test_the_card_of_one_data_set_has_no_shares() -> None:
    assert mixture_text(ONE) == ""
    assert card(TWO).replace(mixture_text(TWO), "") == card(ONE)
    assert "(NAACL 2022).\n\n```python" in card(ONE)
