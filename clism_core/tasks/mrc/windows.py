"""Encoding of questions and passages as inputs `[CLS] question [QUE] [SEP] passage [SEP]`, in overlapping windows.

`[QUE]` and the template tokens are inserted by id; literal occurrences in the texts remain text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import regex
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import QUE, TextTokenizer, TokenizedText, TokenSpan, find_template
from clism_core.tasks.mrc.answer_offsets import for_training
from clism_core.tasks.mrc.config import MrcConfig, mrc_problems
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.training.data.indexed_rows import Row
from clism_core.utils.errors import InputError
from clism_core.utils.fields import bound_problems

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
"""Schema of training windows. Positions index `input_ids`: the passage is at `[passage_start, passage_stop)`, `[QUE]`
at `que_position` (0 without one), the first and last token of the answer at `answer_start` and `answer_end`; `length`
is the number of tokens."""

_EDGE_MARKS = regex.compile(r"(?<!\S)[\p{P}\p{S}]++(?=\S)|(?<![\p{P}\p{S}\s])[\p{P}\p{S}]++(?!\S)")
"""Punctuation at the beginning or the end of a word."""


@dataclass(frozen=True, slots=True)
class Window:
    """An input that contains a part of the passage."""

    input_ids: list[int]
    que_position: int
    """Position of `[QUE]`; 0 without one."""
    passage_start: int
    """Position of the passage's first token in this window."""
    offsets: list[tuple[int, int]]
    """Characters `[start, end)` of the context for each passage token of the window; start and end are equal for a
    token without characters of its own."""

    @property
    def passage_stop(self) -> int:
        """Position after the passage's last token in this window."""
        return self.passage_start + len(self.offsets)

    def row(self) -> Row:
        """Return the row that `collate` expects, without an answer."""
        return {
            "input_ids": self.input_ids,
            "passage_start": self.passage_start,
            "passage_stop": self.passage_stop,
            "que_position": self.que_position,
        }


class EncodedQuestion(NamedTuple):
    """A question with its passage; there are no windows if the passage has no tokens."""

    windows: list[Window]
    cut: bool
    """Whether the question exceeded `max_question_length` and was truncated."""


def cut_passage(n_tokens: int, *, room: int, stride: int) -> list[range]:
    """Return the windows of a passage as ranges of its tokens; each overlaps the previous one by `stride` tokens, and
    all but the last have `room` tokens."""
    starts = range(0, max(n_tokens - stride, min(n_tokens, 1)), room - stride)
    return [range(start, min(start + room, n_tokens)) for start in starts]


def covering_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> TokenSpan | None:
    """Return the shortest token span that covers the characters `[start, end)`; None if no token has any of them."""
    inside = [number for number, (left, right) in enumerate(offsets) if left < right and left < end and right > start]
    return TokenSpan(inside[0], inside[-1] + 1) if inside else None


class QuestionEncoder:
    """Encoder of questions and passages for one tokenizer.

    Args:
        tokenizer: a tokenizer with `[QUE]`.
        config: lengths, and whether inputs contain `[QUE]`.

    Raises:
        InputError: if a length is out of bounds, or windows would not advance.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: MrcConfig):
        self.config = config
        que_id = tokenizer.convert_tokens_to_ids(QUE)  # get_vocab() is slow, and servers often create encoders
        assert isinstance(que_id, int)
        self.que_id = que_id
        self.template = find_template(tokenizer, pair=True)
        problems = [*bound_problems(config), *mrc_problems(config, template_tokens=self.template.size)]
        if problems:
            raise InputError("\n".join(problems))
        self._text_tokenizer = TextTokenizer(tokenizer)
        self._cut_words = not tokenizer.is_fast
        self._last = ("", self._tokenize(""))

    def __call__(self, question: str, context: str) -> EncodedQuestion:
        """Return the windows of a question and its passage, in passage order.

        A question longer than `max_question_length` is truncated.
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
        """Return the training windows, as rows of `TRAINING_SCHEMA`, and counts.

        These are the windows that contain the whole first usable answer. The other windows are omitted: a softmax over
        the passage cannot express "not here". An answer is usable if its text is at its offset, and if a window
        contains the tokens that cover it. If a token crosses an edge of the answer, as a sub-word in a script without
        spaces may, the shortest token span that covers the answer is used.

        Returns:
            the rows, and the counts (0 or 1) of `cut_questions` (truncated at `max_question_length`),
            `widened_answers` (a token crosses an edge) and `left_out_questions` (no usable answer, therefore no rows).
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
                widened = _crosses_edge(passage.offsets[span.start : span.end], start, end)
                break
        counts = {
            "cut_questions": int(encoded.cut),
            "widened_answers": int(widened),
            "left_out_questions": int(not rows),
        }
        return rows, counts

    def _rows_with(self, windows: Sequence[Window], span: TokenSpan) -> list[Row]:
        """Return rows of the windows that contain the whole `span` of passage tokens."""
        rows, first = [], 0
        for window in windows:
            if first <= span.start and span.end <= first + len(window.offsets):
                shift = window.passage_start - first
                answer = {"answer_start": span.start + shift, "answer_end": span.end - 1 + shift}
                length = {"length": len(window.input_ids)}
                rows.append({**window.row(), **answer, **length})
            first += len(window.offsets) - self.config.stride
        return rows

    def _passage(self, context: str) -> TokenizedText:
        """Tokenize a passage; the last one is cached, because questions about one passage are usually adjacent."""
        last = self._last  # read once: another thread may replace it
        if last[0] != context:
            self._last = last = (context, self._tokenize(context))
        return last[1]

    def _tokenize(self, context: str) -> TokenizedText:
        """Tokenize a passage; without offsets from the tokenizer, words are separated from surrounding punctuation so
        that answers can be, too."""
        if not self._cut_words:
            return self._text_tokenizer(context)
        cuts = [edge for match in _EDGE_MARKS.finditer(context) for edge in match.span()]
        return self._text_tokenizer(context, cuts=cuts)


def _trimmed(answer: Answer) -> tuple[int, int]:
    """Return the characters `[start, end)` of an answer without surrounding white space, which no token covers."""
    start = answer.start + len(answer.text) - len(answer.text.lstrip())
    return start, start + len(answer.text.strip())


def _crosses_edge(offsets: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    own = [(left, right) for left, right in offsets if left < right]
    return min(left for left, _ in own) < start or max(right for _, right in own) > end
