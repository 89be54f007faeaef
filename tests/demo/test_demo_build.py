"""The demo's inputs: which parts are written, kept or replaced, and where they lie."""

import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import finetune
import pytest
from filelock import FileLock

from clism_core.command_line import with_home_folder
from clism_core.demo import build
from clism_core.demo.build import DemoConfig, demo_folder, write_demo, write_missing_inputs
from clism_core.demo.corpus import DemoCorpusConfig
from clism_core.demo.encoder import DemoEncoderConfig
from clism_core.demo.entities import DemoEntitiesConfig
from clism_core.demo.questions import DemoQuestionsConfig
from clism_core.preparation.config import PrepareConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.training import FINETUNING
from clism_core.training.export import ExportedModel
from clism_core.utils.errors import InputError, UnavailableError

SMALL = DemoConfig(
    corpus=DemoCorpusConfig(target_langs=["de"], pairs_per_language=60, questions_per_language=0),
    encoder=DemoEncoderConfig(kind="random", vocab_size=800, hidden_size=16, num_hidden_layers=1, intermediate_size=16),
    questions=DemoQuestionsConfig(train=6, dev=2, test=2, known_names_test=6),
    entities=DemoEntitiesConfig(train=6, dev=2, test=2, known_names_test=2),
)


@pytest.fixture(scope="module")
def made() -> dict[str, Path]:
    """Folders that hold a part, by the part and its sizes."""
    return {}


