"""The pre-training objectives: CLISM, CACR and MLM."""
