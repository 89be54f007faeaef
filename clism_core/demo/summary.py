"""Texts that jobs/demo.py prints at its end: the example answers, and where the time went."""

import json
from collections.abc import Mapping
from pathlib import Path

from clism_core.utils.progress import duration


def answers_text(file: Path) -> str:
    """Return the questions with the model's answers and the expected ones, and how many are right.

    Args:
        file: examples of the demo with their answers, as written by jobs/predict.py.
    """
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    right = [row["answer"] == row["expected"] for row in rows]
    lines = [f"Answers to {len(rows)} questions about new names, {sum(right)} right:"]
    for row, is_right in zip(rows, right, strict=True):
        verdict = "right" if is_right else f"wrong: {row['expected']}"
        lines.append(f"  {row['question']}  ->  {row['answer']}  ({verdict})")
    return "\n".join(lines)


def shares_text(seconds: Mapping[str, float]) -> str:
    """Return the duration of each stage and its share of all, one per line.

    Args:
        seconds: seconds by stage, in order.
    """
    total = sum(seconds.values())
    width = max(map(len, seconds))
    lines = [f"  {name:{width}}  {duration(spent):>12}  {spent / total:4.0%}" for name, spent in seconds.items()]
    return "\n".join([f"{duration(total)} in all:", *lines])
