"""Named entity recognition (xNER): tokens are tagged as parts of entities."""
