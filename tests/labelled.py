"""Small labelled files: questions in SQuAD format and sentences in CoNLL's."""

import json
from pathlib import Path

PEOPLE = ["Mary Smith", "Anna", "Tim", "John Brown", "Lena", "Paul"]
PLACES = ["Paris", "Berlin", "Rome", "Bonn"]


def write_squad(file: Path, *, questions: int = 12, first: int = 0, misplaced: int = 0) -> Path:
    """Write questions about where somebody was born, one a paragraph; the first `misplaced` have a wrong offset."""
    paragraphs = []
    for number in range(first, first + questions):
        person, place = PEOPLE[number % len(PEOPLE)], PLACES[number % len(PLACES)]
        context = f"In {1900 + number} {person} was born in {place}. Then came peace."
        start = context.index(place) + (1 if number - first < misplaced else 0)
        answer = {"text": place, "answer_start": start}
        qas = [{"id": f"q{number}", "question": f"Where was {person} born?", "answers": [answer]}]
        paragraphs.append({"context": context, "qas": qas})
    file.write_text(json.dumps({"version": "1.1", "data": [{"title": "Births", "paragraphs": paragraphs}]}))
    return file


def write_conll(file: Path, *, sentences: int = 12, first: int = 0) -> Path:
    """Write sentences with a person and a place, their tags in BIO."""
    blocks = []
    for number in range(first, first + sentences):
        person, place = PEOPLE[number % len(PEOPLE)].split(), PLACES[number % len(PLACES)]
        tags = [("B-PER" if at == 0 else "I-PER") for at in range(len(person))]
        lines = [*zip(person, tags, strict=True), ("lives", "O"), ("in", "O"), (place, "B-LOC"), (".", "O")]
        blocks.append("".join(f"{token} {tag}\n" for token, tag in lines))
    file.write_text("\n".join(blocks))
    return file
