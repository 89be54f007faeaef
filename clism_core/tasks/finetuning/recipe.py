"""Recipe of fine-tuning for the training engine: model and batches of a task, evaluation of the development data."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray
import torch
from torch import Tensor

from clism_core.cluster.collectives import rank
from clism_core.model.inputs import ModelInputs
from clism_core.model.precision import Precision
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.dev_evaluation import evaluate_development
from clism_core.tasks.task_model import TaskModel
from clism_core.training.data.indexed_rows import Row
from clism_core.training.data.sampler import Integers
from clism_core.training.recipe import BatchBuilder, Evaluation

logger = logging.getLogger(__name__)

PROBE_ROWS = 2
AnyTaskModel = TaskModel[Any, Any]


@dataclass(frozen=True)
class FinetuningRecipe:
    """Recipe for a model of any task.

    Args:
        config: configuration of the run.
        dev: development examples.
        probe_rows: a few rows of the training data.
        token_ids: ids of the tokens that are trained; None: all.
    """

    config: FinetuneConfig
    dev: "ray.ObjectRef[Sequence[Any]]"
    probe_rows: Sequence[Row]
    token_ids: "ray.ObjectRef[Integers] | None" = None

    @property
    def weights(self) -> dict[str, float]:
        """Weight of the only objective."""
        return {self.config.task_object.model.objective_class.name: 1.0}

    @property
    def trained_tokens(self) -> Tensor | None:
        """Ids of the tokens to which the vocabulary is restricted; None for all."""
        return None if self.token_ids is None else torch.tensor(ray.get(self.token_ids))

    def load_model(self, name: str) -> AnyTaskModel:
        """Return a new task model if `name` is the initial encoder of the run, else the task model of a checkpoint."""
        config = self.config
        model_class: type[AnyTaskModel] = config.task_object.model
        if name != config.model:
            return model_class.load(name)
        model = model_class.begin(name, config.task_options, seed=config.seed, reinit_head=config.reinit_head)
        if rank() == 0:
            logger.info("the head is %s", model.head_origin)
        return model

    def probe(self, model: AnyTaskModel) -> ModelInputs:
        """Return a batch of a few training rows."""
        return self.config.task_object.collator(model.tokenizer)(self.probe_rows)

    def batch_builder(self, model: AnyTaskModel) -> BatchBuilder:
        """Return the function that pads rows into batches."""
        collate = self.config.task_object.collator(model.tokenizer)
        return lambda groups: collate([row for group in groups for row in group])

    def evaluation(self, model: AnyTaskModel, *, batch_size: int, precision: Precision) -> Evaluation:
        """Return the evaluation of the development data."""
        task = self.config.task_object
        predictor = task.predictor(model, batch_size=batch_size, precision=precision)
        test_set = task.development_set(ray.get(self.dev), self.config.language)
        return partial(evaluate_development, predictor, test_set)
