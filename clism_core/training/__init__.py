"""The distributed training loop, its schedule, checkpoints and evaluation."""
