"""Encoder with `[QUE]`, span head and MLM head."""
