"""Reader of sentences with entity tags in the formats of CoNLL-2002, CoNLL-2003 and WikiAnn (PAN-X)."""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clism_core.tasks.hub import HubSplit, alternatives, hub_rows
from clism_core.tasks.ner.tagging_schemes import PREFIXES, Scheme, find_scheme, invalid_transitions, to_bio
from clism_core.tasks.text_files import read_text, split_lines
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed, printable

logger = logging.getLogger(__name__)

_DOCUMENT = "-DOCSTART-"
_SPACES = re.compile("[ \t]+")  # no other white space: a no-break space may be a token
_TAB = re.compile("\t")
_LANGUAGE_PREFIX = re.compile("[a-z]{2,}(?:-[a-z]+)*:")
_TAG = re.compile(f"O|[{''.join(PREFIXES)}]-.+")

_OFFICIAL = {
    "conll2002": "esp.train, ned.train and so on",
    "conll2003": "eng.train, eng.testa and eng.testb",
}


class Sentence(NamedTuple):
    """A sentence with one tag per token; at least one token."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    """`B-TYPE` at the first token of an entity, `I-TYPE` at its other tokens, `O` elsewhere (IOB2, also called BIO)."""


@dataclass(frozen=True)
class TaggedFile:
    """Content of a file, with tags converted to BIO."""

    sentences: tuple[Sentence, ...]
    scheme: Scheme
    """Tagging scheme of the file."""
    repaired: int
    """Number of places at which the tags violate their scheme; they are read as conlleval reads them."""
    first_line: str = field(default="", compare=False)
    """Place, token and tag of the first token, for messages."""

    @property
    def entities(self) -> dict[str, int]:
        """Number of entities of each type, in alphabetical order of the types."""
        tags = (tag for sentence in self.sentences for tag in sentence.tags)
        return dict(sorted(Counter(tag[2:] for tag in tags if tag.startswith("B-")).items()))

    def warn_without_entities(self, place: str) -> None:
        """Warn if there are no entities, because the tags may be in another column; `place` names the file."""
        if not self.entities:
            logger.warning(
                "%s has no entities: all %d sentences have only the tag O. The columns taken for token and tag: %s",
                *(place, len(self.sentences), self.first_line),
            )


class _Line(NamedTuple):
    place: str
    token: str
    tag: str
    columns: tuple[int, int] | None = None
    """Numbers of the columns of token and tag in a file, from 1."""

    def __str__(self) -> str:
        token, tag = printable(self.token), printable(self.tag)
        if self.columns is None:
            return f"{self.place}: {token!r} and {tag!r}"
        first, last = self.columns
        return f"{self.place}: {token!r} in column {first} and {tag!r} in column {last}"


def read_tagged(source: str | HubSplit, *, encoding: str = "utf-8", types: Collection[str] | None = None) -> TaggedFile:
    """Return the sentences of a file or of a split on the hub; see `read_tagged_file` and `read_hub_tagged`."""
    if isinstance(source, HubSplit):
        return read_hub_tagged(source, types=types)
    return read_tagged_file(source, encoding=encoding, types=types)


def read_tagged_file(path: str, *, encoding: str = "utf-8", types: Collection[str] | None = None) -> TaggedFile:
    """Return the sentences of a file, local or s3://, with one token per line and an empty line after each sentence.

    Columns are separated by tabs if the first line has one, else by spaces; the first column is the token, the last
    one the tag, and the others are ignored. A `-DOCSTART-` line ends a sentence and is not part of one. The language
    codes before the tokens of raw PAN-X files (`en:Berlin`) are removed if every token has one. The tagging scheme,
    IOB1, IOB2 or BIOES, is detected. `types` are the allowed entity types; None allows any.

    Raises:
        InputError: if the file cannot be read, is not in `encoding` or has no sentences, or if a line has another
            number of columns than the first, no token, an invalid tag, or a type that is not among `types`.
    """
    blocks = list(_blocks(path, read_text(path, encoding=encoding)))
    if not blocks:
        raise InputError(f"{path} has no sentences; give a file with one token and its tag per line")
    _check_not_numbered(path, blocks)
    return _tagged(path, _without_languages(path, blocks), types)


def tagged_rows(
    name: str, rows: Iterable[tuple[Sequence[str], Sequence[str]]], *, types: Collection[str] | None = None
) -> TaggedFile:
    """Return the sentences of `rows` of tokens and tags, such as those on the Hugging Face Hub.

    Error messages refer to the table as `name`.

    Raises:
        InputError: if a row has no tokens, an empty token, a null, or another number of tags than tokens; and for
            invalid tags, as `read_tagged_file` does.
    """
    blocks = []
    for number, (tokens, tags) in enumerate(rows, start=1):
        if not tokens or len(tokens) != len(tags):
            raise InputError(
                f"{name}, row {number}: {len(tokens)} tokens and {len(tags)} tags; give each row at least one token, "
                "and one tag per token"
            )
        if not all(isinstance(token, str) and token for token in tokens):
            raise InputError(f"{name}, row {number}: a token is empty, null or no text; correct or remove the row")
        if not all(isinstance(tag, str) for tag in tags):
            raise InputError(f"{name}, row {number}: a tag is null or no text; correct or remove the row")
        blocks.append([_Line(f"row {number}", *pair) for pair in zip(tokens, tags, strict=True)])
    if not blocks:
        raise InputError(f"{name} has no sentences; give a data set with sentences")
    return _tagged(name, blocks, types)


def read_hub_tagged(
    data: HubSplit,
    *,
    tokens_column: str = "tokens",
    tags_column: str = "ner_tags",
    types: Collection[str] | None = None,
) -> TaggedFile:
    """Return the sentences of a split with lists of tokens and of tags; tags are strings or class labels.

    Raises:
        InputError: as `tagged_rows` and `hub_rows` do, and if the tags are numbers without names.
    """
    with hub_rows(data, columns=(tokens_column, tags_column), official=_OFFICIAL) as rows:
        pairs = (
            (row[tokens_column] or [], _tag_names(data, rows.features, tags_column, row[tags_column] or []))
            for row in rows
        )
        return tagged_rows(data.title, pairs, types=types)


def _tag_names(data: HubSplit, features: Any, column: str, tags: list[Any]) -> list[str]:
    """Return `tags` as strings; numbers become the names that the data set has for them."""
    names = getattr(getattr(features[column], "feature", None), "names", None)
    if names is None:
        if not all(tag is None or isinstance(tag, str) for tag in tags):
            raise InputError(
                f"{data.title}: column {column!r} is {features[column]}, but must be strings or class labels; "
                f"{alternatives(data, _OFFICIAL)}"
            )
        return tags
    if not all(tag in range(len(names)) for tag in tags):  # -1 marks a hidden tag
        raise InputError(
            f"{data.title}: tags are missing in column {column!r}, as in test sets with hidden labels; give a split "
            "that has tags"
        )
    return [names[tag] for tag in tags]


def _tagged(path: str, blocks: list[list[_Line]], types: Collection[str] | None) -> TaggedFile:
    _check_tags(path, blocks, types)
    original = [[line.tag for line in block] for block in blocks]
    scheme = find_scheme(original)
    sentences = tuple(
        Sentence(tuple(line.token for line in block), to_bio(tags))
        for block, tags in zip(blocks, original, strict=True)
    )
    repaired = sum(invalid_transitions(tags, scheme) for tags in original)
    return TaggedFile(sentences, scheme, repaired, str(blocks[0][0]))


def _blocks(path: str, text: str) -> Iterator[list[_Line]]:
    """Yield the lines of each sentence."""
    block: list[_Line] = []
    separator, columns = _SPACES, 0
    for number, line in enumerate(split_lines(path, text), start=1):
        stripped = line.strip(" \t")
        if not stripped or stripped.startswith(_DOCUMENT):
            if block:
                yield block
                block = []
            continue
        if columns == 0 and "\t" in stripped:
            separator = _TAB
        fields = separator.split(line.rstrip(" ") if separator is _TAB else stripped)
        columns = columns or len(fields)
        if len(fields) != columns or columns == 1:
            expected = "two or more" if columns == 1 else f"{columns}, as on the first line"
            raise InputError(
                f"{path}, line {number}: the number of columns is {len(fields)} instead of {expected}; put the token "
                "first and its tag last on each line, with tabs or spaces between all columns"
            )
        if not fields[0]:
            raise InputError(f"{path}, line {number}: a tag without a token; remove the line, or add the token")
        block.append(_Line(f"line {number}", fields[0], fields[-1], (1, columns)))
    if block:
        yield block


def _check_tags(path: str, blocks: list[list[_Line]], types: Collection[str] | None) -> None:
    for line in itertools.chain.from_iterable(blocks):
        if not _TAG.fullmatch(line.tag):
            raise InputError(
                f"{path}, {line.place}: {printable(line.tag)!r} is not a valid tag; give O, or B, I, E or S with a "
                "type, such as B-PER, in the last column"
            )
        if types is not None and line.tag != "O" and line.tag[2:] not in types:
            raise InputError(
                f"{path}, {line.place}: type {printable(line.tag[2:])!r} is not among {listed(types)}; "
                "rename it, replace its tags with O, or add it to --ner.types"
            )


def _check_not_numbered(path: str, blocks: list[list[_Line]]) -> None:
    """Raise `InputError` if the first column numbers the tokens of each sentence, as in WikiNEuRal and CoNLL-U."""
    for first in (0, 1):
        if len(blocks) > 1 and all(
            line.token == str(number) for block in blocks for number, line in enumerate(block, start=first)
        ):
            raise InputError(
                f"{path}: the first column numbers the tokens of each sentence; remove it, so that the tokens are first"
            )


def _without_languages(path: str, blocks: list[list[_Line]]) -> list[list[_Line]]:
    """Return `blocks` without language prefixes if all tokens have one: `en:Berlin` becomes `Berlin`."""
    lines = list(itertools.chain.from_iterable(blocks))
    unprefixed = [line for line in lines if not _LANGUAGE_PREFIX.match(line.token)]
    if len(unprefixed) > len(lines) // 2:  # a few tokens may look prefixed by chance
        return blocks
    if unprefixed:
        raise InputError(
            f"{path}, {unprefixed[0].place}: token {printable(unprefixed[0].token)!r} has no language prefix such as "
            "en:, which most others have; add it to all tokens of the file or to none"
        )
    stripped = [
        [line._replace(token=_LANGUAGE_PREFIX.sub("", line.token, count=1)) for line in block] for block in blocks
    ]
    empty = next((line.place for block in stripped for line in block if not line.token), None)
    if empty is not None:
        raise InputError(f"{path}, {empty}: a language prefix without a token; remove the line, or add the token")
    return stripped
