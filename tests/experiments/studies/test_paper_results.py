import pytest

from clism_core.experiments.studies.paper_results import DATASETS, METHODS, Score, few_shot_result, main_result
from clism_core.utils.errors import InputError


@pytest.mark.parametrize(
    ("method", "dataset", "score"),
    [
        pytest.param("Ours (Info-XLM)", "XQUAD", Score(78.22, 61.99), id="questions"),
        pytest.param("Ours (XLM-R)", "MLQA", Score(67.34, 49.11), id="as-in-the-table-not-the-text"),
        pytest.param("XLM", "CoNLL", Score(79), id="entities-have-f1-alone"),
        pytest.param("XLM-Align", "WikiAnn", Score(72.66), id="wikiann"),
        pytest.param("CalibreNet", "MLQA", Score(65.40, 48.84), id="reported-by-others"),
        pytest.param("CalibreNet", "XQUAD", None, id="calibrenet-has-no-xquad"),
        pytest.param("AA-CL", "CoNLL", None, id="aa-cl-has-no-entities"),
    ],
)
def test_table_2(method: str, dataset: str, score: Score | None) -> None:
    assert main_result(method, dataset) == score


@pytest.mark.parametrize(
    ("method", "dataset", "examples", "score"),
    [
        pytest.param("Ours (XLM-R)", "MLQA", 1024, Score(57.8, 42.4), id="ours"),
        pytest.param("Ours (XLM-R)", "XQUAD", 1024, Score(61.25, 44.92), id="ours-xquad"),
        pytest.param("XLM-R", "XQUAD", 1024, Score(43.25, 28.03), id="xlm-r"),
        pytest.param("Info-XLM", "MLQA", 64, Score(7, 3.2), id="fewest"),
        pytest.param("M-BERT", "MLQA", 64, None, id="method-of-table-2-only"),
        pytest.param("XLM-R", "CoNLL", 64, None, id="no-entities"),
        pytest.param("XLM-R", "MLQA", 100, None, id="other-number"),
    ],
)
def test_table_9(method: str, dataset: str, examples: int, score: Score | None) -> None:
    assert few_shot_result(method, dataset, examples=examples) == score


def test_names_are_the_papers() -> None:
    assert DATASETS == ("MLQA", "XQUAD", "CoNLL", "WikiAnn")
    assert (len(METHODS), METHODS[0], METHODS[-1]) == (9, "M-BERT", "Ours (Info-XLM)")


@pytest.mark.parametrize(
    ("method", "dataset", "message"),
    [
        pytest.param("BERT", "MLQA", "method 'BERT': not found in the paper; .*M-BERT", id="method"),
        pytest.param("metrics", "MLQA", "method 'metrics': not found", id="the-tables-own-entry"),
        pytest.param("XLM-R", "xquad", "dataset 'xquad': not found in the paper; .*XQUAD", id="dataset"),
    ],
)
def test_unknown_methods_and_datasets_are_errors(method: str, dataset: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        main_result(method, dataset)
    with pytest.raises(InputError, match=message):
        few_shot_result(method, dataset, examples=64)
