"""Export and registration of a pre-trained encoder."""

from collections.abc import Mapping
from pathlib import Path

from clism_core.pretraining.card import metrics_table, model_card
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.identity import config_identity
from clism_core.pretraining.pretrain import Pretrained
from clism_core.pretraining.registration import register_encoder
from clism_core.tracking.registry import RegisteredModel
from clism_core.tracking.run import TrackedRun
from clism_core.training.export import ExportedModel, export_model
from clism_core.training.resume import check_same_run


def export(config: PretrainConfig, pretrained: Pretrained, run: TrackedRun) -> ExportedModel:
    """Export encoder and tokenizer in Hugging Face format, with the heads in the same folder."""
    card = model_card(
        config,
        step=pretrained.step,
        metrics=pretrained.metrics,
        samples=pretrained.samples,
        language_pairs=pretrained.language_pairs,
    )
    return export_model(
        config,
        pretrained,
        run,
        card=card,
        table=metrics_table(pretrained.metrics),
        samples=pretrained.samples,
    )


def register(
    _: PretrainConfig, run: TrackedRun, folder: Path, *, step: int, metrics: Mapping[str, float]
) -> RegisteredModel:
    """Register the encoder trained by a run."""
    return register_encoder(run, folder, step=step, metrics=metrics)


def check_finished(config: PretrainConfig) -> None:
    """Compare a configuration with that of the finished run in its output folder.

    Raises:
        InputError: if they differ.
    """
    check_same_run(config.output, config_identity(config))
