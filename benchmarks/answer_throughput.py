"""Questions per second of a question-answering model, compared with a plain loop in the same run.

    python benchmarks/answer_throughput.py --model models:/clism-mrc@champion --questions xquad.en.json

The plain loop does what a one-page script with transformers would do: one question at a time, windows by the
tokenizer's own overflow, one forward pass per window, the best span by the logits. Both use the same weights in this
process, with the same device, threads and precision, and their answers are compared. Each is timed after one warm-up
question. The tokenizer must support offsets.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from clism_core.model.resolve import resolve_model
from clism_core.tasks.mrc.batches import InputFormat
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.mrc.squad_format import read_questions

Record = dict[str, str]
SINGLE_QUESTIONS = 30


def main() -> None:
    """Measure both and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="question-answering model: folder or registry name")
    parser.add_argument("--questions", required=True, help="file in SQuAD format")
    parser.add_argument("--number", type=int, default=1000, help="number of questions")
    given = parser.parse_args()
    questions = read_questions(given.questions)[: given.number]
    records = [{"question": each.question, "context": each.context} for each in questions]
    model = MrcModel.load(resolve_model(given.model))
    predictor = MrcPredictor(model)
    plain = PlainLoop(predictor)

    def ours(some: Sequence[Record]) -> list[str]:
        return [prediction["answer"] for prediction in predictor(some)]

    single = {name: one_by_one(answer, records) for name, answer in (("ours", ours), ("plain loop", plain))}
    for name, seconds in single.items():
        print(f"{name:10} one question: {1000 * seconds:8.1f} ms (median of {SINGLE_QUESTIONS})", flush=True)
    print(f"ratio {single['plain loop'] / single['ours']:.2f}")
    expected, plain_rate = timed("plain loop", plain, records)
    answers, rate = timed("ours", ours, records)
    same = sum(ours == theirs for ours, theirs in zip(answers, expected, strict=True))
    print(f"ratio {rate / plain_rate:.2f}; {100 * same / len(records):.1f} % of the answers are equal")


def one_by_one(answer: Callable[[Sequence[Record]], list[str]], records: Sequence[Record]) -> float:
    """Return the median time in seconds of a single question."""
    seconds = []
    for record in records[: SINGLE_QUESTIONS + 1]:
        began = time.monotonic()
        answer([record])
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds[1:])


def timed(
    name: str, answer: Callable[[Sequence[Record]], list[str]], records: Sequence[Record]
) -> tuple[list[str], float]:
    """Return the answers and the questions per second, and print a line."""
    began = time.monotonic()
    answers = answer(records)
    seconds = time.monotonic() - began
    print(f"{name:10} {len(records):6,} questions: {seconds:8.1f} s {len(records) / seconds:8.1f} per s", flush=True)
    return answers, len(records) / seconds


class PlainLoop:
    """Question answering one question at a time, as in the examples of transformers."""

    def __init__(self, predictor: MrcPredictor):
        self.model = predictor.model
        self.precision = predictor.precision
        self.tokenizer = self.model.tokenizer
        self.que = "[QUE]" if self.model.config.use_que else ""
        has_types = InputFormat.of(self.tokenizer).type_ids is not None
        self.names = ["input_ids", "attention_mask", *(["token_type_ids"] if has_types else [])]

    @torch.inference_mode()
    def __call__(self, records: Sequence[Record]) -> list[str]:
        """Return an answer for each record."""
        return [self._answer(record) for record in records]

    def _answer(self, record: Record) -> str:
        config = self.model.config
        encoded = self.tokenizer(
            record["question"] + self.que,
            record["context"],
            truncation="only_second",
            max_length=config.max_length,
            stride=config.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        best, answer = -np.inf, ""
        for window, ids in enumerate(encoded["input_ids"]):
            inputs = {name: torch.tensor([encoded[name][window]]).to(self.precision.device) for name in self.names}
            with self.precision.autocast():
                states = self.model.encoder(**inputs).last_hidden_state
            que = ids.index(self.tokenizer.convert_tokens_to_ids("[QUE]")) if self.que else 0
            position = torch.tensor([[que]]).to(self.precision.device)
            logits = self.model.head(states, position, inputs["attention_mask"])
            start, end = (scores[0, 0].cpu().numpy() for scores in logits)
            passage = [part == 1 for part in encoded.sequence_ids(window)]
            offsets = encoded["offset_mapping"][window]
            for first in np.argsort(start)[::-1][:20]:
                for last in np.argsort(end)[::-1][:20]:
                    fits = first <= last < first + config.max_answer_length and passage[first] and passage[last]
                    if fits and start[first] + end[last] > best:
                        best = start[first] + end[last]
                        answer = record["context"][offsets[first][0] : offsets[last][1]]
        return answer.strip()


if __name__ == "__main__":
    main()
