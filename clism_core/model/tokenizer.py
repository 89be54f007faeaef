"""Conversion of texts and character spans to token ids and token spans, for any Hugging Face tokenizer.

`[QUE]` and the template tokens are inserted by id when batches are built. Here text is always tokenized as text, even
if it literally contains `[QUE]`, `<mask>` or `</s>`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import regex
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from clism_core.model.pretrained import load_raw_tokenizer
from clism_core.utils.errors import InputError
from clism_core.utils.graphemes import widen_to_clusters

QUE = "[QUE]"
Role = Literal["pad", "mask", "unk"]
_ROLES: Mapping[Role, str] = {"pad": "padding of batches", "mask": "masked text", "unk": "unknown text"}

_BLANK = regex.compile(r"[\s\p{Grapheme_Cluster_Break=Control}]", flags=regex.VERSION1)
"""White space, and invisible characters that are not part of another one: zero-width spaces, soft hyphens, controls."""
_JOINERS = "\u200c\u200d"
_LETTERS = regex.compile(rf"[\p{{L}}\p{{N}}][\p{{L}}\p{{M}}\p{{N}}{_JOINERS}]*+", flags=regex.VERSION1)


def load_tokenizer(folder_or_id: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer and add `[QUE]` to its special tokens, unless it already is one.

    Raises:
        InputError: if there is no tokenizer, or a package for it is not installed.
    """
    tokenizer = load_raw_tokenizer(folder_or_id)
    add_que(tokenizer)
    return tokenizer


