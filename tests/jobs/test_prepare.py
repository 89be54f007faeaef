import gzip
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.dataset as pds
import pytest
import ray
from letter_encoder import write_letter_encoder
from mlflow import MlflowClient
from prepare import PRINT_STATS, main

from clism_core.command_line import CONFIGS, EXIT_BAD_INPUT, EXIT_DONE, build_parser, run_job
from clism_core.preparation.prepare import PrepareConfig
from clism_core.preparation.schema import REJECT_SCHEMA
from clism_core.preparation.source_hash import SAMPLE_FILE_SCHEMA
from clism_core.preparation.stages import learn
from clism_core.preparation.verification import verify
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri

# line, English, German, alignment of words as white space cuts them
GERMAN = [
    ("Anna lives in Rome .", "Anna wohnt in Rom .", "0-0 1-1 2-2 3-3 4-4"),
    ("In Rome , Anna sings .", "Anna  singt in Rom .", "0-2 1-3 3-0 4-1 5-4"),
    ("It rains .", "Es regnet .", "0-0 1-1 2-2"),
    ("Anna sleeps", "Sie schläft", "1-1"),
    ("Anna lives in Rome .", "Anna wohnt in Rom .", "0-0"),
    ("", "Nichts", ""),
    ("Rome", "Rom", "0-1"),
]


def run(corpora: list[dict[str, Any]], output: Path, *arguments: str) -> int:
    given = ["--corpora", json.dumps(corpora), "--output", str(output), *arguments]
    return run_job(PrepareConfig, main, description=None, arguments=given)


def write_german(folder: Path) -> list[dict[str, Any]]:
    """Write the pairs as a TSV file with alignments, and a Vietnamese one as Moses files."""
    (folder / "de.tsv").write_text("".join(f"{source}\t{target}\tnews\n" for source, target, _ in GERMAN), "utf-8")
    (folder / "de.links").write_text("".join(f"{links}\n" for *_, links in GERMAN))
    (folder / "vi.en.gz").write_bytes(gzip.compress(b"Rome , Rome\nAnna\nAnna\n"))
    (folder / "vi.vi").write_text("R&ocirc;ma , Rô-ma\nAn Na\nAn\n", "utf-8")
    (folder / "vi.links").write_text("0-0 1-1 2-2\n0-0 0-1\n0-0\n")
    german: dict[str, Any] = {
        "path": str(folder / "de.tsv"),
        "source_lang": "en",
        "target_lang": "de",
        "origin_column": 3,
    }
    vietnamese: dict[str, Any] = {
        "format": "moses",
        "path": str(folder / "vi.en.gz"),
        "target_path": str(folder / "vi.vi"),
    }
    vietnamese |= {"source_lang": "en", "target_lang": "vi", "max_pairs": 2}
    return [
        german | {"alignment_path": str(folder / "de.links")},
        vietnamese | {"alignment_path": str(folder / "vi.links")},
    ]


def answers(output: Path) -> dict[str, list[tuple[str, str, str]]]:
    return {
        row["sample_id"]: [
            (
                row["source"][span["source_start"] : span["source_end"]],
                row["target"][span["target_start"] : span["target_end"]],
                span["label"],
            )
            for span in row["spans"]
        ]
        for row in pds.dataset(output / "samples").to_table().to_pylist()
    }


def tracked_runs(output: Path) -> list[Any]:
    """Return the MLflow runs whose output is in the folder."""
    client = MlflowClient(tracking_uri())
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`clism.output` = '{output}'"))


def words(*offsets: tuple[int, int]) -> list[dict[str, int]]:
    return [{"start": start, "end": end} for start, end in offsets]


