"""Tasks that an encoder is fine-tuned for: extractive question answering (xMRC) and named entity recognition (xNER)."""
