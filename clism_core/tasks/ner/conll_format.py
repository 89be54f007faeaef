"""Sentences with entity tags: the files of CoNLL-2002 and 2003, and WikiAnn's (PAN-X)."""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from clism_core.tasks.hub import HubSplit, alternatives, hub_rows
from clism_core.tasks.ner.tagging_schemes import PREFIXES, Scheme, find_scheme, invalid_transitions, to_bio
from clism_core.tasks.text_files import read_text
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed, printable

_DOCUMENT = "-DOCSTART-"
_SPACES = re.compile("[ \t]+")  # and no other white space: a no-break space may be a token
_TAB = re.compile("\t")
_LANGUAGE_PREFIX = re.compile("[a-z]{2,}(?:-[a-z]+)*:")
_TAG = re.compile(f"O|[{''.join(PREFIXES)}]-.+")

_OFFICIAL = {
    "conll2002": "esp.train, ned.train and their like",
    "conll2003": "eng.train, eng.testa and eng.testb",
}


class Sentence(NamedTuple):
    """A sentence, as many tags as tokens; at least one of each."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    """`O`, `B-TYPE` at the first token of an entity, `I-TYPE` at its others (IOB2, also called BIO)."""


@dataclass(frozen=True)
class TaggedFile:
    """What a file holds, its tags converted to BIO."""

    sentences: tuple[Sentence, ...]
    scheme: Scheme
    """The scheme in which the file has its tags."""
    repaired: int
    """Places at which tags of the file break their scheme; they are read as conlleval reads them."""

    @property
    def entities(self) -> dict[str, int]:
        """The number of entities of each type, by its name in alphabetical order."""
        tags = (tag for sentence in self.sentences for tag in sentence.tags)
        return dict(sorted(Counter(tag[2:] for tag in tags if tag.startswith("B-")).items()))


class _Line(NamedTuple):
    place: str
    token: str
    tag: str


def read_tagged(source: str | HubSplit, *, encoding: str = "utf-8", types: Collection[str] | None = None) -> TaggedFile:
    """Return the sentences of a file or of a split of the hub, as `read_tagged_file` and `read_hub_tagged` do."""
    if isinstance(source, HubSplit):
        return read_hub_tagged(source, types=types)
    return read_tagged_file(source, encoding=encoding, types=types)


def read_tagged_file(path: str, *, encoding: str = "utf-8", types: Collection[str] | None = None) -> TaggedFile:
    """Return the sentences of a file, local or s3://, that has a token a line and an empty line after each sentence.

    Columns are cut at tabs where the first line has one, at spaces where not; the first is the token, the last the
    tag, and what is between them is not used. `-DOCSTART-` lines end a sentence and are none themselves. The language
    codes before the tokens of raw PAN-X files (`en:Berlin`) are taken off where every token has one. Tags are IOB1,
    IOB2 or BIOES, found by what the file has. `types` are the types of entity that may occur, None for any.

    Raises `InputError` where the file cannot be read or is not in `encoding`, a line has another number of columns
    than the first, no token, or a tag that is none, a type is not among `types`, or there are no sentences.
    """
    blocks = list(_blocks(path, read_text(path, encoding=encoding)))
    if not blocks:
        raise InputError(f"{path} has no sentences; give a file with a token and its tag on each line")
    return _tagged(path, _without_languages(path, blocks), types)


def tagged_rows(
    name: str, rows: Iterable[tuple[Sequence[str], Sequence[str]]], *, types: Collection[str] | None = None
) -> TaggedFile:
    """Return the sentences of `rows`, each its tokens and its tags, such as those of the Hugging Face Hub.

    `name` is what errors call the table. Raises `InputError` where a row has no tokens, an empty one, or not as many
    tags, and for tags as `read_tagged_file` does.
    """
    blocks = []
    for number, (tokens, tags) in enumerate(rows, start=1):
        if not tokens or len(tokens) != len(tags):
            raise InputError(
                f"{name}, row {number}: {len(tokens)} tokens and {len(tags)} tags; give each row one token or more, "
                "and as many tags"
            )
        if not all(tokens):
            raise InputError(f"{name}, row {number}: a token is empty or null; give its text, or leave out the row")
        blocks.append([_Line(f"row {number}", *pair) for pair in zip(tokens, tags, strict=True)])
    if not blocks:
        raise InputError(f"{name} has no sentences; give a data set that has")
    return _tagged(name, blocks, types)


def read_hub_tagged(
    data: HubSplit,
    *,
    tokens_column: str = "tokens",
    tags_column: str = "ner_tags",
    types: Collection[str] | None = None,
) -> TaggedFile:
    """Return the sentences of a split that has tokens and tags as lists; tags are texts, or numbers that it names.

    Raises `InputError` as `tagged_rows` and `hub_rows` do, and where it does not name its numbers.
    """
    with hub_rows(data, columns=(tokens_column, tags_column), official=_OFFICIAL) as rows:
        pairs = (
            (row[tokens_column] or [], _tag_names(data, rows.features, tags_column, row[tags_column] or []))
            for row in rows
        )
        return tagged_rows(data.title, pairs, types=types)


def _tag_names(data: HubSplit, features: Any, column: str, tags: list[Any]) -> list[str]:
    """Return `tags` as texts; those that are numbers by the names that the data set has for them."""
    names = getattr(getattr(features[column], "feature", None), "names", None)
    if names is None:
        if not all(isinstance(tag, str) for tag in tags):
            raise InputError(
                f"{data.title}: the column {column!r} is {features[column]}, not texts or numbers with names; "
                f"{alternatives(data, _OFFICIAL)}"
            )
        return tags
    if not all(tag in range(len(names)) for tag in tags):  # -1 stands for a tag that is kept secret
        raise InputError(
            f"{data.title}: the column {column!r} lacks tags, as test sets do whose answers are secret; give a split "
            "that has them"
        )
    return [names[tag] for tag in tags]


def _tagged(path: str, blocks: list[list[_Line]], types: Collection[str] | None) -> TaggedFile:
    _check_tags(path, blocks, types)
    given = [[line.tag for line in block] for block in blocks]
    scheme = find_scheme(given)
    sentences = tuple(
        Sentence(tuple(line.token for line in block), to_bio(tags)) for block, tags in zip(blocks, given, strict=True)
    )
    return TaggedFile(sentences, scheme, sum(invalid_transitions(tags, scheme) for tags in given))


def _blocks(path: str, text: str) -> Iterator[list[_Line]]:
    """Yield the lines of each sentence. They end at "\\n", with or without a "\\r" before it."""
    block: list[_Line] = []
    cut, columns = _SPACES, 0
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(" \t\r")
        if not stripped or stripped.startswith(_DOCUMENT):
            if block:
                yield block
                block = []
            continue
        if columns == 0 and "\t" in stripped:
            cut = _TAB
        fields = cut.split(line.rstrip(" \r") if cut is _TAB else stripped)
        columns = columns or len(fields)
        if len(fields) != columns or columns == 1:
            wanted = "two or more" if columns == 1 else f"{columns}, as on the first line"
            raise InputError(
                f"{path}, line {number}: the number of columns is {len(fields)} instead of {wanted}; put a token first "
                "and its tag last on each line, with tabs or spaces between all columns"
            )
        if not fields[0]:
            raise InputError(f"{path}, line {number}: a tag without a token; take out the line, or give its token")
        block.append(_Line(f"line {number}", fields[0], fields[-1]))
    if block:
        yield block


def _check_tags(path: str, blocks: list[list[_Line]], types: Collection[str] | None) -> None:
    for line in itertools.chain.from_iterable(blocks):
        if not _TAG.fullmatch(line.tag):
            raise InputError(
                f"{path}, {line.place}: {printable(line.tag)!r} is no tag; give O, or "
                "B, I, E or S with a type, such as B-PER, in the last column"
            )
        if types is not None and line.tag != "O" and line.tag[2:] not in types:
            raise InputError(
                f"{path}, {line.place}: the type {printable(line.tag[2:])!r} is not among {listed(types)}; "
                "rename it, make its tags O, or add it to --ner.types"
            )


def _without_languages(path: str, blocks: list[list[_Line]]) -> list[list[_Line]]:
    """Return `blocks` without the language codes that stand before all tokens, or none: `en:Berlin` is `Berlin`."""
    lines = list(itertools.chain.from_iterable(blocks))
    bare = [line for line in lines if not _LANGUAGE_PREFIX.match(line.token)]
    if len(bare) > len(lines) // 2:  # that a token looks so now and then is no more than chance
        return blocks
    if bare:
        raise InputError(
            f"{path}, {bare[0].place}: the token {printable(bare[0].token)!r} has no language before it, such as "
            "en:, which most others have; give it to all tokens of the file or to none"
        )
    stripped = [
        [line._replace(token=_LANGUAGE_PREFIX.sub("", line.token, count=1)) for line in block] for block in blocks
    ]
    empty = next((line.place for block in stripped for line in block if not line.token), None)
    if empty is not None:
        raise InputError(f"{path}, {empty}: a language without a token; take out the line, or give its token")
    return stripped
