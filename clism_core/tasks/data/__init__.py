"""Labelled data of the tasks: questions in SQuAD format, and sentences with entity tags in CoNLL's."""
