"""Pre-train: span-masked samples -> an encoder with [QUE] and a span head, by Ray Train, into the MLflow registry.

    python jobs/pretrain.py                                             (the demo, from data to registered model)
    python jobs/pretrain.py --config jobs/configs/paper-xlmr.yaml --data prepared --output runs/xlmr
    ray job submit --working-dir . -- python jobs/pretrain.py

The same command with the same --output resumes a run that was stopped or lost.
"""

import dataclasses
import sys

from clism_core.cluster.connect import connect
from clism_core.command_line import PYTHON, StoppedError, job_command, preset_path, run_job, show, writing
from clism_core.demo.build import write_missing_inputs
from clism_core.model.paths import with_absolute_paths
from clism_core.pretraining.config import PretrainConfig, data_set_configs
from clism_core.pretraining.mixture import check_existing
from clism_core.pretraining.training import PRETRAINING
from clism_core.tracking.run import ui_command
from clism_core.training.export import ExportedModel
from clism_core.training.preflight.check import check_cluster
from clism_core.utils.home import default_output
from clism_core.utils.storage import is_local


def main(config: PretrainConfig) -> None:
    """Train, export the model, and print the result, its place and the next commands."""
    PRETRAINING.check(config)
    config = with_absolute_paths(dataclasses.replace(config, output=config.output or default_output("pretrain")))
    exported = PRETRAINING.find_finished(config) or train(config)
    show(summary(exported))


def train(config: PretrainConfig) -> ExportedModel:
    """Run the training on the cluster."""
    check_existing(data_set_configs(config))  # before a cluster starts
    with writing("pretrain", config.output):
        connect()
        write_missing_inputs(config)
        check_cluster([config], output=config.output)
        exported = PRETRAINING.run(config)
    if exported is None:
        raise StoppedError("pretrain", output=config.output)
    return exported


def summary(exported: ExportedModel) -> str:
    """Return the text printed at the end."""
    registered = f"\nIn the registry:  {exported.registry_uri}" if exported.registry_uri else ""
    model = exported.registry_uri or exported.model
    code = f"from transformers import AutoModel; print(AutoModel.from_pretrained('{exported.model}'))"
    look = f'  {PYTHON} -c "{code}"\n' if is_local(exported.model) else ""
    return f"""
Pre-trained for {exported.step:,} steps on {exported.samples:,} samples. Held-out samples, in percent:

{exported.table}

The model:        {exported.model}{registered}
Curves and files: {ui_command(exported.tracking_uri)}
                  (run {exported.run_id})
Next:
{look}  {job_command("pretrain")} --config {preset_path("short.yaml")} --model {model} --data PREPARED
"""


if __name__ == "__main__":
    sys.exit(run_job(PRETRAINING.config_class, main, description=__doc__, default_preset="demo.yaml"))
