import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_files import compress, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clism_core.preparation.corpus import lines as module
from clism_core.preparation.corpus.lines import Counted, lines, zip_counted
from clism_core.utils.errors import InputError

LONGEST = 8


def expected_lines(content: bytes) -> list[str | None]:
    """Split `content` the simple way: all at once, and each line decoded by itself."""
    cut = content.split(b"\n")
    if cut[-1] == b"":
        cut.pop()
    found = [None if len(line) > LONGEST else line.decode("utf-8", "replace") for line in cut]
    if found and found[0] is not None:
        found[0] = found[0].removeprefix("\ufeff")
    return found


@given(
    pieces=st.lists(
        st.one_of(
            st.sampled_from([b"\n", b"\r\n", b"\t", b"\xef\xbb\xbf", "ä".encode(), "語".encode(), b"\xe8\xaa"]),
            st.binary(max_size=12),
        ),
        max_size=30,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_split_lines_like_the_whole_file(
    pieces: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", LONGEST)
    content = b"".join(pieces)
    path = write(tmp_path / "c.txt", content)
    assert list(lines(str(path))) == expected_lines(content)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("limit", [None, 0, 3, 10])
def test_lines_beyond_the_limit_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, limit: int | None
) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 2)  # one line a block
    path = write(tmp_path / f"c{suffix}", b"1\n2\n\n4")
    found = Counted(lines(str(path), limit))
    assert list(found) == ["1", "2", "", "4"][:limit]
    assert found.total == 4


def test_long_line_does_not_take_memory(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    path.write_bytes(gzip.compress(b"one\n" + b"x" * (40 << 20) + b"\ntwo\n", compresslevel=1))
    tracemalloc.start()
    assert list(lines(str(path))) == ["one", None, "two"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-5], id="truncated"),
        pytest.param(lambda _: b"one\teins\n" * 100, id="not-compressed"),
    ],
)
def test_damaged_files(tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"c{suffix}"
    path.write_bytes(damage(compress(b"one\teins\n" * 1000, suffix)))
    with pytest.raises(InputError, match=rf"c{suffix} cannot be read"):
        list(lines(str(path)))


@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("longer", ["one", "other"])
def test_unequal_lengths_are_an_error_even_beyond_the_limit(tmp_path: Path, limit: int | None, longer: str) -> None:
    counts = {"one": 2, "other": 2} | {longer: 3}
    paths = {name: str(write(tmp_path / name, b"x\n" * count)) for name, count in counts.items()}
    one, other = (Counted(lines(paths[name], limit)) for name in ("one", "other"))
    with pytest.raises(InputError, match=rf"has 2 sentences, .*{longer} has more"):
        list(zip_counted(one, other, path=paths["one"], other_path=paths["other"]))
