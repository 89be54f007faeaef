"""Errors, storage, text and other helpers that know nothing of the project."""
