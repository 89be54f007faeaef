"""The temperature of CACR, from a sharp softmax to the paper's nearly flat one.

Scored by what CACR is for: how many held-out sentences find their translation, both ways.
"""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="pretrain",
    parameters={"objectives.temperature": tune.loguniform(0.02, 20.0)},
    metrics=("*/retrieval_accuracy", "*/retrieval_accuracy_reverse"),
    budget=Budget(trials=12),
)
