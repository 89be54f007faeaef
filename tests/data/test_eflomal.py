import itertools
import shutil
import sys
from pathlib import Path

import pytest

from clism_core.data.alignment.eflomal import both_directions, find_program
from clism_core.errors import InputError


def is_installed() -> bool:
    return shutil.which("eflomal-align") is not None or Path(sys.executable).with_name("eflomal-align").exists()


@pytest.mark.skipif(not is_installed(), reason="eflomal could not be compiled here")
def test_learns_a_small_dictionary() -> None:
    nouns = {"house": "Haus", "dog": "Hund", "book": "Buch", "tree": "Baum", "car": "Auto"}
    adjectives = {"big": "große", "old": "alte", "red": "rote"}
    verbs = {"sees": "sieht", "likes": "mag", "has": "hat"}
    sources = [list(words) for words in itertools.product(adjectives, nouns, verbs, nouns)]
    targets = [
        [nouns[noun], adjectives[adjective], verbs[verb], nouns[other]] for adjective, noun, verb, other in sources
    ]
    found = [forward & reverse for forward, reverse in both_directions(sources, targets)]
    assert len(found) == 225
    # It samples, and now and then mistakes one word for its neighbour. By chance a quarter would be right.
    assert sum(len(links & {(0, 1), (1, 0), (2, 2), (3, 3)}) for links in found) > 0.7 * 4 * 225


def test_nothing_to_align() -> None:
    assert both_directions([], []) == []


def test_program_is_found_beside_the_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "eflomal-align"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_program() == str(program)


def test_program_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InputError, match=r"pip install -e '.\[align\]'.* --aligner.kind embedding"):
        find_program()
