"""The embedded demo: a generated parallel corpus and a small encoder made for it."""
