"""Few-shot fine-tuning: numbers of examples and steps, learning rates, with or without [QUE] and the pre-trained head.

Objective: F1 on the English development data.
"""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="finetune",
    task="mrc",
    parameters={
        "examples": tune.choice([64, 128, 256, 512, 1024]),
        "steps": tune.choice([100, 200, 400]),
        "optimizer.learning_rate": tune.loguniform(1e-5, 5e-4),
        "optimizer.head_learning_rate": tune.loguniform(1e-5, 1e-2),
        "mrc.use_que": tune.choice([True, False]),
        "reinit_head": tune.choice([True, False]),
    },
    metrics=("*/f1",),
    budget=Budget(trials=32),
)
