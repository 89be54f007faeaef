"""The weights of CACR and MLM beside CLISM's, which stays 1: Adam takes no notice of a factor that all have in common.

Scored by the held-out spans that are found exactly and the held-out sentences that find their translation, half each.
"""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="pretrain",
    parameters={
        "objectives.w_cacr": tune.loguniform(0.03, 10.0),
        "objectives.w_mlm": tune.loguniform(0.03, 10.0),
    },
    metrics=("*/span_exact_match", "*/retrieval_accuracy"),
    budget=Budget(trials=16),
)
