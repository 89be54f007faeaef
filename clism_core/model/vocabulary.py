"""Whether a tokenizer fits its encoder, and whether it knows the words of the data."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import QUE, TextTokenizer
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed

logger = logging.getLogger(__name__)
RowT = TypeVar("RowT")

MIN_USED_SHARE, LOW_USED_SHARE = 0.5, 0.9
"""Share of an encoder's embeddings that have a token: an error below the first, a warning below the second. Padding to
a multiple of 64 or 128 leaves out far fewer."""
MAX_UNKNOWN_SHARE, HIGH_UNKNOWN_SHARE = 0.8, 0.02
"""Share of words with the unknown token: an error above the first, a warning above the second. It is 0.1 % and less for
languages of a model."""
CHECKED_ROWS = 200
"""Maximum number of rows of the data whose words are looked up."""
MIN_WORDS = 20
"""Minimum number of words of which a share is meaningful."""
_SHOWN_WORDS = 5


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, name: str, *, embeddings: int) -> None:
    """Check that a tokenizer and an encoder have the same vocabulary, as far as its size tells.

    Args:
        tokenizer: the tokenizer; a `[QUE]` without an embedding is to be added to the encoder.
        name: name of the model for messages.
        embeddings: number of the encoder's word embeddings.

    Raises:
        InputError: if tokens have no embedding, or at most half of the embeddings have a token, or there are no
            tokens but special ones.
    """
    vocabulary = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens)
    if not any(character.isalnum() for token in vocabulary.keys() - special for character in token):
        raise InputError(
            f"model {name}: its tokenizer is empty: it has {len(vocabulary)} tokens, all of them special; copy the "
            "files of the tokenizer into the model's folder"
        )
    without = [token for token, number in vocabulary.items() if number >= embeddings and token != QUE]
    used = 1 - max(0, embeddings - len(vocabulary)) / embeddings
    sizes = f"the tokenizer has {len(vocabulary):,} tokens, the encoder {embeddings:,} embeddings"
    if without or used < MIN_USED_SHARE:
        detail = f"; {len(without):,} tokens have no embedding, such as {listed(without[:3])}" if without else ""
        raise InputError(
            f"model {name}: {sizes}{detail}: they are of different models; give a folder with the tokenizer that the "
            "encoder was trained with"
        )
    if used < LOW_USED_SHARE:
        logger.warning("model %s: %s: is the tokenizer that of the encoder?", name, sizes)


class UnknownWords(NamedTuple):
    """Words of a text that contain the unknown token of a tokenizer."""

    words: int
    """Number of words in all."""
    unknown: Counter[str]

    @property
    def share(self) -> float:
        """Share of the words that contain the unknown token, 0 to 1."""
        return self.unknown.total() / max(1, self.words)


def find_unknown_words(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> UnknownWords:
    """Count the white-space separated words of texts that contain the unknown token."""
    tokenize, words, unknown = TextTokenizer(tokenizer), 0, Counter[str]()
    for text in texts:
        tokenized = tokenize(text)
        starts = {start for token, (start, _) in zip(*tokenized, strict=True) if token == tokenizer.unk_token_id}
        for match in re.finditer(r"\S+", text):
            words += 1
            unknown[match[0]] += not starts.isdisjoint(range(match.start(), match.end()))
    return UnknownWords(words, +unknown)


def spread(rows: Sequence[RowT]) -> Sequence[RowT]:
    """Return at most `CHECKED_ROWS` rows at equal distances, for `check_words`."""
    return rows[:: max(1, len(rows) // CHECKED_ROWS)][:CHECKED_ROWS]


def check_words(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], *, place: str, strict: bool) -> None:
    """Warn if a tokenizer does not know many words of the data, and raise an error if it knows too few.

    Args:
        tokenizer: the tokenizer of the model.
        texts: some texts of the data, in one language.
        place: the data for messages, such as `--data, language ar`.
        strict: whether too many unknown words are an error; otherwise a warning.

    Raises:
        InputError: if `strict`, and more than `MAX_UNKNOWN_SHARE` of the words contain the unknown token.
    """
    found = find_unknown_words(tokenizer, texts)
    if found.words < MIN_WORDS or found.share <= HIGH_UNKNOWN_SHARE:
        return
    examples = listed(word for word, _ in found.unknown.most_common(_SHOWN_WORDS))
    message = (
        f"{place}: {100 * found.share:.0f} % of the words contain {tokenizer.unk_token} in the model's tokenizer, such "
        f"as {examples}; check that the tokenizer belongs to the encoder, and that the encoder knows this language."
    )
    if strict and found.share > MAX_UNKNOWN_SHARE:
        raise InputError(f"{message} Give another --model")
    logger.warning("%s", message)
