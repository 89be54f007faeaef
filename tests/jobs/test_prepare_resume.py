"""A killed preparation resumes, and its data equal those of an uninterrupted run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import prepare
import pytest

from clism_core.command_line import EXIT_DONE, run_job
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.manifest import open_output
from clism_core.preparation.prepare import PrepareConfig
from clism_core.preparation.stages import clean_corpora
from clism_core.preparation.staging import Work

PEOPLE = ["Anna", "Tom", "Eva", "Max", "Ruth", "Karl"]
VERBS = {"sees": "sieht", "likes": "mag", "knows": "kennt", "finds": "findet"}
PLACES = {"Rome": "Rom", "Venice": "Venedig", "Cologne": "Köln", "Munich": "München", "Naples": "Neapel"}
SECONDS = 300


def write_corpus(folder: Path) -> Path:
    """Write 120 pairs with the verb at the end of the translation, and one of them twice."""
    lines = [
        f"{person} {verb} {place} .\t{person} {PLACES[place]} {VERBS[verb]} .\n"
        for person in PEOPLE
        for verb in VERBS
        for place in PLACES
    ]
    path = folder / "c.tsv"
    path.write_text("".join([*lines, lines[0]]), "utf-8")
    return path


def arguments(corpus: Path, pipeline: str, output: Path) -> list[str]:
    corpora = [{"path": str(corpus), "source_lang": "en", "target_lang": "de"}]
    given = ["--corpora", json.dumps(corpora), "--output", str(output), "--rows_per_file", "8"]
    return [*given, "--entities.pipeline", pipeline]


def files(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for part in ("samples", "rejects")
        for path in (output / part).iterdir()
    }


@pytest.mark.ray
@pytest.mark.slow
def test_killed_preparation_resumes(ray_cluster: None, home_folder: Path, tmp_path: Path, pipeline_folder: str) -> None:
    beside_python = Path(sys.executable).with_name("eflomal-align")
    if shutil.which("eflomal-align") is None and not beside_python.exists():
        pytest.skip("eflomal could not be compiled here")
    corpus, output = write_corpus(tmp_path), tmp_path / "killed"
    given = arguments(corpus, pipeline_folder, output)

    # In a process with a cluster of its own, which dies with it.
    environment: dict[str, Any] = {**os.environ, "CLISM_HOME": str(home_folder), "RAY_ADDRESS": "local"}
    job = subprocess.Popen([sys.executable, prepare.__file__, *given], env=environment)
    end = time.monotonic() + SECONDS
    while len(list(output.glob("unfinished/*/shards/*.json"))) < 3:
        assert job.poll() is None, "the job has ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not (output / "manifest.json").exists()
    before = {path: path.stat().st_mtime_ns for path in (output / "samples").glob("*.parquet")}
    assert 0 < len(before) < 16

    # On another number of workers.
    assert run_job(PrepareConfig, prepare.main, description=None, arguments=given) == EXIT_DONE
    unchanged = [path for path, changed in before.items() if path.stat().st_mtime_ns == changed]
    assert len(unchanged) >= 3  # what was written, but not yet said to be made, is made again
    assert sorted(path.name for path in output.iterdir()) == ["manifest.json", "rejects", "report.html", "samples"]

    undisturbed = tmp_path / "undisturbed"
    given = arguments(corpus, pipeline_folder, undisturbed)
    assert run_job(PrepareConfig, prepare.main, description=None, arguments=given) == EXIT_DONE
    assert files(output) == files(undisturbed)
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (output, undisturbed)]
    for name in ("content", "fingerprint", "pairs"):
        assert manifests[0][name] == manifests[1][name]
    assert manifests[0]["pairs"]["en-de"]["rejects"]["duplicate"] == 1


@pytest.mark.ray
def test_cleaned_shards_are_skipped(ray_cluster: None, tmp_path: Path) -> None:
    """Simulates a run that was killed while reading."""
    corpus = CorpusConfig(path=str(write_corpus(tmp_path)), source_lang="en", target_lang="de", max_pairs=100)
    output = str(tmp_path / "out")
    config = PrepareConfig(corpora=[corpus], output=output, rows_per_file=30)
    open_output(output, fingerprint="ab" * 32)
    work = Work(output, fingerprint="ab" * 32)
    read = clean_corpora(config, work)
    assert read == [{"shards": [(1, 30), (31, 30), (61, 30), (91, 10)], "beyond_cap": 21}]
    assert clean_corpora(config, work) == json.loads(json.dumps(read))

    Path(work.path("corpora", "0.json")).unlink()
    first, *others = sorted(Path(work.path("rows")).iterdir())
    content, changed = first.read_bytes(), {path: path.stat().st_mtime_ns for path in others}
    first.unlink()
    assert clean_corpora(config, work) == read
    assert first.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in others} == changed
