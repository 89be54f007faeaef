"""Sweeps by Ray Tune: search spaces, trials, execution and results."""
