"""Encoding of sentences, given as words, as inputs `[CLS] sentence [QUE] [SEP]`; long ones are split into windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import QUE, TextTokenizer, find_template, special_id
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.labels import IGNORED, Labels
from clism_core.training.data.indexed_rows import Row
from clism_core.utils.errors import InputError

TRAINING_SCHEMA = pa.schema(
    [("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32())), ("length", pa.int32())]
)

_CACHED_WORDS = 100_000


@dataclass(frozen=True)
class Window:
    """An input: a part of a sentence in the template of the base model, at most `max_length` tokens."""

    input_ids: list[int]
    words: list[int]
    """Numbers of the sentence's words that are predicted in this window, from left to right."""
    positions: list[int]
    """Positions of their first sub-words in `input_ids`."""


class SentenceEncoder:
    """Encoder of sentences; every word is predicted in exactly one input.

    A sentence that is too long is split at words into windows that overlap by `stride` sub-words or slightly less. A
    word in several windows is predicted where it has most context: where its distance to the nearer end of the window,
    in sub-words, is greatest; in a tie, in the first of them. A word longer than a window is truncated to fit. A word
    without sub-words, such as a lone zero-width character, becomes the unknown token or, without one, the mask token.

    Raises:
        InputError: if `max_length` leaves no room for a sub-word.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: NerConfig):
        self.labels = Labels(config.types)
        self.stride = config.stride
        self._tokenize = TextTokenizer(tokenizer)
        # byte-level sub-words start with the space before a word: without it, words would be joined
        alone, twice = self._tokenize("a").ids, self._tokenize("a a").ids
        self._before_word = "" if twice == alone * 2 else " "
        # tokenizers that know all bytes may have no unknown token
        self._unknown_id = special_id(tokenizer, "mask" if tokenizer.unk_token_id is None else "unk")
        first, last = find_template(tokenizer, pair=False).parts
        self._first, self._last = first, (*((tokenizer.convert_tokens_to_ids(QUE),) if config.use_que else ()), *last)
        self.capacity = config.max_length - len(self._first) - len(self._last)
        if self.capacity < 1:
            raise InputError(
                f"--ner.max_length {config.max_length}: leaves no room for a sentence beside "
                f"{len(self._first) + len(self._last)} template tokens; raise it"
            )
        self._cache: dict[str, list[int]] = {}

    def windows(self, words: Sequence[str]) -> list[Window]:
        """Return the inputs of a sentence, from left to right; none if it has no words."""
        sub_words = [self._sub_words(word)[: self.capacity] for word in words]
        edges = [0, *accumulate(map(len, sub_words))]  # word number n is the sub-words [edges[n], edges[n + 1])
        ranges = list(_ranges(edges, capacity=self.capacity, stride=self.stride))
        predicted: list[list[int]] = [[] for _ in ranges]
        for word, number in enumerate(_window_of_words(edges, ranges)):
            predicted[number].append(word)
        return [
            Window(
                input_ids=[*self._first, *(token for ids in sub_words[begin:end] for token in ids), *self._last],
                words=own,
                positions=[len(self._first) + edges[word] - edges[begin] for word in own],
            )
            for (begin, end), own in zip(ranges, predicted, strict=True)
            if own
        ]

    def encode_example(self, sentence: Sentence) -> tuple[list[Row], dict[str, int]]:
        """Return the inputs of a tagged sentence, as rows of `TRAINING_SCHEMA`, and counts.

        Returns:
            the rows, in which `labels` holds the labels of the predicted words at their first sub-words and -100
            elsewhere, and `length` is the number of tokens; and the counts of `windowed_sentences` (1 if there are
            several windows, else 0), `cut_words` (longer than a window) and `unknown_words` (which are or contain the
            unknown token).

        Raises:
            InputError: for a tag whose type is not among the model's.
        """
        numbers = self.labels.numbers(sentence.tags)
        rows: list[Row] = []
        for window in self.windows(sentence.tokens):
            labels = [IGNORED] * len(window.input_ids)
            for word, position in zip(window.words, window.positions, strict=True):
                labels[position] = numbers[word]
            rows.append({"input_ids": window.input_ids, "labels": labels, "length": len(labels)})
        sub_words = [self._sub_words(word) for word in sentence.tokens]
        counts = {
            "windowed_sentences": int(len(rows) > 1),
            "cut_words": sum(len(ids) > self.capacity for ids in sub_words),
            "unknown_words": sum(self._unknown_id in ids for ids in sub_words),
        }
        return rows, counts

    def _sub_words(self, word: str) -> list[int]:
        """Return the sub-words of `word`, at least one; they are cached, because tokenization is slow."""
        sub_words = self._cache.get(word)
        if sub_words is None:
            sub_words = self._tokenize(f"{self._before_word}{word}").ids or [self._unknown_id]
            if len(self._cache) < _CACHED_WORDS:
                self._cache[word] = sub_words
        return sub_words


def _ranges(edges: Sequence[int], *, capacity: int, stride: int) -> Iterator[tuple[int, int]]:
    """Yield the words [begin, end) of each window; no word is longer than `capacity`."""
    begin, end, words = 0, 0, len(edges) - 1
    while end < words:
        while end < words and edges[end + 1] - edges[begin] <= capacity:
            end += 1
        yield begin, end
        if end < words:
            room = min(stride, capacity - (edges[end + 1] - edges[end]))  # the next window must fit the next word
            while edges[end] - edges[begin] > room:
                begin += 1


def _window_of_words(edges: Sequence[int], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the number of the window in which each word has most context."""
    windows, most = [0] * (len(edges) - 1), [-1] * (len(edges) - 1)
    for number, (begin, end) in enumerate(ranges):
        for word in range(begin, end):
            context = min(edges[word] - edges[begin], edges[end] - edges[word + 1])
            if context > most[word]:
                windows[word], most[word] = number, context
    return windows