def add_que(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Add `[QUE]` to the special tokens; return whether it is new, which it is not in models of this project."""
    return bool(tokenizer.add_special_tokens({"extra_special_tokens": [QUE]}, replace_extra_special_tokens=False))


def special_id(tokenizer: PreTrainedTokenizerBase, role: Role) -> int:
    """Return the id of the token that has a role.

    Raises:
        InputError: if the tokenizer has no token for the role.
    """
    token_id = getattr(tokenizer, f"{role}_token_id")
    if token_id is None:
        raise InputError(
            f"{tokenizer.name_or_path}: the tokenizer has no {role}_token ({_ROLES[role]}); give it one in "
            "tokenizer_config.json if its vocabulary has such a token, or give another model"
        )
    return int(token_id)


class TokenizedText(NamedTuple):
    """Token ids of a text and, for each token, its characters `[start, end)`: whole grapheme clusters, without
    surrounding white space; start and end are equal for a token without characters of its own."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class TokenSpan(NamedTuple):
    """Range of tokens `[start, end)`."""

    start: int
    end: int


class TextTokenizer:
    """Tokenizer of plain text with exact character offsets.

    Literal special tokens are tokenized as text. A Unigram vocabulary contains `</s>` and `<mask>` as ordinary pieces,
    so that `split_special_tokens` alone is not enough: such a literal is split after its first character, and its two
    parts are tokenized separately. Tokenizers without offsets (XLM's) tokenize the text word by word, also split at the
    given character positions, so that offsets are exact at words and spans.

    Tokenizers cut clusters (bytes of a character, a consonant and its vowel sign), and leave characters out: they strip
    accents, compose them, or have no token for a letter. A cluster belongs to all tokens that have a part of it, and
    letters without a token to the token after or before them, so that words and answers are whole.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.tokenizer = tokenizer
        self._untrimmed = _without_trimming(tokenizer) if tokenizer.is_fast else None
        self._special_ids = frozenset(tokenizer.all_special_ids)
        literals = sorted({str(token) for token in tokenizer.all_special_tokens}, key=len, reverse=True)
        self._literal = re.compile("|".join(map(re.escape, literals)))

    def __call__(self, text: str, *, cuts: Sequence[int] = ()) -> TokenizedText:
        """Tokenize `text`; `cuts` are the character positions at which spans begin or end."""
        ids, offsets = self._tokenize(text, cuts)
        trimmed = [_trim(text, start, end) for start, end in offsets]
        whole = _with_lost_letters(text, widen_to_clusters(text, trimmed))
        if (
            whole != trimmed
        ):  # a letter may have a mark without a token, and a space forms a cluster with a mark after it
            whole = [_trim(text, start, end) for start, end in widen_to_clusters(text, whole)]
        return TokenizedText(ids, whole)

    def _tokenize(self, text: str, cuts: Sequence[int]) -> TokenizedText:
        at_literals = [match.start() + 1 for match in self._literal.finditer(text)]
        if not self.tokenizer.is_fast:
            return self._by_pieces(text, _word_pieces(text, {*cuts, *at_literals}))
        if at_literals:
            edges = [0, *at_literals, len(text)]
            return self._by_pieces(text, list(pairwise(edges)))
        return self._with_offsets(text)

    def _with_offsets(self, text: str) -> TokenizedText:
        if self._untrimmed is not None:
            plain = self._untrimmed.encode(text, add_special_tokens=False)
            return TokenizedText(plain.ids, plain.offsets)
        encoding = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
        )
        return TokenizedText(list(encoding["input_ids"]), list(encoding["offset_mapping"]))

    def _by_pieces(self, text: str, pieces: list[tuple[int, int]]) -> TokenizedText:
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for start, end in pieces:
            piece = text[start:end]
            if self.tokenizer.is_fast:
                tokenized = self._with_offsets(piece)
            else:
                piece_ids = list(self.tokenizer(piece, add_special_tokens=False, verbose=False)["input_ids"])
                tokenized = TokenizedText(piece_ids, [(0, len(piece))] * len(piece_ids))
            ids += tokenized.ids
            offsets += [(start + left, start + right) for left, right in tokenized.offsets]
        return TokenizedText(ids, offsets)


def token_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> TokenSpan | None:
    """Return the tokens of the characters `[start, end)`; None if there are none.

    There are none if a token crosses a boundary of the span, such as a sub-word of a script without spaces. Characters
    at the boundaries that no token has, such as zero-width spaces, do not count. Tokens without characters (a lone "▁")
    neither begin nor end a span.
    """
    inside = [number for number, (left, right) in enumerate(offsets) if left < right and left < end and right > start]
    if not inside:
        return None
    if min(offsets[number][0] for number in inside) < start or max(offsets[number][1] for number in inside) > end:
        return None
    return TokenSpan(inside[0], inside[-1] + 1)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a range without white space and invisible characters at its ends, nor a joiner that begins it."""
    if text[start:end].isprintable() and " " not in (text[start : start + 1], text[end - 1 : end]):  # nearly always
        return start, end
    while start < end and _BLANK.match(text, start):
        start += 1
    while end > start and _BLANK.match(text, end - 1):
        end -= 1
    while start < end - 1 and text[start] in _JOINERS:
        start += 1
    return start, end


def _with_lost_letters(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return `offsets` with letters and digits that no token has added to an adjacent token, if possible the next."""
    is_covered = bytearray(len(text))
    for start, end in offsets:
        is_covered[start:end] = b"\1" * (end - start)
    if is_covered.count(0) == text.count(" "):
        return offsets
    lost = [
        match.span()
        for start, end in (run.span() for run in re.finditer(b"\0+", is_covered))
        for match in _LETTERS.finditer(text, start, end)
    ]
    for start, end in lost:
        if any(left == end for left, right in offsets if left < right):
            offsets = [(start if left == end and left < right else left, right) for left, right in offsets]
        else:
            offsets = [(left, end if right == start and left < right else right) for left, right in offsets]
    return offsets


def _without_trimming(tokenizer: PreTrainedTokenizerBase) -> Tokenizer | None:
    """Return a copy of a fast tokenizer that shares its model, for plain text; None if its offsets are good.

    Byte-level tokenizers remove the space that begins a token from its offsets. If it is not in the text, because the
    tokenizer added it to a word or punctuation mark, they remove a character instead.
    """
    backend: Tokenizer = tokenizer.backend_tokenizer
    if backend.post_processor is None or b'"trim_offsets":true' not in backend.post_processor.__getstate__():
        return None
    plain = Tokenizer(backend.model)
    plain.normalizer, plain.pre_tokenizer = backend.normalizer, backend.pre_tokenizer
    added = backend.get_added_tokens_decoder()
    for number in sorted(added):
        (plain.add_special_tokens if added[number].special else plain.add_tokens)([added[number]])
    assert plain.get_added_tokens_decoder() == added
    plain.encode_special_tokens = True
    return plain


def _word_pieces(text: str, cuts: set[int]) -> list[tuple[int, int]]:
    """Return the white-space separated words of `text` as character ranges, also split at `cuts`."""
    pieces = []
    for match in re.finditer(r"\S+", text):
        edges = [match.start(), *sorted(cut for cut in cuts if match.start() < cut < match.end()), match.end()]
        pieces += list(pairwise(edges))
    return pieces


@dataclass(frozen=True)
class Template:
    """A tokenizer's format of a sentence or sentence pair, as ids around the texts.

    `[CLS] s [SEP]` has the parts `([CLS],)`, `([SEP],)`; `<s> s </s></s> t </s>` has `(<s>,)`, `(</s>, </s>)`,
    `(</s>,)`. `type_ids` are the token type ids of the sequences; a template token gets the type id of the text before
    it, and the first one that of the text after it, as in BERT.
    """

    parts: tuple[tuple[int, ...], ...]
    type_ids: tuple[int, ...] | None

    @property
    def size(self) -> int:
        """Number of template tokens."""
        return sum(map(len, self.parts))


def find_special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the ids of all special tokens: those with a role (including `<unk>` and `[QUE]`), and added ones."""
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def find_template(tokenizer: PreTrainedTokenizerBase, *, pair: bool) -> Template:
    """Determine the template of single sentences or sentence pairs from the output of `tokenizer`.

    Raises:
        InputError: if the tokenizer does not concatenate the texts, or does not separate those of a pair.
    """
    text = "a"
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    arguments = (text, text) if pair else (text,)
    encoding = tokenizer(*arguments, return_token_type_ids=True, verbose=False)
    whole, types = list(encoding["input_ids"]), list(encoding["token_type_ids"])
    parts, sequence_types, at = [], [], 0
    for _ in arguments:
        found = next((i for i in range(at, len(whole)) if whole[i : i + len(ids)] == ids), None)
        if found is None:
            raise InputError(
                f"{tokenizer.name_or_path}: the tokenizer does not put special tokens around unchanged sentences, but "
                f"returns {whole} for {' and '.join(arguments)!r}, which is not supported; give another model"
            )
        parts.append(tuple(whole[at:found]))
        sequence_types.append(types[found])
        at = found + len(ids)
    parts.append(tuple(whole[at:]))
    if not all(parts[1:-1]):
        raise InputError(
            f"{tokenizer.name_or_path}: the tokenizer puts no sep_token between two sentences; give it a "
            "post-processor with a template of pairs, or give another model"
        )
    uses_types = "token_type_ids" in tokenizer.model_input_names and len(set(types)) > 1
    return Template(tuple(parts), tuple(sequence_types) if uses_types else None)
