"""Pre-training parameters, by F1 on the development data after few-shot fine-tuning.

All trials have the same fine-tuning, as set by `--finetune`. Metrics of pre-training are not comparable with its F1, so
no trial is stopped early.
"""

from ray import tune

from clism_core.experiments.tuning.space import Budget, Space

SPACE = Space(
    job="joint",
    parameters={
        "pretrain.objectives.temperature": tune.loguniform(0.02, 20.0),
        "pretrain.objectives.w_cacr": tune.loguniform(0.1, 10.0),
        "pretrain.objectives.w_mlm": tune.loguniform(0.1, 10.0),
        "pretrain.masking.max_spans": tune.randint(1, 5),
        "pretrain.optimizer.learning_rate": tune.loguniform(3e-6, 1e-3),
    },
    metrics=("*/f1",),
    scheduler="fifo",
    budget=Budget(trials=16),
)
