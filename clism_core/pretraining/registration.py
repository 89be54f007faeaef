"""Pre-trained encoders in the model registry."""

from collections.abc import Mapping
from pathlib import Path

from clism_core.tracking.registry import RegisteredModel, register_model
from clism_core.tracking.run import TrackedRun

ENCODER = "clism-encoder"
"""Name of pre-trained encoders in the registry."""


def register_encoder(
    run: TrackedRun, folder: Path, *, step: int, metrics: Mapping[str, float] | None = None
) -> RegisteredModel:
    """Log the folder of a pre-trained encoder as an MLflow pyfunc of `run` and register it as `clism-encoder`.

    Args:
        run: The run that trained the encoder.
        folder: Folder of the encoder in Hugging Face format, including its heads; stored completely.
        step: Training step of the checkpoint; the run's metrics of this step become the model's.
        metrics: Stored as tags of the version, which the registry's page shows.
    """
    served_model = Path(__file__).with_name("served_model.py")
    return register_model(run, folder, kind="encoder", name=ENCODER, code=served_model, step=step, metrics=metrics)
