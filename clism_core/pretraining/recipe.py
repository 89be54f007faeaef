"""Recipe of pre-training: its model with objectives, masked sentence pairs, and evaluation on held-out samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
import torch
from torch import Tensor

from clism_core.model.encoder import LoadedEncoder, load_encoder
from clism_core.model.precision import Precision
from clism_core.model.tokenizer import TextTokenizer
from clism_core.pretraining.batches import MASKED_TOKENS, Batch, BatchBuilder
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.encoding import EncodedSample, encode_row
from clism_core.pretraining.evaluation.held_out import HeldOutEvaluation, score
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import build_objectives
from clism_core.training import recipe
from clism_core.training.data.indexed_rows import Row
from clism_core.training.data.sampler import Integers


def build_model(loaded: LoadedEncoder, config: PretrainConfig, *, is_checkpoint: bool = False) -> PretrainingModel:
    """Return an encoder with its heads and the objectives of a run; see `PretrainingModel`."""
    model = PretrainingModel(loaded, seed=config.seed, is_checkpoint=is_checkpoint)
    model.use(build_objectives(model, config.objectives))
    return model


@dataclass(frozen=True)
class PretrainingRecipe:
    """Pre-training with a configuration.

    Args:
        config: the configuration.
        held_out: prepared samples for evaluation.
        token_ids: ids of the tokens that are trained; None: all.
    """

    config: PretrainConfig
    held_out: "ray.ObjectRef[list[dict[str, Any]]]"
    token_ids: "ray.ObjectRef[Integers] | None"

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the enabled objectives."""
        return self.config.objectives.weights()

    @property
    def trained_tokens(self) -> Tensor | None:
        """Ids of the tokens to which the vocabulary is restricted; None for all."""
        return None if self.token_ids is None else torch.tensor(ray.get(self.token_ids))

    def load_model(self, name: str) -> PretrainingModel:
        """Load the encoder with its heads and the objectives."""
        loaded = load_encoder(name, seed=self.config.seed)
        return build_model(loaded, self.config, is_checkpoint=name != self.config.model)

    def probe(self, model: PretrainingModel) -> Batch:
        """Return a batch of the first two held-out samples."""
        text_tokenizer = TextTokenizer(model.tokenizer)
        held_out = ray.get(self.held_out)
        samples = [EncodedSample.from_row(encode_row(text_tokenizer, row)) for row in held_out[:2]]
        return self._builder(model)([[sample] for sample in samples])

    def batch_builder(self, model: PretrainingModel) -> recipe.BatchBuilder:
        """Return a builder that joins and masks encoded samples."""
        builder = self._builder(model)

        def build(groups: Sequence[Sequence[Row]]) -> Batch:
            return builder([[EncodedSample.from_row(row) for row in group] for group in groups])

        return build

    def evaluation(self, model: PretrainingModel, *, batch_size: int, precision: Precision) -> recipe.Evaluation:
        """Return the evaluation on the held-out samples."""
        builder = self._builder(model)
        held_out = ray.get(self.held_out)
        evaluation = HeldOutEvaluation(
            held_out, model=model, builder=builder, batch_size=batch_size, precision=precision
        )

        def evaluate() -> tuple[dict[str, float], float]:
            metrics = evaluation()
            return metrics, score(metrics, list(evaluation.samples))

        return evaluate

    def _builder(self, model: PretrainingModel) -> BatchBuilder:
        """Return the builder of inputs; tokens are masked for MLM only if an objective needs them."""
        config = self.config
        masked = MASKED_TOKENS in model.needs()
        masking = config.masking if masked else replace(config.masking, mlm_probability=0.0)
        trained = model.vocabulary.ids
        token_ids = None if trained is None else trained.tolist()
        return BatchBuilder(model.tokenizer, masking, seed=config.seed, token_ids=token_ids)
