"""Questions and their passages to inputs: `[CLS] question [QUE] [SEP] passage [SEP]`, in overlapping windows.

`[QUE]` and the template tokens are inserted by id; literal ones in the texts stay text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import regex
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import QUE, TextTokenizer, TokenizedText, TokenSpan, find_template
from clism_core.tasks.mrc.config import MrcConfig, mrc_problems
from clism_core.tasks.mrc.squad_format import Answer, Question, for_training
from clism_core.training.data.indexed_rows import Row
from clism_core.utils.errors import InputError

TRAINING_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("passage_start", pa.int32()),
        ("passage_stop", pa.int32()),
        ("que_position", pa.int32()),
        ("answer_start", pa.int32()),
        ("answer_end", pa.int32()),
        ("length", pa.int32()),
    ]
)
"""A window to train on. Positions are those of `input_ids`: the passage stands at `[passage_start, passage_stop)`,
`[QUE]` at `que_position` (0 without one), first and last token of the answer at `answer_start` and `answer_end`;
`length` is the number of tokens."""

_EDGE_MARKS = regex.compile(r"(?<!\S)[\p{P}\p{S}]++(?=\S)|(?<![\p{P}\p{S}\s])[\p{P}\p{S}]++(?!\S)")
"""Punctuation at the beginning or the end of a word."""


@dataclass(frozen=True, slots=True)
class Window:
    """An input that holds a part of the passage."""

    input_ids: list[int]
    que_position: int
    """Where `[QUE]` stands; 0 where there is none."""
    passage_start: int
    """Position of the passage's first token in this window."""
    offsets: list[tuple[int, int]]
    """For each of its tokens of the passage the characters `[start, end)` of the context; equal numbers for a token
    without characters of its own."""

    @property
    def passage_stop(self) -> int:
        """Position after the passage's last token in this window."""
        return self.passage_start + len(self.offsets)

    def row(self) -> Row:
        """Return what `collate` takes, without an answer."""
        return {
            "input_ids": self.input_ids,
            "passage_start": self.passage_start,
            "passage_stop": self.passage_stop,
            "que_position": self.que_position,
        }


class EncodedQuestion(NamedTuple):
    """A question with its passage; no window where the passage has no token."""

    windows: list[Window]
    cut: bool
    """Whether the question was longer than `max_question_length`."""


def cut_passage(n_tokens: int, *, room: int, stride: int) -> list[range]:
    """Return the windows of a passage, as ranges of its tokens: all full but the last, each with `stride` tokens of
    the one before it."""
    starts = range(0, max(n_tokens - stride, min(n_tokens, 1)), room - stride)
    return [range(start, min(start + room, n_tokens)) for start in starts]


def covering_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> TokenSpan | None:
    """Return the fewest tokens that cover the characters `[start, end)`; None where no token has any of them."""
    inside = [number for number, (left, right) in enumerate(offsets) if left < right and left < end and right > start]
    return TokenSpan(inside[0], inside[-1] + 1) if inside else None


