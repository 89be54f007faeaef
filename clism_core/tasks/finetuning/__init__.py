"""Fine-tuning of an encoder on labelled data of one language."""
