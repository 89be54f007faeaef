"""The embedded demo: generated corpora and labelled data, and a small encoder made for them."""
