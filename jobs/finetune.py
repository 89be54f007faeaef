"""Fine-tune: labelled data of one language -> a task model that answers in all, by Ray Train, into the MLflow registry.

    python jobs/finetune.py --config jobs/configs/demo-mrc.yaml          (the demo's questions, after jobs/pretrain.py)
    python jobs/finetune.py --config jobs/configs/paper-mrc.yaml --model models:/clism-encoder@candidate \\
        --train squad/train-v1.1.json --dev squad/dev-v1.1.json --output runs/mrc
    python jobs/finetune.py --config jobs/configs/paper-ner.yaml --model xlm-roberta-base \\
        --train conll/eng.train --dev conll/eng.testa --examples 128 --steps 200 --sample_seed 1

The same command with the same --output goes on where a run was stopped or lost.
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clism_core.cluster.connect import check_shared, connect
from clism_core.command_line import PYTHON, run_job, stopped_text
from clism_core.demo.entities import write_entities
from clism_core.demo.questions import DemoQuestionsConfig, write_questions
from clism_core.model.resolve import absolute_if_folder, is_folder
from clism_core.tasks.finetuning.config import FinetuneConfig, check_config
from clism_core.tasks.finetuning.data import absolute_source
from clism_core.tasks.finetuning.export import deliver, delivered_before
from clism_core.tasks.finetuning.finetune import finetune
from clism_core.tracking.run import page_command
from clism_core.training.export import Delivered, train_and_deliver
from clism_core.utils.errors import InputError
from clism_core.utils.home import default_output, tracking_uri
from clism_core.utils.storage import absolute, is_local

DEMO = "demo"


@dataclass
class FinetuneJobConfig(FinetuneConfig):
    """Fine-tuning on labelled data of one language. `--train demo` and `--dev demo` are written on the spot."""

    demo: DemoQuestionsConfig = field(default_factory=DemoQuestionsConfig)
    """How many questions the demo has; for ner, sentences."""


def main(config: FinetuneJobConfig) -> None:
    """Train, deliver the model, and say what was made, where it is and what to type next."""
    check_config(config)
    config = with_absolute_inputs(config)
    config = dataclasses.replace(config, output=absolute(config.output or default_output("finetune")))
    config = with_demo_questions(config)
    delivered = delivered_before(config) or train(config)
    print(stopped_text("finetune", output=config.output) if delivered is None else summary(config, delivered))


def with_absolute_inputs(config: FinetuneJobConfig) -> FinetuneJobConfig:
    """Return the configuration with the folders of model and data made absolute: workers stand in another one."""
    return dataclasses.replace(
        config,
        model=absolute_if_folder(config.model),
        train=config.train if config.train == DEMO else absolute_source(config.train),
        dev=config.dev if config.dev == DEMO else absolute_source(config.dev),
    )


def train(config: FinetuneJobConfig) -> Delivered | None:
    """Run the training; None if it was asked to stop before its end."""
    connect()
    inputs = [config.model] if is_folder(config.model) else []  # labelled files are read here alone
    check_shared(output=config.output, inputs=inputs, tracking=tracking_uri(), wanted=config.workers.resources())
    return train_and_deliver("finetune", config, train=finetune, deliver=deliver)


def with_demo_questions(config: FinetuneJobConfig) -> FinetuneJobConfig:
    """Write the demo's questions or, for ner, sentences where they are asked for, those of the tests with them."""
    if DEMO not in (config.train, config.dev):
        return config
    if not is_local(config.output):
        raise InputError(f"--output {config.output}: the demo's questions are written into a local folder")
    write: Any = write_questions if config.task == "mrc" else write_entities
    files = write(config.demo, Path(config.output) / DEMO)
    return dataclasses.replace(
        config,
        train=str(files.train) if config.train == DEMO else config.train,
        dev=str(files.dev) if config.dev == DEMO else config.dev,
    )


def summary(config: FinetuneConfig, delivered: Delivered) -> str:
    """Return what the user sees at the end."""
    registered = f"\nIn the registry:  {delivered.registry_uri}" if delivered.registry_uri else ""
    model = delivered.registry_uri or delivered.model
    dataset = "xquad" if config.task == "mrc" else "conll"
    return f"""
Fine-tuned on {delivered.samples:,} examples for {delivered.step:,} steps. Development data, 0 to 100:

{delivered.table}

The model:        {delivered.model}{registered}
Curves and files: {page_command(delivered.tracking_uri)}
                  (run {delivered.run_id})
Next:
  {PYTHON} jobs/evaluate.py --model {model} --output EVALUATION \\
      --tests '[{{dataset: {dataset}, language: es, path: FILE}}]'
  {PYTHON} jobs/predict.py --model {model} --input FILE.jsonl --output ANSWERS.jsonl
"""


if __name__ == "__main__":
    sys.exit(run_job(FinetuneJobConfig, main, description=__doc__))
