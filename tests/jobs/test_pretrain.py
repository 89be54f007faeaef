"""The pretrain job, from prepared data to a registered model, on a tiny encoder and two workers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import pretrain as job
import psutil
import pytest
import yaml
from mlflow import MlflowClient
from ray import cloudpickle
from reserved_cpus import wait_for_free_cpus
from safetensors.torch import load_file
from sockets import watched_sockets
from tiny import change_manifest, write_encoder, write_prepared
from torch import Tensor
from transformers import AutoModel, AutoTokenizer
from weights import assert_same_training

from clism_core.command_line import EXIT_BAD_INPUT, EXIT_STOPPED, run_job
from clism_core.model.inputs import ModelInputs
from clism_core.model.resolve import resolve_model
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.pretrain import Pretrained, pretrain
from clism_core.pretraining.recipe import PretrainingRecipe
from clism_core.tracking.lifecycle import tracked_run
from clism_core.training.config import WorkersConfig, dump_config
from clism_core.training.data.indexed_rows import Row
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.training.recipe import BatchBuilder
from clism_core.utils.errors import FailureError, InputError
from clism_core.utils.home import tracking_uri

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    root = tmp_path_factory.mktemp("pretrain")
    return PretrainConfig(
        model=str(write_encoder("xlmr", root / "encoder")),
        data=str(write_prepared(root / "prepared")),
        global_batch_size=8,
        micro_batch_size=2,
        length_window=4,
        masking=MaskingConfig(max_length=64),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=2),
        loop=LoopConfig(steps=12, evaluate_every=6, checkpoint_every=4, log_every=2),
        held_out=HeldOutConfig(fraction=0.1, max_samples=5),
        workers=WorkersConfig(number=2, use_gpu=False),
    )


def run(config: PretrainConfig, output: Path) -> Pretrained:
    config = replace(config, output=str(output))
    with tracked_run(job="pretrain", output=config.output, config=asdict(config)) as tracked:
        done = pretrain(config, tracked)
        if not done.finished:
            tracked.finish("KILLED")
        return done


def test_from_prepared_data_to_a_registered_model(
    ray_cluster: None, config: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    with watched_sockets() as listening:
        job.main(replace(config, output=str(output), model=os.path.relpath(config.model)))
    workers = {entry.process for entry in listening if "RayTrainWorker" in entry.process}
    assert len(workers) >= 1  # torch's store and Gloo's
    assert [entry for entry in listening if not entry.is_local] == []
    said = capsys.readouterr().out
    assert sorted(path.name for path in output.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "model",
        "result.json",
        "run.json",
    ]
    assert sorted(path.name for path in (output / "model").iterdir()) == [
        "README.md",
        "config.json",
        "config.yaml",
        "mlm_head.safetensors",
        "model.safetensors",
        "span_head.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert yaml.safe_load((output / "model" / "config.yaml").read_text())["loop"]["steps"] == 12

    (registered,) = set(re.findall(r"models:/clism-encoder/\d+", said))
    folder = resolve_model("models:/clism-encoder@candidate")
    assert resolve_model(registered) == folder
    encoder, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert encoder(**tokenizer("Mary [QUE]", return_tensors="pt")).last_hidden_state.isfinite().all()

    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("clism")
    assert experiment is not None
    (tracked,) = client.search_runs([experiment.experiment_id], f"tags.`clism.output` = '{output}'")
    assert tracked.info.status == "FINISHED"
    assert tracked.data.tags["clism.data_fingerprint"] == "0123456789abcdef"
    history = client.get_metric_history(tracked.info.run_id, "train/loss")
    assert [metric.step for metric in history] == [2, 4, 6, 8, 10, 12]
    evaluations = client.get_metric_history(tracked.info.run_id, "eval/en-de/span_exact_match")
    assert [metric.step for metric in evaluations] == [0, 6, 12]
    plots = {artefact.path for artefact in client.list_artifacts(tracked.info.run_id, "plots")}
    assert plots == {"plots/loss.png", "plots/evaluation.png"}

    job.main(replace(config, output=str(output)))  # once more: finished, only prints the result again
    assert registered in capsys.readouterr().out
    with pytest.raises(InputError, match="another seed"):
        job.main(replace(config, output=str(output), seed=1))


def test_a_diverging_run_is_not_retried(ray_cluster: None, config: PretrainConfig, tmp_path: Path) -> None:
    """The error keeps its type because the workers return it. The huge weights are in no checkpoint."""
    loop = replace(config.loop, steps=40, checkpoint_every=1)
    diverging = replace(config, loop=loop, optimizer=OptimizerConfig(learning_rate=1e30, warmup_steps=0))
    with pytest.raises(FailureError, match=r"lower --optimizer\.learning_rate\. Samples .*\d"):
        run(diverging, tmp_path)
    for checkpoint in checkpoints(tmp_path):
        assert all(weight.abs().max() < 1e3 for weight in load_file(checkpoint / "model/model.safetensors").values())


def test_an_error_that_recurs_ends_the_run_and_names_the_samples(
    ray_cluster: None, config: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error occurs on one of two workers."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("clism_core.pretraining.pretrain.PretrainingRecipe", PoisonedRecipe)
    try:
        with pytest.raises(FailureError, match=r"occurred twice, at step \d+: ValueError: poisoned row;") as raised:
            run(config, tmp_path)
        named = str(raised.value).split("its samples on this worker: ")[1].split(". ")[0].split(", ")
        assert len(named) == 4  # half of a global batch
        assert POISONED in named
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


POISONED = "en-de/00/000000007"


class PoisonedRecipe(PretrainingRecipe):
    """Pre-training that cannot build a batch with one of the samples."""

    def batch_builder(self, model: PretrainingModel) -> BatchBuilder:
        build = super().batch_builder(model)

        def build_unless_poisoned(groups: Sequence[Sequence[Row]]) -> ModelInputs:
            if any(row["sample_id"] == POISONED for group in groups for row in group):
                raise ValueError("poisoned row")
            return build(groups)

        return build_unless_poisoned


def test_a_run_lost_after_its_last_step_is_exported_from_its_checkpoint(
    ray_cluster: None, config: PretrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also starts from a registered model, resumes from its saved configuration, and exports the best checkpoint."""
    output = tmp_path / "out"
    first = replace(config, output=str(output), export="best", workers=WorkersConfig(number=1, use_gpu=False))
    job.main(first)
    before = json.loads((output / "result.json").read_text())
    (output / "result.json").unlink()
    shutil.rmtree(output / "model")
    capsys.readouterr()
    assert run_job(PretrainConfig, job.main, description="", arguments=["--config", f"{output}/config.yaml"]) == 0
    after = json.loads((output / "result.json").read_text())
    assert {name: after[name] for name in ("step", "samples", "table")} == {
        name: before[name] for name in ("step", "samples", "table")
    }
    assert "| en-de |" in after["table"]

    second = replace(config, model="models:/clism-encoder@candidate", output=str(tmp_path / "again"), register=False)
    job.main(replace(second, loop=LoopConfig(steps=2), optimizer=OptimizerConfig(warmup_steps=1)))
    assert "models:/clism-encoder" in yaml.safe_load((tmp_path / "again" / "config.yaml").read_text())["model"]


