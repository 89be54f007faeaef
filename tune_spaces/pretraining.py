"""How pre-training learns: learning rates, warm-up, and how many spans of a sentence it asks for at a time.

Scored by the held-out spans that are found exactly. The kind of spans is a choice of data: sets of prepared data with
other spans, such as entities alone and entities with noun chunks, can be searched with a space of your own that has
`"data": tune.choice(["prepared-entities", "prepared-noun-chunks"])`.
"""

from ray import tune

from clism_core.tuning.space import Budget, Space

SPACE = Space(
    job="pretrain",
    parameters={
        "optimizer.learning_rate": tune.loguniform(3e-6, 1e-3),
        "optimizer.head_learning_rate": tune.loguniform(1e-4, 1e-2),
        "optimizer.warmup_steps": tune.choice([0.02, 0.1, 0.2]),
        "masking.max_spans": tune.randint(1, 5),
    },
    metrics=("*/span_exact_match",),
    budget=Budget(trials=24),
)
