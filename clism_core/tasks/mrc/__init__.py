"""Extractive question answering (xMRC): the answer is a span of the passage."""