@pytest.fixture
def written(
    made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Names of the parts that are written, each size once; those that take long, or a cluster, are empty folders."""
    found: list[str] = []
    write_part = build._write_part

    def note_and_write(part: str, config: DemoConfig, folder: Path) -> None:
        found.append(part)
        if part in ("encoder", "prepared"):
            (folder / part).mkdir(exist_ok=True)
            return
        key = f"{part} {config.sizes(part)}"
        if key not in made:
            made[key] = tmp_path_factory.mktemp("made")
            write_part(part, config, made[key])
        shutil.copytree(made[key] / part, folder / part, dirs_exist_ok=True)

    monkeypatch.setattr(build, "_write_part", note_and_write)
    return found


def test_all_parts_are_written_once(tmp_path: Path, written: list[str]) -> None:
    write_demo(SMALL, tmp_path)
    assert written == ["corpus", "encoder", "prepared", "questions", "entities"]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == set(written)
    assert (tmp_path / "corpus" / "en-de.tsv").exists()
    assert (tmp_path / "entities" / "train.conll").exists()
    assert (tmp_path / "questions" / "examples.jsonl").exists()
    write_demo(SMALL, tmp_path)
    assert len(written) == 5


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(
            replace(SMALL, corpus=replace(SMALL.corpus, seed=1)), ["corpus", "encoder", "prepared"], id="corpus"
        ),
        pytest.param(replace(SMALL, encoder=replace(SMALL.encoder, seed=1)), ["encoder", "prepared"], id="encoder"),
        pytest.param(replace(SMALL, questions=replace(SMALL.questions, train=4)), ["questions"], id="questions"),
        pytest.param(replace(SMALL, run_jobs=False), [], id="no-size"),
    ],
)
def test_parts_of_other_sizes_are_replaced(
    tmp_path: Path, written: list[str], changed: DemoConfig, expected: list[str]
) -> None:
    write_demo(SMALL, tmp_path)
    for part in build.PARTS:
        (tmp_path / part / "left.over").touch()
    written.clear()
    write_demo(changed, tmp_path)
    assert written == expected
    assert {part for part in build.PARTS if not (tmp_path / part / "left.over").exists()} == set(expected)


def test_an_unfinished_part_is_written_again_and_a_strangers_folder_is_not_emptied(
    tmp_path: Path, written: list[str]
) -> None:
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "mine.txt").touch()
    write_demo(SMALL, tmp_path, ["questions"])
    assert written == ["questions"]
    assert (tmp_path / "questions" / "mine.txt").exists()
    assert len(json.loads((tmp_path / "questions" / "train.json").read_text())["data"]) == 3  # two questions each


def test_a_job_gets_the_parts_that_it_names(
    home_folder: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "FOLDERS", {"demo": SMALL})
    questions = FinetuneConfig(
        task="mrc", model="xlm-roberta-base", train="$CLISM_HOME/demo/questions/train.json", dev="demo/entities"
    )
    config = with_home_folder(questions)
    assert config.train == str(home_folder / "demo" / "questions" / "train.json")
    write_missing_inputs(config)
    assert written == ["questions"]
    write_missing_inputs(with_home_folder(PretrainConfig(model="m", data="$CLISM_HOME/demo/prepared")))
    assert written == ["questions", "corpus", "encoder", "prepared"]
    write_missing_inputs(PretrainConfig(model="m", data=str(home_folder / "demonstration" / "prepared")))
    assert len(written) == 4


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        pytest.param({"questions": {"questions": {"train": 4}}}, [], id="other-sizes"),
        pytest.param({}, [], id="of-the-user"),
        pytest.param({"questions": None}, ["questions"], id="unfinished"),
    ],
)
def test_a_job_keeps_existing_parts(
    home_folder: Path,
    written: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    note: dict[str, object],
    expected: list[str],
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(build, "FOLDERS", {"demo": SMALL})
    folder = home_folder / "demo"
    train = folder / "questions" / "train.json"
    train.parent.mkdir(parents=True)
    train.write_text("mine")
    (folder / "demo.json").write_text(json.dumps(note))
    write_missing_inputs(FinetuneConfig(task="mrc", model="m", train=str(train), dev=""))
    assert written == expected
    assert (train.read_text() == "mine") == (not expected)
    assert ("keeping" in caplog.text) == (not expected)


def test_parts_made_of_a_kept_part_have_its_sizes(
    home_folder: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "FOLDERS", {"demo": SMALL})
    folder = home_folder / "demo"
    other = replace(SMALL, corpus=replace(SMALL.corpus, seed=1))
    write_demo(other, folder, ["corpus"])
    write_missing_inputs(PretrainConfig(model="m", data=str(folder / "prepared")))
    assert json.loads((folder / "demo.json").read_text()) == {
        part: other.sizes(part) for part in ("corpus", "encoder", "prepared")
    }
    written.clear()
    write_demo(SMALL, folder, ["prepared"])
    assert written == ["corpus", "encoder", "prepared"]


def test_an_interrupted_part_is_noted_as_unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_write_part", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_demo(SMALL, tmp_path, ["questions"])
    assert json.loads((tmp_path / "demo.json").read_text()) == {"questions": None}


def test_waiting_for_another_process_is_logged(
    tmp_path: Path, written: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with ThreadPoolExecutor() as pool:
        with FileLock(tmp_path / "demo.lock"):
            waiting = pool.submit(write_demo, SMALL, tmp_path, ["questions"])
            deadline = time.monotonic() + 20
            while "waiting for another process" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not written
        waiting.result(timeout=20)
    assert "waiting for another process" in caplog.text
    assert written == ["questions"]


def test_nodes_without_the_output_are_found_before_the_cluster_prepares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(output: str, **_: object) -> None:
        raise InputError(f"other nodes do not see {output}")

    monkeypatch.setattr(build, "plan", lambda config: config)
    monkeypatch.setattr(build, "check_shared", check)
    monkeypatch.setattr(build, "prepare", lambda _: pytest.fail("prepared"))
    with pytest.raises(InputError, match=f"do not see {tmp_path / 'prepared'}"):
        build._write_part("prepared", SMALL, tmp_path)


def no_source() -> Path:
    """Fail as a download without a network."""
    raise UnavailableError("no network")


@pytest.mark.parametrize("available", [True, False], ids=["downloaded", "no-network"])
def test_auto_is_the_pretrained_encoder_or_without_a_source_the_random_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, available: bool
) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "config.json").write_text("{}")
    monkeypatch.setattr(build, "pretrained_encoder", lambda: tmp_path / "download" if available else no_source())
    monkeypatch.setattr(build, "build_encoder", lambda _, __, folder: folder.mkdir())
    write_demo(replace(SMALL, encoder=replace(SMALL.encoder, kind="auto")), tmp_path / "demo", ["encoder"])
    assert (tmp_path / "demo" / "encoder" / "config.json").exists() == available
    assert ("all scores mean nothing: no network" in caplog.text) == (not available)
    note = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert note["encoder"]["encoder"]["kind"] == ("pretrained" if available else "random")


def test_a_required_pretrained_encoder_that_is_unavailable_is_an_error(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "pretrained_encoder", no_source)
    with pytest.raises(UnavailableError, match=r"--encoder\.kind pretrained: no network"):
        write_demo(replace(SMALL, encoder=DemoEncoderConfig(kind="pretrained")), tmp_path)
    assert not written


@pytest.mark.parametrize("kind", ["pretrained", "random"])
def test_jobs_keep_either_encoder_of_auto_and_do_not_ask_again(
    home_folder: Path,
    written: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: Literal["pretrained", "random"],
) -> None:
    caplog.set_level("INFO")
    folder = home_folder / "demo"
    monkeypatch.setattr(build, "pretrained_encoder", lambda: home_folder)
    write_demo(replace(SMALL, encoder=replace(SMALL.encoder, kind=kind)), folder, ["encoder"])
    monkeypatch.setattr(build, "pretrained_encoder", lambda: pytest.fail("asked"))
    monkeypatch.setattr(build, "FOLDERS", {"demo": replace(SMALL, encoder=replace(SMALL.encoder, kind="auto"))})
    write_missing_inputs(PretrainConfig(model=str(folder / "encoder"), data=""))
    assert written == ["corpus", "encoder"]
    assert "keeping" not in caplog.text


def test_a_damaged_pretrained_encoder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download = tmp_path / "download"
    download.mkdir()
    (download / "model.safetensors").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    (download / "digests.json").write_text(json.dumps({"files": {"model.safetensors": digest}}))
    monkeypatch.setattr(build, "pretrained_encoder", lambda: download)
    config = replace(SMALL, encoder=DemoEncoderConfig(kind="pretrained"))
    for replaced in (True, False):
        weights = tmp_path / "demo" / "encoder" / "model.safetensors"
        write_demo(config, tmp_path / "demo", ["encoder"])
        weights.unlink()
        weights.write_bytes(b"wEights")
        write_demo(config, tmp_path / "demo", ["encoder"], replace=replaced)
        assert weights.read_bytes() == b"weights"


@pytest.mark.parametrize(("kind", "layer"), [("pretrained", 5), ("random", 0)])
def test_words_are_aligned_by_a_layer_of_the_encoder_without_eflomal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Literal["pretrained", "random"], layer: int
) -> None:
    def missing() -> str:
        raise InputError("no eflomal")

    planned: list[PrepareConfig] = []

    def note(config: PrepareConfig) -> None:
        planned.append(config)
        raise InputError("stop here")

    monkeypatch.setattr(build, "find_program", missing)
    monkeypatch.setattr(build, "plan", note)
    with pytest.raises(InputError, match="stop here"):
        build._write_part("prepared", replace(SMALL, encoder=DemoEncoderConfig(kind=kind)), tmp_path)
    (config,) = planned
    assert (config.aligner.kind, config.aligner.model, config.aligner.layer) == (
        "embedding",
        str(tmp_path / "encoder"),
        layer,
    )


def test_sizes_that_are_not_the_presets_have_a_folder_of_their_own(home_folder: Path) -> None:
    assert demo_folder(DemoConfig()) == home_folder / "demo"
    other, third = demo_folder(SMALL), demo_folder(replace(SMALL, encoder=DemoEncoderConfig()))
    assert len({other, third, home_folder / "demo"}) == 3
    assert other.parent == home_folder
    assert demo_folder(replace(SMALL, run_jobs=False)) == other
    assert demo_folder(replace(SMALL, output="mine")) == Path.cwd() / "mine"
    with pytest.raises(InputError, match="--output s3://bucket/demo"):
        demo_folder(replace(SMALL, output="s3://bucket/demo"))


def test_finetune_writes_missing_inputs_before_it_looks_for_a_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLISM_HOME", str(tmp_path))
    monkeypatch.setitem(build.FOLDERS, "demo", SMALL)
    questions = tmp_path / "demo" / "questions"
    found: list[bool] = []

    def check_finished(_: FinetuneConfig) -> None:
        found.extend(path.exists() for path in (questions / "train.json", questions / "dev.json"))
        raise InputError("stop here")

    monkeypatch.setattr("finetune.FINETUNING", replace(FINETUNING, check_finished=check_finished))
    train, dev = (str(questions / name) for name in ("train.json", "dev.json"))
    config = FinetuneConfig(
        task="mrc", model="models:/clism-encoder/1", train=train, dev=dev, output=str(tmp_path / "run")
    )
    ExportedModel("model", "", "", "", config.export, 1, 1, "").write(config.output)
    with pytest.raises(InputError, match="stop here"):
        finetune.main(config)
    assert found == [True, True]