class QuestionEncoder:
    """Makes inputs for one tokenizer.

    Args:
        tokenizer: with `[QUE]`.
        config: lengths, and whether there is a `[QUE]`.

    Raises:
        InputError: if windows would not move on.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: MrcConfig):
        self.config = config
        que_id = tokenizer.convert_tokens_to_ids(QUE)  # get_vocab() takes long, and servers often come here
        assert isinstance(que_id, int)
        self.que_id = que_id
        self.template = find_template(tokenizer, pair=True)
        problems = list(mrc_problems(config, template_tokens=self.template.size))
        if problems:
            raise InputError("\n".join(problems))
        self._text_tokenizer = TextTokenizer(tokenizer)
        self._cut_words = not tokenizer.is_fast
        self._last = ("", self._tokenize(""))

    def __call__(self, question: str, context: str) -> EncodedQuestion:
        """Return the windows of a question and its passage, in the order of the passage.

        A question longer than `max_question_length` loses its end.
        """
        question_ids = self._text_tokenizer(question).ids
        kept = question_ids[: self.config.max_question_length]
        passage = self._passage(context)
        first, middle, last = self.template.parts
        left = [*first, *kept, *([self.que_id] if self.config.use_que else []), *middle]
        room = self.config.max_length - len(left) - len(last)
        windows = [
            Window(
                input_ids=[*left, *passage.ids[part.start : part.stop], *last],
                que_position=len(first) + len(kept) if self.config.use_que else 0,
                passage_start=len(left),
                offsets=passage.offsets[part.start : part.stop],
            )
            for part in cut_passage(len(passage.ids), room=room, stride=self.config.stride)
        ]
        return EncodedQuestion(windows, cut=len(kept) < len(question_ids))

    def encode_example(self, question: Question) -> tuple[list[Row], dict[str, int]]:
        """Return the windows to train on, rows of `TRAINING_SCHEMA`, and what was noticed.

        They are the windows that hold the first usable answer as a whole. The others are left out: a softmax over
        the passage has no place for "not here". An answer is usable if its text stands at its offset, and if a window
        holds the tokens that cover it. Where a token reaches over an edge of the answer, as a sub-word of a script
        without spaces may, the fewest tokens that cover it are taken.

        Returns:
            the rows, and how many (0 or 1) `cut_questions` (at `max_question_length`), `widened_answers` (some tokens
            reach over an edge) and `left_out_questions` (without a usable answer, so without rows) this makes.
        """
        encoded = self(question.question, question.context)
        passage = self._passage(question.context)
        rows: list[Row] = []
        widened = False
        for answer in (answer for usable in for_training([question]) for answer in usable.answers):
            start, end = _trimmed(answer)
            span = covering_span(passage.offsets, start, end)
            rows = self._rows_with(encoded.windows, span) if span is not None else []
            if span is not None and rows:
                widened = _reaches_over(passage.offsets[span.start : span.end], start, end)
                break
        noticed = {
            "cut_questions": int(encoded.cut),
            "widened_answers": int(widened),
            "left_out_questions": int(not rows),
        }
        return rows, noticed

    def _rows_with(self, windows: Sequence[Window], span: TokenSpan) -> list[Row]:
        """Return rows of the windows that hold all of `span`, tokens of the passage."""
        rows, first = [], 0
        for window in windows:
            if first <= span.start and span.end <= first + len(window.offsets):
                moved = window.passage_start - first
                answer = {"answer_start": span.start + moved, "answer_end": span.end - 1 + moved}
                length = {"length": len(window.input_ids)}
                rows.append({**window.row(), **answer, **length})
            first += len(window.offsets) - self.config.stride
        return rows

    def _passage(self, context: str) -> TokenizedText:
        """Tokenize a passage; the last one is kept, for questions about one passage mostly come together."""
        last = self._last  # read once: another thread may replace it
        if last[0] != context:
            self._last = last = (context, self._tokenize(context))
        return last[1]

    def _tokenize(self, context: str) -> TokenizedText:
        """Tokenize a passage; where a tokenizer knows no offsets, words are told from the punctuation around them, so
        that answers can be, too."""
        if not self._cut_words:
            return self._text_tokenizer(context)
        cuts = [edge for match in _EDGE_MARKS.finditer(context) for edge in match.span()]
        return self._text_tokenizer(context, cuts=cuts)


def _trimmed(answer: Answer) -> tuple[int, int]:
    """Return the characters `[start, end)` of an answer without white space around it, which no token has."""
    start = answer.start + len(answer.text) - len(answer.text.lstrip())
    return start, start + len(answer.text.strip())


def _reaches_over(offsets: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    own = [(left, right) for left, right in offsets if left < right]
    return min(left for left, _ in own) < start or max(right for _, right in own) > end
