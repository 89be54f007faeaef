"""Predictor of answers to questions over passages."""

from collections.abc import Mapping, Sequence
from typing import Any

from clism_core.model.batching import batches_by_length
from clism_core.model.precision import Precision
from clism_core.tasks.mrc.batches import InputFormat, collate
from clism_core.tasks.mrc.decoding import N_CANDIDATES, AnswerSpan, Candidates, find_candidates, merge_candidates
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.windows import QuestionEncoder, Window
from clism_core.tasks.predictor import BATCH_SIZE, Predicted, Predictor
from clism_core.utils.errors import InputError
from clism_core.utils.text import LONE_SURROGATE

RECORDS_AT_ONCE = 1024
"""Number of records whose windows are in memory at once."""
_MAX_PADDING = 0.2
"""Maximum share of padding in an input."""

_KEYS = ("question", "context")


class MrcPredictor(Predictor[MrcModel]):
    """Predictor that answers questions in any language."""

    truncated = "questions exceed the model's max_question_length and are truncated"

    def __init__(self, model: MrcModel, *, batch_size: int = BATCH_SIZE, precision: Precision | None = None):
        super().__init__(model, batch_size=batch_size, precision=precision)
        self.encoder = QuestionEncoder(model.tokenizer, model.config)
        self._format = InputFormat.of(model.tokenizer)

    def predict(self, records: Sequence[Mapping[str, Any]], n_best: int = 1) -> Predicted:
        """Return an answer for each record, in the order of the records.

        The answer is the best valid span of the passage over all its windows; every question gets an answer, even if
        the passage does not contain one. Its score is the softmax of the sums of start and end logits over the 20 best
        answers. If no token of the passage has characters, the answer is "", with score, start and end 0.

        Args:
            records: mappings with the strings `question` and `context`; other keys are ignored.
            n_best: number of answers to return, 1 to 20; a short passage may have fewer.

        Returns:
            for each record `answer` (`context[start:end]`), `score` (probability, 0 to 1), `start` and `end` (code
            points of the context, end exclusive); for n_best > 1 also `n_best`, a list of such answers, best first.

        Raises:
            InputError: if a record lacks a question or a context, or n_best is out of range.
            FloatingPointError: if the model's logits are not finite.
        """
        if not 1 <= n_best <= N_CANDIDATES:
            raise InputError(f"n_best {n_best} is out of range; it must be 1 to {N_CANDIDATES}")
        contexts = [_checked(number, record) for number, record in enumerate(records, start=1)]
        predictions: list[dict[str, Any]] = []
        cut: list[bool] = []
        for first in range(0, len(contexts), RECORDS_AT_ONCE):
            part = contexts[first : first + RECORDS_AT_ONCE]
            encoded = [self.encoder(question, context) for question, context in part]
            cut += [question.cut for question in encoded]
            candidates = iter(self._candidates([window for question in encoded for window in question.windows]))
            for (_, context), question in zip(part, encoded, strict=True):
                answers = merge_candidates([next(candidates) for _ in question.windows])
                best, *_ = returned = [_as_prediction(answer, context) for answer in answers[:n_best]]
                predictions.append({**best, "n_best": returned} if n_best > 1 else best)
        return Predicted(predictions, cut)

    def outputs(self, records: Sequence[Mapping[str, Any]]) -> Predicted:
        """Return only the answer texts."""
        predictions, cut = self.predict(records)
        return Predicted([prediction["answer"] for prediction in predictions], cut)

    def _candidates(self, windows: Sequence[Window]) -> list[Candidates]:
        """Return the best spans of each window; windows of similar length share a forward pass."""
        by_place: dict[int, Candidates] = {}
        lengths = [len(window.input_ids) for window in windows]
        with self.predicting():
            for places in batches_by_length(lengths, self.batch_size, max_padding=_MAX_PADDING):
                chosen = [windows[place] for place in places]
                batch = collate([window.row() for window in chosen], self._format).to(self.precision.device)
                with self.precision.autocast():
                    logits = self.model.logits(batch)
                candidates = find_candidates(logits, chosen, max_answer_length=self.model.config.max_answer_length)
                by_place.update(zip(places, candidates, strict=True))
        return [by_place[place] for place in range(len(windows))]


def _checked(number: int, record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the question and context of a record after checking them; `number` counts from 1."""
    for key in _KEYS:
        value = record.get(key)
        if not isinstance(value, str):
            kind = "is missing" if key not in record else f"is {type(value).__name__}, not a string"
            raise InputError(f"record {number}: {key} {kind}; give each record a question and a context")
        if LONE_SURROGATE.search(value):
            raise InputError(
                f"record {number}: {key} contains a lone surrogate (half of a pair), which is not a valid character; "
                "decode the text again with the right encoding"
            )
    return record["question"], record["context"]


def _as_prediction(answer: AnswerSpan, context: str) -> dict[str, Any]:
    text = context[answer.start : answer.end]
    return {"answer": text, "score": answer.probability, "start": answer.start, "end": answer.end}
