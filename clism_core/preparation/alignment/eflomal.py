"""The statistical aligner eflomal, run as a program: it is GPLv3, and so never imported.

Robert Östling, Jörg Tiedemann: Efficient word alignment with Markov chain Monte Carlo (PBML 106, 2016).

What it has learnt of a sample of a corpus goes into a file of priors (counts of word links, jumps and fertilities).
With these, any other part of the corpus is aligned by itself, in a few iterations: in parallel, in bounded memory.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from clism_core.preparation.alignment.aligner import Aligner, Draw, Words
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.pharaoh import parse_links
from clism_core.preparation.alignment.symmetrize import symmetrize
from clism_core.preparation.spans import Link
from clism_core.utils.errors import InputError

_ALIGN, _MAKE_PRIORS = "eflomal-align", "eflomal-makepriors"
_TRAINING_LENGTH = "0.5"  # iterations, relative to eflomal's own: half as many cost 0.3 points of AER at most
_SEED_USED = "seed.used"  # what eflomal_seed.c makes
_SEED_BYTES = 4096  # eflomal takes 16 a direction
_SEED_SOURCE = Path(__file__).with_name("eflomal_seed.c")
_SEED_VARIABLE = "CLISM_EFLOMAL_SEED"  # what eflomal_seed.c looks at


def find_program(name: str = _ALIGN) -> str:
    """Return the path of a program of eflomal's; raises `InputError` where it is not installed."""
    # Beside the interpreter: where a virtual environment's python is called by its path, its bin is not on PATH.
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(name) or shutil.which(name, path=beside_python)
    if found is None:
        raise InputError(
            f"aligner.kind is eflomal, but {name} is not installed; pip install -e '.[align]', which wants a C "
            "compiler, or take --aligner.kind embedding"
        )
    return found


def find_compiler() -> str:
    """Return the path of the C compiler; raises `InputError` where there is none."""
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if found is None:
        raise InputError(
            "aligner.seed wants a C compiler, and there is no cc, gcc or clang here; install one, or say "
            "--aligner.seed null, with which two runs differ in a few links"
        )
    return found


