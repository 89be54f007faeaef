"""Fine-tuning for question answering: learning rates, batch size and epochs, by F1 on the development data."""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="finetune",
    task="mrc",
    parameters={
        "optimizer.learning_rate": tune.loguniform(1e-5, 3e-4),
        "optimizer.head_learning_rate": tune.loguniform(1e-5, 1e-2),
        "global_batch_size": tune.choice([16, 32, 64]),
        "epochs": tune.choice([2.0, 3.0, 5.0]),
    },
    metrics=("*/f1",),
    budget=Budget(trials=16),
)