def test_two_data_sets_with_weights(
    ray_cluster: None, config: PretrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From the command line; another order gives the same run, another weight a different one."""
    second = write_prepared(tmp_path / "second", samples=20, languages=("es", "fr"))
    change_manifest(second, content="ff" * 32, fingerprint="second")
    output = tmp_path / "out"
    more_held_out = replace(config, register=False, held_out=HeldOutConfig(fraction=0.3))
    (tmp_path / "config.yaml").write_text(dump_config(more_held_out))

    def start(data: str) -> int:
        arguments = ["--config", str(tmp_path / "config.yaml"), "--output", str(output), "--data", data]
        return run_job(PretrainConfig, job.main, description="", arguments=arguments)

    one, other = f"path: {config.data}, weight: 1", f"path: {second}, weight: 3"
    assert start(f"[{{{one}}}, {{{other}}}]") == 0
    assert "make 25.0 % of the inputs" in caplog.text
    assert "make 75.0 % of the inputs" in caplog.text
    card = (output / "model" / "README.md").read_text()
    assert f"- 75.0 % from `{second}` (weight 3)" in card
    assert all(f"| en-{language} |" in card for language in ("de", "es", "fr"))
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("clism")
    assert experiment is not None
    (tracked,) = client.search_runs([experiment.experiment_id], f"tags.`clism.output` = '{output}'")
    assert tracked.data.tags["clism.data_fingerprint"] == "0123456789abcdef,second"
    assert tracked.inputs is not None
    assert {entry.dataset.name for entry in tracked.inputs.dataset_inputs} == {"prepared", "second"}

    (output / "result.json").unlink()  # so that the data is looked at again
    assert start(f"[{{{other}}}, {{{one}}}]") == 0
    assert start(f"[{{{one}}}, {{{other.replace('3', '4')}}}]") == EXIT_BAD_INPUT


@pytest.fixture(scope="module")
def longer(config: PretrainConfig) -> PretrainConfig:
    """Run that is long enough to be interrupted after a checkpoint: 16 inputs per worker, one at a time."""
    loop = LoopConfig(steps=40, evaluate_every=40, checkpoint_every=10, log_every=5)
    return replace(config, global_batch_size=32, micro_batch_size=1, loop=loop)


@pytest.fixture(scope="module")
def undisturbed(
    ray_cluster: None, longer: PretrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tensor]:
    """Final weights of the longer run without interruption."""
    return weights(run(longer, tmp_path_factory.mktemp("undisturbed")))


def test_a_stopped_run_resumes_to_the_same_weights(
    undisturbed: dict[str, Tensor], longer: PretrainConfig, tmp_path: Path
) -> None:
    """Also from the checkpoint before, if the latest one lacks a file, and without Ray Train's record of them."""

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with once_there_is_a_checkpoint(tmp_path, stop):
        stopped = run(longer, tmp_path)
    assert not stopped.finished
    assert 10 <= stopped.step < 40
    assert stopped.checkpoint.path.endswith(f"step-{stopped.step:08d}")
    (Path(stopped.checkpoint.path) / "model" / "mlm_head.safetensors").unlink()
    (tmp_path / "checkpoints" / "checkpoint_manager_snapshot.json").write_text('{"ray_version"')

    resumed = run(replace(longer, workers=WorkersConfig(number=1, use_gpu=False)), tmp_path)
    assert resumed.finished
    assert_same_training(weights(resumed), undisturbed)
    assert_one_curve(tmp_path, steps=40, every=5)


def test_killed_workers_and_controllers_are_replaced(
    undisturbed: dict[str, Tensor], longer: PretrainConfig, tmp_path: Path
) -> None:
    """The run resumes from the latest checkpoint on disk, whether or not Ray Train has recorded it."""
    killed: list[str] = []

    def kill(name: str) -> None:
        kill_child(name)
        if not list((tmp_path / "checkpoints").glob("step-00000040")):
            killed.append(name)

    frequent = replace(longer, loop=replace(longer.loop, checkpoint_every=5))
    with (
        once_there_is_a_checkpoint(tmp_path, lambda: kill("TrainWorker"), step=5),
        once_there_is_a_checkpoint(tmp_path, lambda: kill("TrainController"), step=15),
    ):
        done = run(frequent, tmp_path)
    assert killed == ["TrainWorker", "TrainController"], "the run was faster"
    assert wait_for_free_cpus() == 0  # those of the lost controller's workers, too
    assert done.finished
    assert_same_training(weights(done), undisturbed)
    assert_one_curve(tmp_path, steps=40, every=5)
    assert [folder.name for folder in sorted(checkpoints(tmp_path))] == ["step-00000035", "step-00000040"]


def test_a_job_survives_ctrl_c_and_the_loss_of_its_driver(
    undisturbed: dict[str, Tensor], longer: PretrainConfig, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Starts one command three times: the first gets SIGINT, the second is killed, the third finishes."""
    output = tmp_path / "out"
    (tmp_path / "config.yaml").write_text(dump_config(replace(longer, output=str(output), register=False)))
    log = tmp_path / "log"

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, job.__file__, "--config", str(tmp_path / "config.yaml")]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        request.addfinalizer(process.kill)  # where the test fails half-way
        return process

    first = start()
    with once_there_is_a_checkpoint(output, lambda: os.killpg(first.pid, signal.SIGINT)):
        assert first.wait(300) == EXIT_STOPPED[signal.SIGINT], log.read_text()
    assert "Stopped; the state is saved in" in log.read_text()
    assert not (output / "result.json").exists()

    seen = checkpoints(output)
    second = start()
    with once_there_is_a_checkpoint(output, second.kill, besides=seen):
        assert second.wait(300) == -signal.SIGKILL, log.read_text()

    assert start().wait(300) == 0, log.read_text()
    assert_same_training(load_file(output / "model" / "model.safetensors"), undisturbed)
    assert_one_curve(output, steps=40, every=5)


def assert_one_curve(output: Path, *, steps: int, every: int) -> None:
    """Check that the MLflow run of an output has each point once, and all that are due."""
    run = tracked_of(output)
    points = MlflowClient(tracking_uri()).get_metric_history(run, "train/loss")
    logged = [point.step for point in sorted(points, key=lambda point: point.step)]
    assert logged == sorted({*logged, *range(every, steps + 1, every)})


def tracked_of(output: Path) -> str:
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("clism")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`clism.output` = '{output}'")
    return str(run.info.run_id)


def weights(done: Pretrained) -> dict[str, Tensor]:
    return load_file(Path(done.checkpoint.path) / "model" / "model.safetensors")


def kill_child(name: str) -> None:
    """Kill a process below this one whose command line has this name. Zombies of other tests have none to read."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a zombie, or one that has just ended
            if name in " ".join(process.cmdline()):
                process.kill()
                return
    raise ProcessLookupError(f"no child process is named {name}")


def checkpoints(output: Path) -> set[Path]:
    return {file.parent for file in (output / "checkpoints").glob("step-*/checkpoint.json")}


@contextmanager
def once_there_is_a_checkpoint(
    output: Path, act: Callable[[], None], *, besides: Set[Path] = frozenset(), step: int = 0
) -> Iterator[None]:
    """Do something while the body runs, as soon as the run has saved a checkpoint of `step` or a later one.

    Raises what `act` raised, and TimeoutError if there is no such checkpoint within 240 seconds.
    """

    def watch() -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if any(folder.name >= f"step-{step:08d}" for folder in checkpoints(output) - besides):
                act()
                return
            time.sleep(0.02)
        raise TimeoutError(f"no checkpoint of step {step} in {output}")

    with ThreadPoolExecutor(max_workers=1) as pool:
        watcher = pool.submit(watch)
        yield
        watcher.result()
