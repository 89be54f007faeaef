"""Staging store: parts are shared between processes, and discarded if a dependency has changed."""

import pickle

import pytest

from clism_core.utils import storage
from clism_core.utils.errors import InputError
from clism_core.utils.staging_store import StagingStore


def store(root: str, **changed: str) -> StagingStore:
    return StagingStore(root, {"the model": "11", "the input": "22", "the format": "33"} | changed)


def test_parts_of_a_process_are_read_by_others(root: str) -> None:
    driver = store(root)
    driver.open()
    other: StagingStore = pickle.loads(pickle.dumps(driver))
    other.check_opened()
    for name in ("b", "a", "b"):
        other.write(name.encode(), "parts", f"{name}.bin")
    other.write_json({"rows": 1}, "counts", "a.json")
    storage.write_bytes(driver.path("parts", ".c.bin.0123"), b"")  # by a process that was killed while writing
    driver.open()
    assert driver.names("parts") == {"a", "b"}
    assert driver.names("none") == set()
    assert list(driver.read_all("parts", ["b.bin", "a.bin", "b.bin"], at_once=2)) == [b"b", b"a", b"b"]
    assert driver.read_json("counts", "a.json") == {"rows": 1}
    assert driver.read_json("counts", "b.json") is None
    driver.delete()
    assert storage.list_files(root) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"the model": "44"}, "the model", id="one"),
        pytest.param({"the model": "44", "the input": "44"}, "the model and the input", id="two"),
        pytest.param({"the model": "44", "the format": "44"}, "the format", id="another-version"),
    ],
)
def test_parts_with_another_key_are_discarded(
    root: str, changed: dict[str, str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = store(root), store(root, **changed)
    before.open()
    before.write(b"", "parts", "a.bin")
    assert after.names("parts") == set()
    after.open()
    assert f"unfinished work in {root} is discarded" in caplog.text
    assert f": {message} changed since" in caplog.text
    assert storage.list_files(root) == [after.path("opened")]
    with pytest.raises(InputError, match="another job has deleted it"):
        before.check_opened()


def test_parts_of_another_version_are_discarded(root: str, caplog: pytest.LogCaptureFixture) -> None:
    storage.write_bytes(storage.join(root, "0123456789abcdef", "a.arrow"), b"")  # a key of one digest
    store(root).open()
    assert "the format changed since" in caplog.text
    assert not storage.exists(storage.join(root, "0123456789abcdef", "a.arrow"))


def test_store_that_is_not_visible_on_a_node_is_an_input_error(root: str) -> None:
    with pytest.raises(InputError, match="is not visible on all nodes"):
        store(root).check_opened()
