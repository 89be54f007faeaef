"""The statistical aligner eflomal, run as a program; never imported, because its licence is the GPLv3.

Robert Östling, Jörg Tiedemann: Efficient word alignment with Markov chain Monte Carlo (PBML 106, 2016).

eflomal is trained on a sample of a corpus, which yields a file of priors (counts of word links, jumps and fertilities).
With the priors, other parts of the corpus are aligned independently, in a few iterations: in parallel and in bounded
memory.
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
_TRAINING_LENGTH = "0.5"  # iterations, relative to eflomal's default: half as many cost at most 0.3 points of AER
_SEED_USED = "seed.used"  # created by eflomal_seed.c
_SEED_BYTES = 4096  # eflomal reads 16 per direction
_SEED_SOURCE = Path(__file__).with_name("eflomal_seed.c")
_SEED_VARIABLE = "CLISM_EFLOMAL_SEED"  # read by eflomal_seed.c


def find_program(name: str = _ALIGN) -> str:
    """Return the path of a program of eflomal; raises `InputError` if it is not installed."""
    # The bin folder of a virtual environment is not on PATH if its interpreter was called by its path.
    beside_python = str(Path(sys.executable).parent)
    program = shutil.which(name) or shutil.which(name, path=beside_python)
    if program is None:
        raise InputError(
            f"aligner.kind is eflomal, but {name} is not installed; run pip install -e '.[align]', which needs a C "
            "compiler, or give --aligner.kind embedding"
        )
    return program


def find_compiler() -> str:
    """Return the path of the C compiler; raises `InputError` if there is none."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise InputError(
            "aligner.seed needs a C compiler, but cc, gcc and clang were not found; install one, or give "
            "--aligner.seed null, with which a few links differ between runs"
        )
    return compiler


class EflomalAligner(Aligner):
    """Aligner that runs eflomal with the priors of `learn_priors`."""

    packages = ("eflomal",)
    needs_text = True

    @classmethod
    def check(cls, config: AlignerConfig) -> None:
        """Check that eflomal is installed, and the C compiler that a seed needs."""
        find_program()
        if config.seed is not None:
            find_compiler()

    @classmethod
    def learn(cls, config: AlignerConfig, draw: Draw) -> bytes:
        """Return eflomal's priors; raises the same errors as `both_directions`."""
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

    Args:
        sources: words of the source sentences.
        targets: words of their translations.
        priors: result of `learn_priors`; without priors, eflomal learns from these sentence pairs only.
        iterations: iterations of the last of eflomal's three models, after one of each other model; None: eflomal's
            default.
        seed: seed of eflomal; None: the system's random numbers.
        threads: with two, the directions run concurrently.

    Raises:
        InputError: if the program is missing or does not use the seed.
        subprocess.CalledProcessError: if the program fails.
    """
    if not sources:
        return []
    with tempfile.TemporaryDirectory(prefix="clism-eflomal-") as name:
        folder = Path(name)
        if priors is not None:
            (folder / "priors").write_bytes(priors)
        # For IBM model 1, the HMM and the HMM with fertilities. By default, eflomal iterates more if there are fewer
        # pairs.
        options = [] if iterations is None else ["-1", "1", "-2", "1", "-3", str(iterations)]
        _align_in(folder, sources, targets, options, seed=seed, threads=threads)
        return list(zip(_read_links(folder / "forward"), _read_links(folder / "reverse"), strict=True))


def learn_priors(sources: Iterable[Words], targets: Iterable[Words], *, seed: int | None, threads: int = 2) -> bytes:
    """Train eflomal on a sample of a corpus; return its priors for `EflomalAligner`.

    Raises the same errors as `both_directions`.
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
    """Write the files `forward` and `reverse` in `folder`, using its file `priors` if it exists.

    Returns:
        the number of sentence pairs; if there are none, no links are written.
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
                f"aligner.seed: eflomal did not use the seed, because a library in {folder} cannot be preloaded (its "
                "path must not contain a space or colon, and its file system must allow executables); set TMPDIR to "
                "another folder, or give --aligner.seed null, with which a few links differ between runs"
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
    # The outer level of threads is for the two directions, the inner one for the samplers of each.
    variables = {"OMP_NUM_THREADS": f"{threads},1"} | (environment or {})
    subprocess.run(command, check=True, env=os.environ | variables, stdout=subprocess.DEVNULL)


def _seeded_environment(folder: Path, seed: int) -> dict[str, str]:
    """Return environment variables with which eflomal draws the same random numbers in every run.

    eflomal 2.0.0 has no option for its seed: it reads /dev/urandom. A preloaded library makes it open our file instead.
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
