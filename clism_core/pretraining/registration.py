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
        run: The run that has trained the encoder.
        folder: The encoder as `from_pretrained` loads it, with its heads beside it; all of it is kept.
        step: Training step of the checkpoint; the run's metrics of this step become the model's.
        metrics: Kept as tags of the version, where the registry's page shows them.
    """
    served_model = Path(__file__).with_name("served_model.py")
    return register_model(run, folder, kind="encoder", name=ENCODER, code=served_model, step=step, metrics=metrics)
