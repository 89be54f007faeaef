"""Checks of every node of the cluster before a training, and of nodes that join later at the start of their workers."""
