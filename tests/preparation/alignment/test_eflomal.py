import itertools
import shutil
import sys
from pathlib import Path

import pytest

from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.eflomal import (
    EflomalAligner,
    both_directions,
    find_compiler,
    find_program,
    learn_priors,
)
from clism_core.utils.errors import InputError

NOUNS = {"house": "Haus", "dog": "Hund", "book": "Buch", "tree": "Baum", "car": "Auto"}
ADJECTIVES = {"big": "große", "old": "alte", "red": "rote"}
VERBS = {"sees": "sieht", "likes": "mag", "has": "hat"}
SENTENCES = [list(words) for words in itertools.product(ADJECTIVES, NOUNS, VERBS, NOUNS)]
# The adjective stands behind its noun, so that position alone finds no translation.
TRANSLATIONS = [
    [NOUNS[noun], ADJECTIVES[adjective], VERBS[verb], NOUNS[other]] for adjective, noun, verb, other in SENTENCES
]
LINKS = {(0, 1), (1, 0), (2, 2), (3, 3)}


def is_installed() -> bool:
    return shutil.which("eflomal-align") is not None or Path(sys.executable).with_name("eflomal-align").exists()


needs_eflomal = pytest.mark.skipif(not is_installed(), reason="eflomal could not be compiled here")


def right_share(found: list[set[tuple[int, int]]]) -> float:
    return sum(len(links & LINKS) for links in found) / (4 * len(found))


@needs_eflomal
def test_learns_a_small_dictionary() -> None:
    found = [forward & reverse for forward, reverse in both_directions(SENTENCES, TRANSLATIONS)]
    assert len(found) == 225
    # It samples, and now and then mistakes one word for its neighbour. By chance a quarter would be right.
    assert right_share(found) > 0.7


@needs_eflomal
def test_priors_align_sentences_with_new_word_order() -> None:
    priors = learn_priors(SENTENCES[3:], TRANSLATIONS[3:], seed=0)
    assert b"LEX\thouse\thaus\t" in priors
    aligner = EflomalAligner(AlignerConfig(symmetrization="intersection", iterations=2, seed=0), priors)
    # "the house sees a tree": words of the priors in an order that they have not seen
    found = aligner.align([["tree", "sees", "dog"]], [["Hund", "sieht", "Baum"]])
    assert found == [{(0, 2), (1, 1), (2, 0)}]
    assert aligner.align([], []) == []


@needs_eflomal
def test_links_depend_on_the_seed_but_not_on_the_threads() -> None:
    half = SENTENCES[::2], TRANSLATIONS[::2]
    runs = [both_directions(*half, iterations=1, seed=1, threads=threads) for threads in (1, 2, 2)]
    assert runs[0] == runs[1] == runs[2]
    others = [both_directions(*half, iterations=1, seed=seed) for seed in (2, 3)]
    assert any(other != runs[0] for other in others)


@needs_eflomal
def test_seed_that_cannot_be_preloaded_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a b"))  # the loader takes no names with spaces
    with pytest.raises(InputError, match="did not use the seed"):
        both_directions(SENTENCES[:9], TRANSLATIONS[:9], seed=1)
    assert len(both_directions(SENTENCES[:9], TRANSLATIONS[:9], seed=None)) == 9


@needs_eflomal
def test_empty_corpora_give_no_links_and_no_priors() -> None:
    assert both_directions([], []) == []
    assert learn_priors([], [], seed=None) == b""


def test_program_is_found_beside_the_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "eflomal-align"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_program() == str(program)


def test_missing_program_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InputError, match=r"pip install -e '.\[align\]'.* --aligner.kind embedding"):
        find_program()


def test_missing_compiler_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=r"--aligner\.seed null"):
        find_compiler()
