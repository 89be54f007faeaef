from pathlib import Path
from typing import Any

import pytest

from clism_core.preparation.entities import EntitiesConfig, NgramVocabulary, learn_ngrams
from clism_core.preparation.entities.ngrams import mutual_information
from clism_core.utils.errors import InputError

FILLER = [f"filler{number}" for number in range(6)]


def learn(sentences: list[str], language: str = "en", max_counted: int = 1000, **settings: Any) -> NgramVocabulary:
    defaults = {"ngram_min_count": 2, "ngram_max_share": 0.5, "ngram_min_pmi": 1.0}
    config = EntitiesConfig(**{**defaults, **settings})
    words = (sentence.split() for sentence in sentences)
    return learn_ngrams(words, config=config, language=language, max_counted=max_counted)


@pytest.mark.parametrize(
    ("ngram", "counts", "words", "expected"),
    [
        pytest.param("a", {"a": 2}, 16, float("inf"), id="one-word"),
        pytest.param("a b", {"a": 2, "b": 4, "a b": 2}, 16, 2.0, id="log2-of-(2/16)/(2/16*4/16)"),
        pytest.param("a b", {"a": 4, "b": 4, "a b": 1}, 16, 0.0, id="chance"),
        pytest.param(
            # log2 p: a -3, b -2, c -2, a b -3, b c -4, a b c -4; the likeliest segmentation is "a b" + "c": -5
            "a b c",
            {"a": 2, "b": 4, "c": 4, "a b": 2, "b c": 1, "a b c": 1},
            16,
            1.0,
            id="two-words-and-one",
        ),
        pytest.param(
            # a -1, b -1, c -1, a b -4, b c -4, a b c -4; the likeliest segmentation has three parts: -3
            "a b c",
            {"a": 8, "b": 8, "c": 8, "a b": 1, "b c": 1, "a b c": 1},
            16,
            -1.0,
            id="three-words",
        ),
    ],
)
def test_mutual_information(ngram: str, counts: dict[str, int], words: int, expected: float) -> None:
    assert mutual_information(ngram, counts=counts, words=words) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sentences", "settings", "expected"),
    [
        pytest.param(["Rome fell", "in Rome"], {}, {"rome": 2}, id="counted-without-case"),
        pytest.param(["Rome Rome Rome", "oslo", "oslo"], {}, {"oslo": 2}, id="sentences-not-occurrences"),
        pytest.param(["Rome"] * 9 + ["Oslo"] * 2, {}, {"oslo": 2}, id="too-frequent"),
        pytest.param(
            ["New York", "New York"], {}, {"new": 2, "new york": 2, "york": 2}, id="words-that-belong-together"
        ),
        pytest.param(["new york", "new york"], {"ngram_min_pmi": 9.0}, {"new": 2, "york": 2}, id="not-closely-enough"),
        pytest.param(["New York"] * 2, {"ngram_max_words": 1}, {"new": 2, "york": 2}, id="single-words"),
        pytest.param(
            ["bank of Norway", "bank of Norway"],
            {},
            {"bank": 2, "bank of norway": 2, "norway": 2},
            id="stop-word-within-but-not-at-the-ends",
        ),
        pytest.param(["Rome , Oslo"] * 2, {}, {"oslo": 2, "rome": 2}, id="punctuation-cuts"),
        pytest.param(["the US told us"] * 2, {}, {"US": 2, "US told": 2, "told": 2}, id="acronym-is-no-stop-word"),
        pytest.param(["I don't ski"] * 2, {}, {"ski": 2}, id="two-stop-words-in-one"),
    ],
)
def test_informative_ngrams(sentences: list[str], settings: dict[str, Any], expected: dict[str, int]) -> None:
    vocabulary = learn(sentences + FILLER, **settings)
    assert vocabulary.counts == expected


def test_stop_words_of_the_language() -> None:
    sentences = ["qu'il chante", "qu'il chante", *FILLER]
    assert learn(sentences, "fr").counts == {"chante": 2}
    assert "qu'il" in learn(sentences, "mt").counts


def test_nothing_informative_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no informative n-gram of en occurs in 5 to 1.5 of 3 sentences"):
        learn(["Rome"] * 3, ngram_min_count=5)


def test_frequent_ngrams_survive_the_limit() -> None:
    sentences = [f"rome w{number}" for number in range(50)]  # three n-grams each, and two of them new
    bounded = learn(sentences, max_counted=10, ngram_max_share=1.0)
    assert bounded.counts == {"rome": 50} == learn(sentences, ngram_max_share=1.0).counts


def test_dropped_ngrams_are_counted_from_zero() -> None:
    # After two sentences there are five n-grams; with a limit of four, all are dropped but "oslo", which occurs twice.
    sentences = ["oslo paris", "oslo rome", "rome", "rome"]
    assert learn(sentences, ngram_max_share=1.0).counts["rome"] == 3
    bounded = learn(sentences, max_counted=4, ngram_max_share=1.0)
    assert bounded.counts == {"oslo": 2, "rome": 2}


@pytest.mark.parametrize(
    ("text", "max_ngrams", "expected"),
    [
        pytest.param("they fly to Oslo", 5, ["Oslo"], id="one"),
        pytest.param("New York", 5, ["New York"], id="longer-of-equally-rare-ones"),
        pytest.param("new jersey", 5, ["new"], id="part-alone"),
        pytest.param("Oslo to New York and Rome", 5, ["Oslo", "New York", "Rome"], id="in-order"),
        pytest.param("Oslo to New York and Rome", 2, ["New York", "Rome"], id="rarest"),
        pytest.param("Rome or Paris", 1, ["Rome"], id="left-of-equally-rare-ones"),
        pytest.param("york city hall", 5, ["york city", "hall"], id="rarer-before-longer"),
        pytest.param("nothing here", 5, [], id="none"),
    ],
)
def test_find(text: str, max_ngrams: int, expected: list[str]) -> None:
    counts = {"new york": 4, "new": 4, "york": 6, "oslo": 5, "rome": 3, "paris": 3}
    counts |= {"york city": 2, "city hall": 3, "hall": 8}
    words = text.split()
    found = NgramVocabulary("en", 100, counts).find(words, max_ngrams=max_ngrams)
    assert [" ".join(words[ngram.start : ngram.stop]) for ngram in found] == expected


def test_saved_and_loaded(tmp_path: Path) -> None:
    vocabulary = learn(["Ålesund 東京", "東京 Ålesund", *FILLER])
    path = str(tmp_path / "ngrams" / "en.json")
    vocabulary.save(path)
    assert NgramVocabulary.load(path) == vocabulary
    again = str(tmp_path / "again.json")
    learn(["東京 Ålesund", "Ålesund 東京", *FILLER]).save(again)
    assert Path(again).read_bytes() == Path(path).read_bytes()
