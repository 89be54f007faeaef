"""Fine-tune: labelled data in one language -> a task model for all, by Ray Train, into the MLflow registry.

    python jobs/finetune.py --config jobs/configs/demo-mrc.yaml          (the demo's questions, after jobs/pretrain.py)
    python jobs/finetune.py --config jobs/configs/paper-mrc.yaml --model models:/clism-encoder@candidate \\
        --train squad/train-v1.1.json --dev squad/dev-v1.1.json --output runs/mrc
    python jobs/finetune.py --config jobs/configs/paper-ner.yaml --model xlm-roberta-base \\
        --train conll/eng.train --dev conll/eng.testa --examples 128 --steps 200 --sample_seed 1

The same command with the same --output resumes a run that was stopped or lost.
"""

import dataclasses
import sys

from clism_core.cluster.connect import connect
from clism_core.command_line import StoppedError, job_command, run_job, show, writing
from clism_core.demo.build import write_missing_inputs
from clism_core.model.paths import with_absolute_paths
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.training import FINETUNING
from clism_core.tracking.run import ui_command
from clism_core.training.export import ExportedModel
from clism_core.training.preflight.check import check_cluster
from clism_core.utils.home import default_output


def main(config: FinetuneConfig) -> None:
    """Train, export the model, and print the result, its place and the next commands."""
    FINETUNING.check(config)
    config = with_absolute_paths(dataclasses.replace(config, output=config.output or default_output("finetune")))
    write_missing_inputs(config)  # find_finished reads them
    exported = FINETUNING.find_finished(config) or train(config)
    show(summary(config, exported))


def train(config: FinetuneConfig) -> ExportedModel:
    """Run the training on the cluster."""
    with writing("finetune", config.output):
        connect()
        check_cluster([config], output=config.output)
        exported = FINETUNING.run(config)
    if exported is None:
        raise StoppedError("finetune", output=config.output)
    return exported


def summary(config: FinetuneConfig, exported: ExportedModel) -> str:
    """Return the text printed at the end."""
    registered = f"\nIn the registry:  {exported.registry_uri}" if exported.registry_uri else ""
    model = exported.registry_uri or exported.model
    return f"""
Fine-tuned on {exported.samples:,} examples for {exported.step:,} steps. Development data, 0 to 100:

{exported.table}

The model:        {exported.model}{registered}
Curves and files: {ui_command(exported.tracking_uri)}
                  (run {exported.run_id})
Next:
  {job_command("evaluate")} --model {model} --output EVALUATION \\
      --tests '[{{dataset: {config.task_object.example_dataset}, language: es, path: FILE}}]'
  {job_command("predict")} --model {model} --input FILE.jsonl --output ANSWERS.jsonl
"""


if __name__ == "__main__":
    sys.exit(run_job(FINETUNING.config_class, main, description=__doc__))
