"""The order of training samples, and their way from the object store to the workers."""
