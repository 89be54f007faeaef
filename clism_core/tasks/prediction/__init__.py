"""Predictions of a task model for a file of inputs, by Ray Data."""
