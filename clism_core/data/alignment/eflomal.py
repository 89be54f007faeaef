"""The statistical aligner eflomal, run as a program: it is GPLv3, and so never imported.

Robert Östling, Jörg Tiedemann: Efficient word alignment with Markov chain Monte Carlo (PBML 106, 2016). It samples from
a seed of the system's, which no option of version 2.0.0 sets: two runs differ in a few links.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from clism_core.data.alignment.pharaoh import format_links, parse_links
from clism_core.data.alignment.symmetrize import Symmetrization, symmetrize
from clism_core.data.schema import replace_column, words_as_text
from clism_core.data.spans import Link
from clism_core.data.tally import Tally
from clism_core.errors import InputError

_PROGRAM = "eflomal-align"


def find_program() -> str:
    """Return the path of `eflomal-align`; raises `InputError` where it is not installed."""
    # Beside the interpreter: where a virtual environment's python is called by its path, its bin is not on PATH.
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=beside_python)
    if found is None:
        raise InputError(
            f"aligner.kind is eflomal, but {_PROGRAM} is not installed; pip install -e '.[align]', which wants a C "
            "compiler, or take --aligner.kind embedding"
        )
    return found


class EflomalAligner:
    """Aligns the rows of a table with each other's help: give it all rows of a language pair at once."""

    def __init__(self, *, symmetrization: Symmetrization, tally: Tally) -> None:
        self._symmetrization = symmetrization
        self._tally = tally

    def __call__(self, table: pa.Table) -> pa.Table:
        """Fill in `alignment` where a row has no reason yet."""
        live = [place for place, reason in enumerate(table["reason"].to_pylist()) if reason is None]
        rows = table.take(pa.array(live, pa.int64()))
        sources, targets = words_as_text(rows, "source"), words_as_text(rows, "target")
        alignment: list[object] = [None] * table.num_rows
        for place, (forward, reverse) in zip(live, both_directions(sources, targets), strict=True):
            alignment[place] = format_links(symmetrize(forward, reverse, self._symmetrization))
        self._tally.add("aligned", len(live))
        return replace_column(table, "alignment", alignment)


def both_directions(
    sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
) -> list[tuple[set[Link], set[Link]]]:
    """Return the forward and the reverse links of each sentence pair, given as words; both are (source, target).

    The directions run at the same time, one thread each.

    Raises `InputError` where the program is missing, `subprocess.CalledProcessError` where it fails.
    """
    if not sources:
        return []
    program = find_program()
    with tempfile.TemporaryDirectory(prefix="clism-eflomal-") as folder:
        paths = {name: str(Path(folder, name)) for name in ("source", "target", "forward", "reverse")}
        _write_sentences(paths["source"], sources)
        _write_sentences(paths["target"], targets)
        command = [
            program,
            "-s",
            paths["source"],
            "-t",
            paths["target"],
            "-f",
            paths["forward"],
            "-r",
            paths["reverse"],
        ]
        # The outer level of threads are the two directions, the inner one the samplers of each.
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "2,1"}, stdout=subprocess.DEVNULL)
        return list(zip(_read_links(paths["forward"]), _read_links(paths["reverse"]), strict=True))


def _write_sentences(path: str, sentences: Iterable[Sequence[str]]) -> None:
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(" ".join(words).lower() + "\n" for words in sentences)


def _read_links(path: str) -> Iterable[set[Link]]:
    with Path(path).open(encoding="ascii") as file:
        for line in file:
            links = parse_links(line)
            assert links is not None, f"{_PROGRAM} wrote {line!r}"
            yield links
