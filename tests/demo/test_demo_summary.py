"""The texts at the end of the demo."""

import json
from pathlib import Path

from clism_core.demo.summary import answers_text, shares_text


def test_wrong_answers_have_the_expected_ones(tmp_path: Path) -> None:
    rows = [
        {"question": "Wo?", "answer": "Bonn", "expected": "Bonn"},
        {"question": "Wer?", "answer": "Anna", "expected": "Anna Lee"},
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert answers_text(tmp_path / "answers.jsonl").splitlines() == [
        "Answers to 2 questions about new names, 1 right:",
        "  Wo?  ->  Bonn  (right)",
        "  Wer?  ->  Anna  (wrong: Anna Lee)",
    ]


def test_shares_of_the_stages() -> None:
    assert shares_text({"inputs": 30.0, "pretrain": 120.0}).splitlines() == [
        "2 min 30 s in all:",
        "  inputs      0 min 30 s   20%",
        "  pretrain    2 min 00 s   80%",
    ]
