"""Evaluation of models on multilingual test sets: predictions, scores, tables, comparison of two models."""
