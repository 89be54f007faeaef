"""Temperature of CACR, from a sharp softmax to the paper's nearly flat one.

Objective: retrieval accuracy of held-out sentences in both directions, which CACR is meant to improve.
"""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="pretrain",
    parameters={"objectives.temperature": tune.loguniform(0.02, 20.0)},
    metrics=("*/retrieval_accuracy", "*/retrieval_accuracy_reverse"),
    budget=Budget(trials=12),
)
