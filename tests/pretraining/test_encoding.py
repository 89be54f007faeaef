import pytest
from lossy_tokenizers import lossy_tokenizer

from clism_core.model.tokenizer import TextTokenizer
from clism_core.pretraining.encoding import encode_row

SOURCE = "Mary lives in Paris"
QUESTION = {"source_start": 14, "source_end": 19}


def encode(kind: str, target: str, answer: str) -> tuple[list[str], int]:
    """Return the answers' characters by their tokens' offsets, and the number of unencodable spans."""
    tokenizer = TextTokenizer(lossy_tokenizer(kind))
    start = target.index(answer)
    span = QUESTION | {"target_start": start, "target_end": start + len(answer)}
    texts = {"sample_id": "1", "source_lang": "en", "target_lang": "xx", "source": SOURCE, "target": target}
    row = encode_row(tokenizer, texts | {"spans": [span]})
    offsets = tokenizer(target).offsets
    answers = [target[offsets[each["target_start"]][0] : offsets[each["target_end"] - 1][1]] for each in row["spans"]]
    return answers, row["unencodable_spans"]


@pytest.mark.parametrize(
    ("kind", "target", "answer", "covered"),
    [
        pytest.param("accents-stripped", "वह दिल्ली में है।", "में", "में", id="vowel-signs-without-token"),
        pytest.param("accents-stripped", "قَالَ مُحَمَّدٌ", "مُحَمَّدٌ", "مُحَمَّدٌ", id="arabic-vowels-without-token"),
        pytest.param("sentencepiece", "au cafe\u0301 .", "cafe\u0301", "cafe\u0301", id="composed-by-the-tokenizer"),
        pytest.param("bytes-of-words", "Mary lebt in Paris.", "Paris", "Paris", id="space-added"),
        pytest.param("no-unknown", "in Þaris .", "Þaris", "Þaris", id="first-letter-without-token"),
        pytest.param("no-unknown", "in ☃Paris☃ .", "☃Paris☃", "Paris", id="symbols-without-token"),
        pytest.param("sentencepiece", "in \u200bParis\u00ad .", "\u200bParis\u00ad", "Paris", id="invisible"),
    ],
)
def test_spans_with_characters_that_have_no_token(kind: str, target: str, answer: str, covered: str) -> None:
    assert encode(kind, target, answer) == ([covered], 0)


def test_spans_whose_edge_is_inside_a_token_are_counted() -> None:
    assert encode("bytes-of-words", "Mary lebt in Paris", "Pari") == ([], 1)
