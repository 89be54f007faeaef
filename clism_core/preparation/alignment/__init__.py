"""Word alignment of sentence pairs: by eflomal, by the states of an encoder, or as given in a file."""
