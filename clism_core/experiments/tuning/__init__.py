"""Sweeps by Ray Tune: what is searched, a trial, the sweep, and what is made of its results."""
