"""Registry of pre-training objectives, and their weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated

import torch
from annotated_types import Ge, Gt

from clism_core.model.objective import AnyObjective
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.cacr import CACR
from clism_core.pretraining.objectives.clism import CLISM
from clism_core.pretraining.objectives.mlm import MLM


@dataclass
class ObjectivesConfig:
    """Weights of the losses in `L = w_clism L_CLISM + w_cacr L_CACR + w_mlm L_MLM` (Eq. 9); 0 skips an objective."""

    w_clism: Annotated[float, Ge(0)] = 1.0
    """Weight of cross-lingual informative span masking."""
    w_cacr: Annotated[float, Ge(0)] = 1.0
    """Weight of contrastive consistency."""
    w_mlm: Annotated[float, Ge(0)] = 1.0
    """Weight of masked language modelling."""
    temperature: Annotated[float, Gt(0)] = 0.05
    """Divisor of the cosines in CACR. The paper gives 20, with which the softmax is nearly uniform."""

    def weights(self) -> dict[str, float]:
        """Return the weights of the enabled objectives, by objective name."""
        weights = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name.startswith("w_")}
        return {name.removeprefix("w_"): weight for name, weight in weights.items() if weight > 0}


OBJECTIVES: dict[type[AnyObjective], Callable[[PretrainingModel, ObjectivesConfig], AnyObjective]] = {
    CLISM: lambda model, _: CLISM(model.span_head),
    CACR: lambda _, config: CACR(config.temperature),
    MLM: lambda model, _: MLM(model.mlm_head, model.vocabulary),
}
"""Objectives, each with its constructor; its weight is the field `w_NAME` of `ObjectivesConfig`."""


def build_objectives(model: PretrainingModel, config: ObjectivesConfig) -> dict[str, AnyObjective]:
    """Build the objectives whose weight is above 0, over the heads of `model`; new weights depend on its seed."""
    builders = {objective.name: build for objective, build in OBJECTIVES.items()}
    objectives = {}
    for name in config.weights():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(model.seed)
            objectives[name] = builders[name](model, config)
    return objectives
