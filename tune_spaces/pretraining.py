"""Pre-training: learning rates, warm-up, and the kind and number of masked spans.

Objective: exact match of held-out spans of all kinds. If the data have only entities, `all` equals `entities`.
"""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="pretrain",
    parameters={
        "optimizer.learning_rate": tune.loguniform(3e-6, 1e-3),
        "optimizer.head_learning_rate": tune.loguniform(1e-4, 1e-2),
        "optimizer.warmup_steps": tune.choice([0.02, 0.1, 0.2]),
        "masking.max_spans": tune.randint(1, 5),
        "span_kind": tune.choice(["all", "entities"]),
    },
    metrics=("*/span_exact_match",),
    budget=Budget(trials=24),
)
