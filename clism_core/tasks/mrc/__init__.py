"""xMRC: a span of a passage answers a question."""
