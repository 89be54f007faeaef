"""Evaluation of models on test sets of many languages: predictions, scores, tables, comparison of two models."""
