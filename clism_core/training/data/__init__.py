"""Order of training samples, and their transfer from the object store to the workers."""
