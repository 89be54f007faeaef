"""Pre-training with CLISM, CACR and MLM: from prepared samples to an encoder."""