class EflomalAligner(Aligner):
    """Aligns sentence pairs with what `learn_priors` has learnt."""

    packages = ("eflomal",)

    @classmethod
    def check(cls, config: AlignerConfig) -> None:
        """Look for eflomal's program, and for the C compiler that a seed takes."""
        find_program()
        if config.seed is not None:
            find_compiler()

    @classmethod
    def learn(cls, config: AlignerConfig, draw: Draw) -> bytes:
        """Return eflomal's priors; raises as `both_directions`."""
        return learn_priors(*draw(config.train_pairs), seed=config.seed)

    def align(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[set[Link]]:
        """Return the links of each sentence pair, given as words."""
        pairs = self.both_directions(sources, targets)
        return [symmetrize(forward, reverse, self._config.symmetrization) for forward, reverse in pairs]

    def both_directions(self, sources: Sequence[Words], targets: Sequence[Words]) -> list[tuple[set[Link], set[Link]]]:
        """Return the forward and the reverse links of each sentence pair; both are (source, target)."""
        return both_directions(
            sources,
            targets,
            priors=self._learnt,
            iterations=self._config.iterations,
            seed=self._config.seed,
            threads=1,
        )


def both_directions(
    sources: Sequence[Words],
    targets: Sequence[Words],
    *,
    priors: bytes | None = None,
    iterations: int | None = None,
    seed: int | None = None,
    threads: int = 2,
) -> list[tuple[set[Link], set[Link]]]:
    """Return the forward and the reverse links of each sentence pair, given as words; both are (source, target).

    Without priors the pairs are aligned with each other's help only. With two threads the directions run side by side.
    `iterations` are those of the last of eflomal's three models, after one of each other; None leaves them to eflomal.
    Raises `InputError` where the program is missing or does not take the seed, `subprocess.CalledProcessError` where it
    fails.
    """
    if not sources:
        return []
    with tempfile.TemporaryDirectory(prefix="clism-eflomal-") as name:
        folder = Path(name)
        if priors is not None:
            (folder / "priors").write_bytes(priors)
        # Of IBM model 1, the HMM and the HMM with fertilities; by itself, eflomal takes more the fewer the pairs are.
        options = [] if iterations is None else ["-1", "1", "-2", "1", "-3", str(iterations)]
        _align_in(folder, sources, targets, options, seed=seed, threads=threads)
        return list(zip(_read_links(folder / "forward"), _read_links(folder / "reverse"), strict=True))


def learn_priors(sources: Iterable[Words], targets: Iterable[Words], *, seed: int | None, threads: int = 2) -> bytes:
    """Align a sample of a corpus by itself and return what eflomal learns from it, for `EflomalAligner`.

    Raises as `both_directions`.
    """
    with tempfile.TemporaryDirectory(prefix="clism-eflomal-") as name:
        folder = Path(name)
        if not _align_in(folder, sources, targets, ["-l", _TRAINING_LENGTH], seed=seed, threads=threads):
            return b""
        files = {"-s": "source", "-t": "target", "-f": "forward", "-r": "reverse", "-p": "priors"}
        _run(find_program(_MAKE_PRIORS), files, folder=folder, threads=1)
        return (folder / "priors").read_bytes()


def _align_in(
    folder: Path,
    sources: Iterable[Words],
    targets: Iterable[Words],
    options: list[str],
    *,
    seed: int | None,
    threads: int,
) -> int:
    """Write `forward` and `reverse` into `folder`, with the help of `priors` where it holds them.

    Returns:
        the number of sentence pairs; without any, nothing is written.
    """
    count = _write_sentences(folder / "source", sources)
    assert count == _write_sentences(folder / "target", targets)
    if count:
        files = {"-s": "source", "-t": "target", "-f": "forward", "-r": "reverse"}
        if (folder / "priors").exists():
            files["-p"] = "priors"
        seeded = {} if seed is None else _seeded_environment(folder, seed)
        _run(find_program(), files, *options, folder=folder, threads=threads, environment=seeded)
        if seeded and not (folder / _SEED_USED).exists():
            raise InputError(
                f"aligner.seed: eflomal did not take the seed, for {folder} cannot be preloaded (its path must hold no "
                "space or colon, and its file system must allow programs; TMPDIR names another); or say "
                "--aligner.seed null, with which two runs differ in a few links"
            )
    return count


def _run(
    program: str,
    files: dict[str, str],
    *options: str,
    folder: Path,
    threads: int,
    environment: dict[str, str] | None = None,
) -> None:
    command = [program, *options]
    for option, name in files.items():
        command += [option, str(folder / name)]
    # The outer level of threads are the two directions, the inner one the samplers of each.
    own = {"OMP_NUM_THREADS": f"{threads},1"} | (environment or {})
    subprocess.run(command, check=True, env=os.environ | own, stdout=subprocess.DEVNULL)


def _seeded_environment(folder: Path, seed: int) -> dict[str, str]:
    """Return the variables with which eflomal draws the same numbers every time.

    No option of eflomal 2.0.0 sets its seed: it reads the system's random numbers, from a file. A library that is put
    before the C library's has it open a file of ours instead.
    """
    library, numbers = folder / "seed.so", folder / "seed"
    numbers.write_bytes(hashlib.shake_256(str(seed).encode()).digest(_SEED_BYTES))
    subprocess.run(
        [find_compiler(), "-shared", "-fPIC", "-O1", "-o", str(library), str(_SEED_SOURCE), "-ldl"], check=True
    )
    preloaded = ":".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
    return {"LD_PRELOAD": preloaded, _SEED_VARIABLE: str(numbers)}


def _write_sentences(path: Path, sentences: Iterable[Words]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for words in sentences:
            file.write(" ".join(words).lower() + "\n")
            count += 1
    return count


def _read_links(path: Path) -> Iterator[set[Link]]:
    with path.open(encoding="ascii") as file:
        for line in file:
            links = parse_links(line)
            assert links is not None, f"{_ALIGN} wrote {line!r}"
            yield links
