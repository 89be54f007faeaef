"""Pre-train: span-masked samples -> an encoder with [QUE] and a span head, by Ray Train, into the MLflow registry.

    python jobs/pretrain.py                                             (the demo, from data to registered model)
    python jobs/pretrain.py --config jobs/configs/paper-xlmr.yaml --data prepared --output runs/xlmr
    ray job submit --working-dir . -- python jobs/pretrain.py

The same command with the same --output goes on where a run was stopped or lost.
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path

from clism_core.cluster.connect import check_shared, connect
from clism_core.command_line import PYTHON, run_job, stopped_text
from clism_core.demo.build import DemoConfig, build_demo
from clism_core.model.resolve import absolute_if_folder, is_folder
from clism_core.pretraining.config import PretrainConfig, check_config, data_set_configs, with_data_paths
from clism_core.pretraining.export import deliver, delivered_before
from clism_core.pretraining.pretrain import pretrain
from clism_core.tracking.run import page_command
from clism_core.training.export import Delivered, train_and_deliver
from clism_core.utils.errors import InputError
from clism_core.utils.home import default_output, tracking_uri
from clism_core.utils.storage import absolute, is_local

DEMO = "demo"


@dataclass
class PretrainJobConfig(PretrainConfig):
    """Pre-training with CLISM, CACR and MLM. `--model demo` and `--data demo` are made on the spot."""

    demo: DemoConfig = field(default_factory=DemoConfig)
    """Sizes of the demo's model and data."""


def main(config: PretrainJobConfig) -> None:
    """Train, deliver the model, and say what was made, where it is and what to type next."""
    check_config(config)
    config = with_absolute_inputs(config)
    config = dataclasses.replace(config, output=absolute(config.output or default_output("pretrain")))
    delivered = delivered_before(config) or train(config)
    print(stopped_text("pretrain", output=config.output) if delivered is None else summary(delivered))


def with_absolute_inputs(config: PretrainJobConfig) -> PretrainJobConfig:
    """Return the configuration with the folders of model and data made absolute: workers stand in another one."""
    return dataclasses.replace(
        config,
        model=config.model if config.model == DEMO else absolute_if_folder(config.model),
        data=config.data if config.data == DEMO else with_data_paths(config, absolute_if_folder),
    )


def train(config: PretrainJobConfig) -> Delivered | None:
    """Run the training; None if it was asked to stop before its end."""
    connect()
    data = [] if config.data == DEMO else [entry.path for entry in data_set_configs(config)]
    inputs = [path for path in (*data, config.model) if path != DEMO and is_folder(path)]
    check_shared(output=config.output, inputs=inputs, tracking=tracking_uri(), wanted=config.workers.resources())
    config = with_demo_parts(config)
    return train_and_deliver("pretrain", config, train=pretrain, deliver=deliver)


def with_demo_parts(config: PretrainJobConfig) -> PretrainJobConfig:
    """Make the demo's model and data where they are asked for."""
    if DEMO not in (config.model, config.data):
        return config
    if not is_local(config.output):
        raise InputError(f"--output {config.output}: the demo's model and data are made in a local folder")
    model, data = build_demo(config.demo, Path(config.output) / DEMO)
    return dataclasses.replace(
        config,
        model=str(model) if config.model == DEMO else config.model,
        data=str(data) if config.data == DEMO else config.data,
    )


def summary(delivered: Delivered) -> str:
    """Return what the user sees at the end."""
    registered = f"\nIn the registry:  {delivered.registry_uri}" if delivered.registry_uri else ""
    model = delivered.registry_uri or delivered.model
    code = f"from transformers import AutoModel; print(AutoModel.from_pretrained('{delivered.model}'))"
    look = f'  {PYTHON} -c "{code}"\n' if is_local(delivered.model) else ""
    return f"""
Pre-trained for {delivered.step:,} steps on {delivered.samples:,} samples. Held-out samples, in percent:

{delivered.table}

The model:        {delivered.model}{registered}
Curves and files: {page_command(delivered.tracking_uri)}
                  (run {delivered.run_id})
Next:
{look}  {PYTHON} jobs/pretrain.py --config jobs/configs/short.yaml --model {model} --data PREPARED
"""


if __name__ == "__main__":
    sys.exit(run_job(PretrainJobConfig, main, description=__doc__, default_preset="demo.yaml"))
