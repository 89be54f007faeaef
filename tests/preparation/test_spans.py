import pytest

from clism_core.preparation.spans import NGRAM, NOUN_CHUNK, AlignedSpan, Candidate, Link, project
from clism_core.utils.words import segment

SOURCE = "New York beats Italy , the home team"
#         0   1    2     3     4 5   6    7     begin at 0 4 9 15 21 23 27 32
TARGET = "neu york schlägt italien , das heimteam !"
#         0   1    2       3       4 5   6        7    begin at 0 4 9 17 25 27 31 40

NEW_YORK = Candidate(0, 8, "GPE")
ITALY = Candidate(15, 20, "GPE")
TEAM = Candidate(23, 36, NOUN_CHUNK)


def answers(candidates: list[Candidate], links: set[Link], max_answer_words: int = 10) -> list[tuple[str, str]]:
    spans, _ = project(
        candidates,
        source_words=segment(SOURCE),
        target_words=segment(TARGET),
        target=TARGET,
        links=links,
        max_answer_words=max_answer_words,
    )
    return [(SOURCE[s.source_start : s.source_end], TARGET[s.target_start : s.target_end]) for s in spans]


def test_offsets_and_label() -> None:
    spans, _ = project(
        [ITALY],
        source_words=segment(SOURCE),
        target_words=segment(TARGET),
        target=TARGET,
        links={(3, 3)},
        max_answer_words=10,
    )
    assert spans == [AlignedSpan(15, 20, 17, 24, "GPE")]


@pytest.mark.parametrize(
    ("candidates", "links", "expected"),
    [
        pytest.param([NEW_YORK], {(0, 0), (1, 1)}, [("New York", "neu york")], id="run"),
        pytest.param([NEW_YORK], {(0, 1), (1, 0)}, [("New York", "neu york")], id="crossing"),
        pytest.param([NEW_YORK], {(1, 1)}, [("New York", "york")], id="unaligned-source-word"),
        pytest.param([NEW_YORK], {(0, 0), (1, 2)}, [], id="gap"),
        pytest.param([NEW_YORK], {(0, 0), (1, 1), (2, 1)}, [], id="answer-is-aligned-outside"),
        pytest.param([NEW_YORK], {(2, 2)}, [], id="unaligned"),
        pytest.param([ITALY], {(3, 4)}, [], id="punctuation-only"),
        pytest.param([Candidate(0, 6, "GPE")], {(0, 0), (1, 1)}, [], id="ends-within-a-word"),
        pytest.param([Candidate(1, 8, "GPE")], {(0, 0), (1, 1)}, [], id="begins-within-a-word"),
        pytest.param(
            [TEAM, ITALY, NEW_YORK],
            {(0, 0), (1, 1), (3, 3), (5, 5), (6, 6), (7, 6)},
            [("New York", "neu york"), ("Italy", "italien"), ("the home team", "das heimteam")],
            id="in-source-order",
        ),
        pytest.param(
            [Candidate(15, 36, NOUN_CHUNK), ITALY],
            {(3, 3), (7, 6)},
            [("Italy", "italien")],
            id="entity-before-longer-chunk",
        ),
        pytest.param(
            [Candidate(15, 36, NGRAM), TEAM],
            {(3, 3), (7, 6)},
            [("the home team", "heimteam")],
            id="chunk-before-longer-ngram",
        ),
        pytest.param(
            [Candidate(4, 8, "GPE"), NEW_YORK], {(0, 0), (1, 1)}, [("New York", "neu york")], id="longer-first"
        ),
        pytest.param(
            [Candidate(27, 36, "ORG"), Candidate(23, 31, "ORG")],
            {(5, 5), (7, 6)},
            [("home team", "heimteam")],
            id="nine-characters-before-eight",
        ),
        pytest.param(
            [Candidate(27, 36, "ORG"), Candidate(23, 31, "ORG")],
            {(5, 5)},
            [("the home", "das")],
            id="one-without-answer-takes-no-room",
        ),
        pytest.param(
            [Candidate(4, 8, "GPE"), Candidate(32, 36, NOUN_CHUNK)],
            {(1, 1), (7, 6)},
            [("York", "york"), ("team", "heimteam")],
            id="apart",
        ),
    ],
)
def test_answers(candidates: list[Candidate], links: set[Link], expected: list[tuple[str, str]]) -> None:
    assert answers(candidates, links) == expected


def test_answer_of_too_many_words() -> None:
    links = {(0, 0), (1, 1)}
    assert answers([NEW_YORK], links, max_answer_words=2) == [("New York", "neu york")]
    assert answers([NEW_YORK], links, max_answer_words=1) == []


def test_left_one_of_equally_long_spans() -> None:
    left, right = Candidate(0, 8, "ORG"), Candidate(4, 14, "ORG")
    assert answers([right, left], {(0, 0), (1, 1), (2, 2)}) == [("York beats", "york schlägt")]
    same_length = [Candidate(23, 31, "ORG"), Candidate(0, 8, "ORG"), Candidate(4, 8, "ORG")]
    assert answers(same_length, {(0, 0), (1, 1)}) == [("New York", "neu york")]


@pytest.mark.parametrize(
    ("content", "expected", "partial"),
    [
        pytest.param(set(), [("the home team", "das heimteam")], 0, id="none"),
        pytest.param({6}, [], 1, id="one-without-link"),
        pytest.param({7}, [("the home team", "das heimteam")], 0, id="one-with-link"),
        pytest.param({1}, [("the home team", "das heimteam")], 0, id="outside-the-span"),
    ],
)
def test_content_words_without_a_link(content: set[int], expected: list[tuple[str, str]], partial: int) -> None:
    found, left_out = project(
        [TEAM, NEW_YORK],
        source_words=segment(SOURCE),
        target_words=segment(TARGET),
        target=TARGET,
        links={(5, 5), (7, 6)},
        max_answer_words=10,
        content_words=content,
    )
    assert [(SOURCE[s.source_start : s.source_end], TARGET[s.target_start : s.target_end]) for s in found] == expected
    assert left_out == partial
