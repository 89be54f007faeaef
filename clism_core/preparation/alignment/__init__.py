"""Word alignment of sentence pairs: by eflomal, by an encoder's states, by both, or read from a file."""
