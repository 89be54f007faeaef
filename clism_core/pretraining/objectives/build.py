"""From loss weights to objectives: the one place that knows all of them."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from clism_core.model.objective import AnyObjective
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.cacr import CACR
from clism_core.pretraining.objectives.clism import CLISM
from clism_core.pretraining.objectives.mlm import MLM


@dataclass
class ObjectivesConfig:
    """Weights of the losses in `L = w_clism L_CLISM + w_cacr L_CACR + w_mlm L_MLM` (Eq. 9); 0 skips an objective."""

    w_clism: float = 1.0
    """Weight of cross-lingual informative span masking."""
    w_cacr: float = 1.0
    """Weight of contrastive consistency."""
    w_mlm: float = 1.0
    """Weight of masked language modelling."""
    temperature: float = 0.05
    """What CACR divides cosines by. The paper prints 20, which leaves a nearly flat softmax."""

    def weights(self) -> dict[str, float]:
        """Return the weights of the objectives that are on, by objective name."""
        weights = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name.startswith("w_")}
        return {name.removeprefix("w_"): weight for name, weight in weights.items() if weight > 0}


def build_objectives(model: PretrainingModel, config: ObjectivesConfig) -> dict[str, AnyObjective]:
    """Return the objectives whose weight is above 0, over the heads of `model`."""
    builders: dict[str, Callable[[], AnyObjective]] = {
        "clism": lambda: CLISM(model.span_head),
        "cacr": lambda: CACR(config.temperature),
        "mlm": lambda: MLM(model.mlm_head),
    }
    return {name: builders[name]() for name in config.weights()}
