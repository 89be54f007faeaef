"""Parallel corpora as files: tab-separated, or two files of parallel lines (Moses); plain or gzip.

Lines end at "\\n" only, and are numbered from 1, a header included.
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import pyarrow as pa

from clism_core import storage
from clism_core.data.schema import Reason
from clism_core.errors import InputError

_A = TypeVar("_A")
_B = TypeVar("_B")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass
class CorpusConfig:
    """One parallel corpus."""

    path: str
    """The file, or the file of source sentences of a Moses pair; gzip where it ends in .gz; local or s3://."""
    source_lang: str
    """Language code of the source, such as en."""
    target_lang: str
    """Language code of the target, such as ar."""
    format: Literal["tsv", "moses"] = "tsv"
    """`tsv`: a pair a line, columns cut at tabs, no quoting. `moses`: two files, line i of one translates line i of the
    other."""
    target_path: str | None = None
    """The file of target sentences of a Moses pair."""
    source_column: int | str = 1
    """Column of the source: its number, from 1, or its name in the header."""
    target_column: int | str = 2
    """Column of the target: its number, from 1, or its name in the header."""
    origin_column: int | str | None = None
    """Column that says where a pair comes from, passed on as `origin`; None where there is none."""
    header: bool = False
    """Whether the first line of a TSV file names the columns."""
    max_pairs: int | None = None
    """Read so many pairs from the top of the file; the rest is only counted. None reads all."""
    alignment_path: str | None = None
    """Word alignments in Pharaoh format (`0-0 1-2`), line i for pair i of the corpus (a header is no pair), of words as
    white space cuts them. Read by the aligner `pharaoh`."""

    @property
    def pair(self) -> str:
        """The language pair, such as en-ar."""
        return f"{self.source_lang}-{self.target_lang}"


class RawRow(NamedTuple):
    """A row of a corpus as it stands there; bytes that are not UTF-8 have become U+FFFD."""

    path: str
    """The file in which it stands."""
    line: int
    """Its number there, from 1."""
    source: str | None = None
    target: str | None = None
    origin: str | None = None
    alignment: str | None = None
    """The given links, as `0-0 1-2`."""
    reason: Reason | None = None
    """Why the reader could make nothing of it; the texts may then be None."""


@dataclass(frozen=True)
class _Layout:
    """Where a TSV file's fields stand: places from 0, and how many columns a line has."""

    columns: int
    source: int
    target: int
    origin: int | None


def check_corpus(config: CorpusConfig) -> None:
    """Raise `InputError` where the corpus cannot be read, as far as its first line tells."""
    where = f"corpora: {config.path}"
    for name in ("source_lang", "target_lang"):
        if not getattr(config, name).replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{where}: {name} is {getattr(config, name)!r}; give a language code such as en or pt-BR")
    if config.source_lang == config.target_lang:
        raise InputError(f"{where}: source_lang and target_lang are both {config.source_lang!r}")
    if config.max_pairs is not None and config.max_pairs < 1:
        raise InputError(f"{where}: max_pairs is {config.max_pairs}; give 1 or more, or null for all")
    if config.format == "moses" and config.target_path is None:
        raise InputError(f"{where}: format is moses, which wants target_path, the file of the other language")
    if config.format == "tsv" and config.target_path is not None:
        raise InputError(f"{where}: target_path is given, but format is tsv; did you mean moses?")
    if config.format == "moses":
        for name in ("header", "origin_column", "source_column", "target_column"):
            if getattr(config, name) != getattr(CorpusConfig, name):
                raise InputError(f"{where}: {name} is given, but format is moses, whose files have no columns")
    for path in input_paths(config):
        if next(_lines(path), None) is None:
            raise InputError(f"corpora: {path} is empty")
    if config.format == "tsv":
        _layout(config, next(_lines(config.path)))


def input_paths(config: CorpusConfig) -> list[str]:
    """Return the files of the corpus."""
    return [path for path in (config.path, config.target_path, config.alignment_path) if path is not None]


def read_rows(config: CorpusConfig) -> Iterator[RawRow]:
    """Yield all rows of the corpus, those beyond `max_pairs` too.

    Raises `InputError` where a file cannot be read to its end or files that belong together differ in length.
    """
    rows = _read_tsv(config) if config.format == "tsv" else _read_moses(config)
    if config.alignment_path is None:
        yield from rows
        return
    for row, alignment in _parallel(rows, _lines(config.alignment_path), config.path, config.alignment_path):
        yield row._replace(alignment=_decode(alignment))


def _read_tsv(config: CorpusConfig) -> Iterator[RawRow]:
    lines = _lines(config.path)
    first = next(lines)
    layout = _layout(config, first)
    if not config.header:
        lines = itertools.chain([first], lines)
    for number, line in enumerate(lines, start=2 if config.header else 1):
        fields = line.split(b"\t")
        if len(fields) != layout.columns:
            yield RawRow(config.path, number, reason=Reason.WRONG_COLUMN_COUNT)
            continue
        texts = [_decode(fields[place]) for place in (layout.source, layout.target)]
        origin = None if layout.origin is None else _decode(fields[layout.origin])
        yield RawRow(config.path, number, *texts, origin)


def _read_moses(config: CorpusConfig) -> Iterator[RawRow]:
    assert config.target_path is not None
    pairs = _parallel(_lines(config.path), _lines(config.target_path), config.path, config.target_path)
    for number, (source, target) in enumerate(pairs, start=1):
        yield RawRow(config.path, number, _decode(source), _decode(target))


def _parallel(one: Iterator[_A], other: Iterator[_B], path: str, other_path: str) -> Iterator[tuple[_A, _B]]:
    """Yield the items of both side by side; raises `InputError` where one ends before the other."""
    for number, (left, right) in enumerate(itertools.zip_longest(one, other), start=1):
        if left is None or right is None:
            shorter, longer = (path, other_path) if left is None else (other_path, path)
            raise InputError(
                f"corpora: {shorter} has {number - 1} sentences, {longer} more; line i of one belongs to line i of "
                "the other, so give files of equal length"
            )
        yield left, right


def _layout(config: CorpusConfig, first_line: bytes) -> _Layout:
    """Return where the columns that `config` names stand in a file that begins with `first_line`."""
    names = [field.strip().decode("utf-8", "replace") for field in first_line.split(b"\t")]

    def place(field: str) -> int:
        column: int | str = getattr(config, field)
        where = f"corpora: {config.path}: {field} is {column!r}"
        if isinstance(column, str):
            if not config.header:
                raise InputError(f"{where}, a name, but header is false; give a number, or header: true")
            if column not in names:
                raise InputError(f"{where}, but the header has {', '.join(names)}")
            return names.index(column)
        if not 1 <= column <= len(names):
            raise InputError(f"{where}, but the first line has {len(names)} tab-separated columns")
        return column - 1

    origin = None if config.origin_column is None else place("origin_column")
    return _Layout(columns=len(names), source=place("source_column"), target=place("target_column"), origin=origin)


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _lines(path: str) -> Iterator[bytes]:
    """Yield the lines of a file without their "\\n", and without a byte order mark."""
    try:
        store, inner = storage.filesystem(path)
        with store.open_input_stream(inner, compression="gzip" if path.endswith(".gz") else None) as stream:
            lines = io.BufferedReader(stream)
            yield from (line.removeprefix(_BYTE_ORDER_MARK).removesuffix(b"\n") for line in itertools.islice(lines, 1))
            yield from (line.removesuffix(b"\n") for line in lines)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"corpora: {path} cannot be read: {error}") from error
