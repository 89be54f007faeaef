"""Fine-tuning, evaluation and prediction of the two tasks: extractive question answering and entities."""
