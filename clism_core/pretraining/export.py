"""From a pre-trained checkpoint to an encoder that others find."""

from clism_core.pretraining.card import metrics_table, model_card
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.identity import config_identity
from clism_core.pretraining.plots import log_plots
from clism_core.pretraining.pretrain import Pretrained
from clism_core.pretraining.registration import register_encoder
from clism_core.tracking.run import TrackedRun
from clism_core.training.export import Delivered, deliver_model, read_delivered
from clism_core.training.resume import check_same_run


def deliver(config: PretrainConfig, pretrained: Pretrained, run: TrackedRun) -> Delivered:
    """Deliver the encoder and tokenizer as Hugging Face loads them, and beside them the two heads."""
    card = model_card(
        config,
        step=pretrained.step,
        metrics=pretrained.metrics,
        samples=pretrained.samples,
        language_pairs=pretrained.language_pairs,
    )
    return deliver_model(
        config,
        pretrained,
        run,
        card=card,
        table=metrics_table(pretrained.metrics),
        samples=pretrained.samples,
        log_plots=log_plots,
        register=register_encoder,
    )


def delivered_before(config: PretrainConfig) -> Delivered | None:
    """Return what a finished run has left in the output folder; None where there is no finished run.

    None, too, where the model is now to be another checkpoint or to be registered: it is delivered once more.

    Raises:
        InputError: if that run had another configuration.
    """
    delivered = read_delivered(config.output)
    if delivered is None:
        return None
    check_same_run(config.output, config_identity(config))
    return delivered.if_wanted(output=config.output, export=config.export, register=config.register)
