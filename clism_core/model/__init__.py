"""The encoder with `[QUE]`, the span head and the MLM head."""
