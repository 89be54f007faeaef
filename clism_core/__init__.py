"""Cross-lingual pre-training and fine-tuning with the `[QUE]` token (NAACL 2022, arXiv 2204.05210)."""
