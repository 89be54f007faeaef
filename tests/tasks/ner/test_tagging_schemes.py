import pytest

from clism_core.tasks.ner.tagging_schemes import Scheme, find_scheme, invalid_transitions, to_bio


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        pytest.param(["O I-PER I-PER O", "I-LOC"], "IOB1", id="iob1"),
        pytest.param(["I-PER B-PER I-LOC"], "IOB1", id="iob1-adjacent-of-one-type"),
        pytest.param(["O B-PER I-PER", "B-LOC"], "IOB2", id="iob2"),
        pytest.param(["B-PER B-PER"], "IOB2", id="iob2-adjacent-of-one-type"),
        pytest.param(["B-PER O B-LOC", "I-LOC O"], "IOB2", id="iob2-with-one-mistake"),
        pytest.param(["B-PER", "I-PER"], "IOB2", id="undecided"),
        pytest.param(["O O"], "IOB2", id="no-entities"),
        pytest.param(["O S-PER", "I-LOC"], "BIOES", id="single"),
        pytest.param(["B-PER E-PER"], "BIOES", id="end"),
    ],
)
def test_the_scheme_is_detected(sentences: list[str], scheme: Scheme) -> None:
    assert find_scheme([tags.split() for tags in sentences]) == scheme


@pytest.mark.parametrize(
    ("scheme", "given", "bio", "invalid"),
    [
        pytest.param("IOB2", "B-PER I-PER B-PER O", "B-PER I-PER B-PER O", 0, id="iob2"),
        pytest.param("IOB2", "I-PER I-PER O I-LOC", "B-PER I-PER O B-LOC", 2, id="iob2-without-b"),
        pytest.param("IOB2", "B-PER I-LOC I-LOC", "B-PER B-LOC I-LOC", 1, id="iob2-type-changes"),
        pytest.param("IOB1", "I-PER I-PER B-PER I-PER", "B-PER I-PER B-PER I-PER", 0, id="iob1-adjacent"),
        pytest.param("IOB1", "I-PER I-LOC O I-LOC", "B-PER B-LOC O B-LOC", 0, id="iob1-type-changes"),
        pytest.param("IOB1", "O B-PER I-LOC B-PER", "O B-PER B-LOC B-PER", 2, id="iob1-b-without-need"),
        pytest.param("BIOES", "B-PER I-PER E-PER S-LOC O", "B-PER I-PER I-PER B-LOC O", 0, id="bioes"),
        pytest.param("BIOES", "B-PER E-PER B-PER E-PER", "B-PER I-PER B-PER I-PER", 0, id="bioes-adjacent"),
        pytest.param("BIOES", "O E-PER I-PER S-PER", "O B-PER B-PER B-PER", 3, id="bioes-broken"),
        pytest.param("BIOES", "S-PER I-PER E-PER", "B-PER B-PER I-PER", 1, id="bioes-goes-on-after-single"),
        pytest.param("BIOES", "B-PER O I-LOC", "B-PER O B-LOC", 3, id="bioes-unfinished"),
    ],
)
def test_conversion_to_bio(scheme: Scheme, given: str, bio: str, invalid: int) -> None:
    assert " ".join(to_bio(given.split())) == bio
    assert invalid_transitions(given.split(), scheme) == invalid
    assert invalid_transitions(bio.split(), "IOB2") == 0
