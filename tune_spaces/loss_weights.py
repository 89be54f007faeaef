"""Weights of CACR and MLM relative to CLISM's, which stays 1, because Adam is invariant to a common factor.

Objective: mean of the exact match of held-out spans and the retrieval accuracy of held-out sentences.
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
