"""Evaluation of a pre-training model on held-out samples."""