@pytest.mark.ray
def test_given_alignments(
    ray_cluster: None, tmp_path: Path, pipeline_folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    arguments = ["--aligner.kind", "pharaoh", "--entities.pipeline", pipeline_folder, "--rows_per_file", "3"]
    assert run(write_german(tmp_path), output, *arguments) == EXIT_DONE

    assert answers(output) == {
        "en-de/00/000000001": [("Anna", "Anna", "PERSON"), ("Rome", "Rom", "GPE")],
        "en-de/00/000000002": [("Rome", "Rom", "GPE"), ("Anna", "Anna", "PERSON")],
        "en-vi/01/000000001": [("Rome", "Rôma", "GPE"), ("Rome", "Rô-ma", "GPE")],
        "en-vi/01/000000002": [("Anna", "An Na", "PERSON")],
    }
    samples = pds.dataset(output / "samples").to_table()
    assert samples.schema == SAMPLE_FILE_SCHEMA
    assert samples.to_pylist()[1] == {
        "sample_id": "en-de/00/000000002",
        "source_lang": "en",
        "target_lang": "de",
        "source": "In Rome , Anna sings .",
        "target": "Anna singt in Rom .",
        "spans": [
            {"source_start": 3, "source_end": 7, "target_start": 14, "target_end": 17, "label": "GPE"},
            {"source_start": 10, "source_end": 14, "target_start": 0, "target_end": 4, "label": "PERSON"},
        ],
        "origin": "news",
        "source_words": [
            {"start": start, "end": end} for start, end in [(0, 2), (3, 7), (8, 9), (10, 14), (15, 20), (21, 22)]
        ],
        "target_words": [
            {"start": start, "end": end} for start, end in [(0, 4), (5, 10), (11, 13), (14, 17), (18, 19)]
        ],
        "alignment": "0-2 1-3 3-0 4-1 5-4",
        "source_hash": int(hashlib.blake2b(b"in rome , anna sings .", digest_size=8).hexdigest(), 16),
    }
    rejects = pds.dataset(output / "rejects").to_table()
    assert rejects.schema == REJECT_SCHEMA
    assert [(row["line"], row["source"], row["reason"]) for row in rejects.to_pylist()] == [
        (3, "It rains .", "no_span"),
        (4, "Anna sleeps", "no_answer"),
        (5, "Anna lives in Rome .", "duplicate"),
        (6, "", "empty_source"),
        (7, "Rome", "invalid_alignment"),
    ]
    assert {row["input"] for row in rejects.to_pylist()} == {str(tmp_path / "de.tsv")}
    assert [path.relative_to(output).as_posix() for path in sorted(output.rglob("*.*"))] == [
        "manifest.json",
        "rejects/en-de-00-000000001.parquet",
        "rejects/en-de-00-000000004.parquet",
        "rejects/en-de-00-000000007.parquet",
        "report.html",
        "samples/en-de-00-000000001.parquet",
        "samples/en-vi-01-000000001.parquet",
    ]

    manifest = json.loads((output / "manifest.json").read_text())
    assert (manifest["samples"], manifest["rejects"]) == (4, 5)
    statistics = {pair: counts.pop("statistics") for pair, counts in manifest["pairs"].items()}
    german_rejects = {"no_span": 1, "no_answer": 1, "duplicate": 1, "empty_source": 1, "invalid_alignment": 1}
    assert [counts.pop("partial_answers") for counts in manifest["pairs"].values()] == [0, 0]
    assert manifest["pairs"] == {
        "en-de": {"rows": 7, "samples": 2, "spans": 4, "rejects": german_rejects, "beyond_cap": 0, "markup": 0},
        "en-vi": {"rows": 2, "samples": 2, "spans": 3, "rejects": {}, "beyond_cap": 1, "markup": 1},
    }
    assert statistics["en-de"]["origins"] == {"news": {"samples": 2, "spans": 4, "rejects": german_rejects}}
    assert statistics["en-vi"]["labels"] == {"GPE": 2, "PERSON": 1}
    assert "Prepared 4 samples; 5 rows were rejected." in capsys.readouterr().out
    written = [*output.glob("samples/*"), *output.glob("rejects/*")]
    assert sorted(manifest["files"]) == sorted(path.relative_to(output).as_posix() for path in written)
    assert verify(str(output)) == f"{output}: no problems in 4 samples and 5 rejects, in 5 files"

    with pytest.raises(SystemExit) as exit_info:
        run_job(
            PrepareConfig, main, description=None, shortcuts=[PRINT_STATS], arguments=["--print_stats", str(output)]
        )
    assert exit_info.value.code == EXIT_DONE
    assert "en-vi     2        2  100.0%" in capsys.readouterr().out

    (tracked,) = tracked_runs(output)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.tags["clism.job"] == "prepare"
    assert tracked.data.tags["clism.data_fingerprint"] == manifest["fingerprint"]
    assert tracked.data.params["aligner.kind"] == "pharaoh"
    assert tracked.data.metrics["prepare/en-vi/beyond_cap"] == 1
    files = {file.path for file in MlflowClient(tracking_uri()).list_artifacts(tracked.info.run_id)}
    assert files == {"config.yaml", "environment.json", "manifest.json", "report.html"}


@pytest.mark.ray
def test_a_repeated_run_does_nothing_and_another_run_needs_another_folder(
    ray_cluster: None, tmp_path: Path, pipeline_folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora, output = write_german(tmp_path)[1:], tmp_path / "out"
    arguments = ["--aligner.kind", "pharaoh", "--entities.pipeline", pipeline_folder]
    assert run(corpora, output, *arguments) == EXIT_DONE
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    assert run(corpora, output, *arguments) == EXIT_DONE
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == times
    assert len(tracked_runs(output)) == 1

    assert run(corpora, output, *arguments, "--max_answer_words", "1") == EXIT_BAD_INPUT
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.ray
def test_input_errors_found_by_workers_are_reported(
    ray_cluster: None, tmp_path: Path, pipeline_folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora = write_german(tmp_path)[1:]
    (tmp_path / "vi.links").write_text("0-0\n")
    output = tmp_path / "out"
    arguments = ["--aligner.kind", "pharaoh", "--entities.pipeline", pipeline_folder]
    assert run(corpora, output, *arguments) == EXIT_BAD_INPUT
    # Ray's own lines may come in between.
    assert (
        f"\nerror: corpora: number of lines differs: {tmp_path / 'vi.links'} has 1 sentences"
        in "\n" + capsys.readouterr().err
    )
    assert not (output / "manifest.json").exists()

    write_german(tmp_path)
    assert run(corpora, output, *arguments) == EXIT_DONE
    assert not (output / "unfinished.json").exists()


@pytest.mark.ray
@pytest.mark.parametrize("stage", ["clean", "make"])
def test_software_missing_on_a_worker_is_an_input_error(
    ray_cluster: None,
    tmp_path: Path,
    pipeline_folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    """Simulates a node that lacks something that the driver has, so that only the driver's check passes."""
    monkeypatch.setattr("clism_core.preparation.prepare.check", lambda _: None)
    (tmp_path / "c.tsv").write_text("Anna lives in Rome .\tAnna wohnt in Rom .\n")
    languages = {"clean": ("en", "qq"), "make": ("en", "de")}[stage]
    corpora = [{"path": str(tmp_path / "c.tsv"), "source_lang": languages[0], "target_lang": languages[1]}]
    given = pipeline_folder
    if stage == "clean":
        monkeypatch.setattr("clism_core.preparation.stages.clean_shards", _lack)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    else:
        given = str(tmp_path / "copy")
        shutil.copytree(pipeline_folder, given)

        def learn_and_remove(*arguments: Any) -> None:
            learn(*arguments)
            shutil.rmtree(given)

        monkeypatch.setattr("clism_core.preparation.prepare.learn", learn_and_remove)
    arguments = ["--entities.pipeline", given, "--aligner.seed", "null"]
    assert run(corpora, tmp_path / "out", *arguments) == EXIT_BAD_INPUT
    message = {"clean": "a segmenter is missing", "make": "is not installed"}[stage]
    assert message in capsys.readouterr().err.split("error: ")[-1]


def _lack(*_: Any, **__: Any) -> Any:
    raise InputError("a segmenter is missing")


@pytest.mark.ray
def test_embedding_aligner(ray_cluster: None, tmp_path: Path, pipeline_folder: str) -> None:
    write_letter_encoder(tmp_path / "encoder")
    (tmp_path / "c.tsv").write_text("Tim saw Bonn.\tBonn , saw Tim\nit rains\tes regnet\n")
    corpora = [{"path": str(tmp_path / "c.tsv"), "source_lang": "en", "target_lang": "de"}]
    output = tmp_path / "out"
    arguments = ["--aligner.kind", "embedding", "--aligner.model", str(tmp_path / "encoder"), "--aligner.layer", "0"]
    assert run(corpora, output, *arguments, "--entities.pipeline", pipeline_folder) == EXIT_DONE
    assert answers(output) == {"en-de/00/000000001": [("Tim", "Tim", "PERSON"), ("Bonn", "Bonn", "GPE")]}


@pytest.mark.ray
def test_corpus_without_samples(
    ray_cluster: None, tmp_path: Path, pipeline_folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_letter_encoder(tmp_path / "encoder")
    (tmp_path / "c.tsv").write_text("Tim saw Bonn.\tBonn , saw Tim\n")
    (tmp_path / "none.tsv").write_text("it rains\tes regnet\nit &amp; snows\tes schneit\n")
    corpora = [
        {"path": str(tmp_path / name), "source_lang": "en", "target_lang": "de"} for name in ("c.tsv", "none.tsv")
    ]
    output = tmp_path / "out"
    arguments = ["--aligner.kind", "embedding", "--aligner.model", str(tmp_path / "encoder"), "--aligner.layer", "0"]
    arguments += ["--entities.pipeline", pipeline_folder]
    for _ in range(2):  # the second time, nothing is left to compute
        assert run(corpora, output, *arguments) == EXIT_BAD_INPUT
        message = capsys.readouterr().err.split("error: ")[-1]
        assert "none.tsv (en-de): none of its 2 rows has become a sample; rejected: no_span 2; " in message
        assert "line 1: 'it rains' => 'es regnet', line 2: 'it & snows' => 'es schneit'; all rejects:" in message
    assert pds.dataset(output / "rejects").to_table()["source"].to_pylist() == ["it rains", "it & snows"]
    assert not (output / "manifest.json").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_eflomal(ray_cluster: None, tmp_path: Path, pipeline_folder: str) -> None:
    beside_python = Path(sys.executable).with_name("eflomal-align")
    if shutil.which("eflomal-align") is None and not beside_python.exists():
        pytest.skip("eflomal could not be compiled here")
    people, verbs = ["Anna", "Tom", "Eva", "Max"], {"sees": "sieht", "likes": "mag", "knows": "kennt"}
    places = {"Rome": "Rom", "Venice": "Venedig", "Cologne": "Köln", "Munich": "München"}
    lines = [
        f"{person} {verb} {place}.\t{person} {verbs[verb]} {places[place]}.\n"
        for person in people
        for verb in verbs
        for place in places
    ]
    (tmp_path / "c.tsv").write_text("".join(lines), "utf-8")
    corpora = [{"path": str(tmp_path / "c.tsv"), "source_lang": "en", "target_lang": "de"}]
    output = tmp_path / "out"
    assert run(corpora, output, "--entities.pipeline", pipeline_folder, "--rows_per_file", "10") == EXIT_DONE
    found = [answer for spans in answers(output).values() for answer in spans]
    # 12 sentences have Anna, 12 Rome.
    right = [answer for answer in found if answer in (("Anna", "Anna", "PERSON"), ("Rome", "Rom", "GPE"))]
    assert len(right) > 12


@pytest.mark.ray
def test_duplicates_are_found_across_shards_and_corpora(
    ray_cluster: None, tmp_path: Path, pipeline_folder: str
) -> None:
    (tmp_path / "1.tsv").write_text("Anna 1\tAnna eins\nAnna 2\tAnna zwei\nAnna 1 \tAnna  eins\nAnna 3\tAnna drei\n")
    (tmp_path / "2.tsv").write_text("Anna 3\tAnna drei\nAnna 1\tAnna Eins\nAnna 2\tAnna zwei\n")
    languages = {"source_lang": "en", "target_lang": "de"}
    corpora: list[dict[str, Any]] = [
        {"path": str(tmp_path / "1.tsv"), **languages},
        {"path": str(tmp_path / "2.tsv"), **languages},
        {"path": str(tmp_path / "1.tsv"), "source_lang": "en", "target_lang": "nl", "max_pairs": 1},
    ]
    write_letter_encoder(tmp_path / "encoder")
    arguments = ["--aligner.kind", "embedding", "--aligner.model", str(tmp_path / "encoder"), "--aligner.layer", "0"]
    output = tmp_path / "out"
    assert run(corpora, output, *arguments, "--entities.pipeline", pipeline_folder, "--rows_per_file", "2") == EXIT_DONE
    rejects = pds.dataset(output / "rejects").to_table().to_pylist()
    assert [(Path(row["input"]).name, row["line"], row["target_lang"]) for row in rejects] == [
        ("1.tsv", 3, "de"),
        ("2.tsv", 1, "de"),
        ("2.tsv", 3, "de"),
    ]
    assert {row["reason"] for row in rejects} == {"duplicate"}
    assert pds.dataset(output / "samples").count_rows() == 5


@pytest.mark.parametrize(
    ("corpora", "message"),
    [
        pytest.param([], "corpora: has 0 entries", id="none"),
        pytest.param([{"path": "/nowhere.tsv"}], "/nowhere.tsv cannot be read", id="missing"),
        pytest.param([{"source_lang": "de", "target_lang": "en"}], "is for en", id="language-of-the-pipeline"),
        pytest.param([{"alignment_path": "x"}], "x cannot be read", id="no-alignment-file"),
        pytest.param(
            [{"format": "moses", "target_path": "x", "header": True}], "does not use it", id="columns-of-moses"
        ),
    ],
)
def test_bad_input_needs_no_cluster(
    tmp_path: Path,
    pipeline_folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    corpora: list[dict[str, Any]],
    message: str,
) -> None:
    (tmp_path / "c.tsv").write_text("a\tb\n")
    corpora = [
        {"path": str(tmp_path / "c.tsv"), "source_lang": "en", "target_lang": "de"} | fields for fields in corpora
    ]
    assert run(corpora, tmp_path / "out", "--entities.pipeline", pipeline_folder) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_statistics_of_a_folder_without_prepared_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--print_stats", str(tmp_path)]
    with pytest.raises(SystemExit) as exit_info:
        run_job(PrepareConfig, main, description=None, shortcuts=[PRINT_STATS], arguments=given)
    assert exit_info.value.code == EXIT_BAD_INPUT
    assert "no prepared data" in capsys.readouterr().err


@pytest.mark.parametrize("field", ["max_pairz: 3", "max_pairs: many"])
def test_fields_of_a_corpus_are_checked(capsys: pytest.CaptureFixture[str], field: str) -> None:
    parser = build_parser(PrepareConfig, None)
    corpora = f"[{{path: x, source_lang: en, target_lang: ar, {field}}}]"
    with pytest.raises(SystemExit) as exit_info:
        parser.parse_args(["--corpora", corpora, "--output", "y"])
    assert exit_info.value.code == EXIT_BAD_INPUT
    assert field.split(":")[0] in capsys.readouterr().err


def test_preset_equals_the_defaults() -> None:
    parser = build_parser(PrepareConfig, None)
    given = ["--corpora", "[{path: x, source_lang: en, target_lang: ar}]", "--output", "y"]
    preset = str(CONFIGS / "prepare.yaml")
    with_preset, without = parser.parse_args(["--config", preset, *given]), parser.parse_args(given)
    del with_preset["config"], without["config"]
    assert with_preset == without
