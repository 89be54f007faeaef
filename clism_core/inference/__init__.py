"""Inference with task models: actors, files of inputs, the served model."""
