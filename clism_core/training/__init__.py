"""The training engine, whatever is trained: driver, workers, step, loop, checkpoints, data order."""
