"""What a model knows, measured on samples it was not trained on."""
