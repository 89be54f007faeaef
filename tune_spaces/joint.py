"""Choices of pre-training, scored by what a few English examples then teach: F1 on the development data.

The few-shot fine-tuning is the same in all trials: what `--finetune` says. Pre-training makes no reports that could be
compared with it, so no trial is stopped before its fine-tuning.
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
