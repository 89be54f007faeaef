"""Streams of bytes and lines, plain or compressed, with memory bounded for any size of file or line."""

import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, Generic, Literal, TypeVar

from clism_core.utils.compressed import Compression, compression_of_name, open_decompressed
from clism_core.utils.encodings import utf8_chunks
from clism_core.utils.errors import InputError

MAX_TEXT = 1 << 20
"""Maximum size of a line in bytes, and of the text of a unit or cell. Longer ones become rows without texts, with the
reason `too_long`. Files are read in blocks of this size, so that a line within one block is never too long."""

_T = TypeVar("_T")
_A = TypeVar("_A")
_B = TypeVar("_B")


class _Gap:
    """Placeholder for the missing items of the shorter of two sequences."""


_GAP = _Gap()


class Counted(Generic[_T]):
    """Iterable over a generator that returns a total count, which may exceed the number of items that it yields.

    `total` is that count once all items have been consumed, None before.
    """

    def __init__(self, items: Generator[_T, None, int]) -> None:
        self._items = items
        self.total: int | None = None

    def __iter__(self) -> Iterator[_T]:
        self.total = yield from self._items


def remaining(limit: int | None, taken: int) -> int | None:
    """Return how many more items may be taken; None if there is no limit."""
    return None if limit is None else max(0, limit - taken)


@contextmanager
def open_stream(path: str, *, compression: Compression | Literal["by name"] | None = "by name") -> Iterator[IO[bytes]]:
    """Open a file as a stream of bytes, by default decompressed according to its extension.

    Raises `InputError` if the file cannot be opened or, later, read to its end.
    """
    if compression == "by name":
        compression = compression_of_name(path)
    try:
        with open_decompressed(path, compression) as stream:
            yield stream
    except (OSError, UnicodeError) as error:
        raise InputError(f"corpora: {path} cannot be read: {error}") from error


def line_blocks(path: str, encoding: str = "utf-8") -> Iterator[list[str | None]]:
    """Yield the lines of a file in blocks, without "\\n" and without a byte order mark.

    Lines end at "\\n" only. A line of more than `MAX_TEXT` bytes is None. Raises `InputError` like `open_stream`.
    """
    start = True
    for block in _blocks(path, encoding):
        if start and block[0] is not None:
            block[0] = block[0].removeprefix("\ufeff")
        start = False
        yield block


def _blocks(path: str, encoding: str) -> Iterator[list[str | None]]:
    rest = b""  # start of a line that continues in the next block
    overlong = False  # whether that line is too long, and its start has been dropped
    with open_stream(path) as stream:
        for chunk in utf8_chunks(stream, encoding, size=MAX_TEXT):
            body, newline, tail = chunk.rpartition(b"\n")
            if not newline:
                overlong = overlong or len(rest) + len(chunk) > MAX_TEXT
                rest = b"" if overlong else rest + chunk
                continue
            end = body.find(b"\n") if b"\n" in body else len(body)
            if overlong or len(rest) + end > MAX_TEXT:
                yield [None, *(_decode(body[end + 1 :]).split("\n") if end < len(body) else ())]
            else:
                lines: list[str | None] = [*_decode(rest + body).split("\n")]
                yield lines
            rest, overlong = tail, False
    if overlong:
        yield [None]
    elif rest:
        yield [_decode(rest)]


def lines(path: str, limit: int | None = None, *, encoding: str = "utf-8") -> Generator[str | None, None, int]:
    """Yield the first `limit` lines of a file, like `line_blocks`, and return its number of lines."""
    total = 0
    for block in line_blocks(path, encoding):
        yield from block[: remaining(limit, total)]
        total += len(block)
    return total


def zip_counted(
    one: Counted[_A], other: Counted[_B], *, path: str, other_path: str
) -> Generator[tuple[_A, _B], None, int]:
    """Yield pairs of items and return the total number of pairs.

    Raises `InputError` if the totals differ.
    """
    for left, right in itertools.zip_longest(one, other, fillvalue=_GAP):
        if isinstance(left, _Gap) or isinstance(right, _Gap):
            raise _unequal(one.total, other.total, path, other_path)
        yield left, right
    if one.total != other.total:
        raise _unequal(one.total, other.total, path, other_path)
    assert one.total is not None
    return one.total


def _unequal(total: int | None, other_total: int | None, path: str, other_path: str) -> InputError:
    # The longer one may not have been read to its end; then it has no total.
    is_shorter = other_total is None or (total is not None and total < other_total)
    shorter, count, longer = (path, total, other_path) if is_shorter else (other_path, other_total, path)
    return InputError(
        f"corpora: number of lines differs: {shorter} has {count} sentences, {longer} has more; line i of one file "
        "belongs to line i of the other, so give files of equal length"
    )


def _decode(text: bytes) -> str:
    # U+FFFD replaces invalid bytes only: a "\n" or "\t" after a broken sequence is kept.
    return text.decode("utf-8", "replace")
