"""Inference with task models: actors, prediction of files and test sets, the served model."""
