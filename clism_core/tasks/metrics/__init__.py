"""Scores of answers and entities as the official scorers count them, and how certain they are."""
