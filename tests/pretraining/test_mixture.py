import json
from pathlib import Path

import pytest
from tiny import write_prepared

from clism_core.pretraining.mixture import DataSetConfig, mixture_problems, open_data_sets
from clism_core.utils.errors import InputError


def prepare(folder: Path, **changes: object) -> str:
    """Write prepared data whose manifest is its own, and has the `changes`."""
    write_prepared(folder, samples=2, languages=("de",))
    file = folder / "manifest.json"
    own = {"content": folder.name * 16, "fingerprint": f"of {folder.name}"}
    file.write_text(json.dumps(json.loads(file.read_text()) | own | changes))
    return str(folder)


def entries(*folders: str) -> list[DataSetConfig]:
    return [DataSetConfig(path=folder, weight=number + 1) for number, folder in enumerate(folders)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param([], "--data: no data set; give", id="none"),
        pytest.param([DataSetConfig("/x/a"), DataSetConfig("/x/./a/")], "--data: /x/a is given 2 times", id="twice"),
        pytest.param([DataSetConfig("s3://x/a"), DataSetConfig("s3://x/a/")], "--data: s3://x/a is given 2", id="s3"),
    ],
)
def test_invalid_mixture(data: list[DataSetConfig], message: str) -> None:
    (problem,) = mixture_problems(data)
    assert problem.startswith(message)


def test_valid_mixture() -> None:
    assert not list(mixture_problems([DataSetConfig("a", 0.1), DataSetConfig("b", 1e6)]))


def test_order_of_data_sets_does_not_matter(tmp_path: Path) -> None:
    first, second = entries(prepare(tmp_path / "feed"), prepare(tmp_path / "cafe"))
    opened = open_data_sets([first, second])
    assert opened == open_data_sets([second, first])
    assert [(data_set.folder, data_set.weight, data_set.id_prefix) for data_set in opened] == [
        (second.path, 2, "cafecafecafe/"),
        (first.path, 1, "feedfeedfeed/"),
    ]


def test_single_data_set_keeps_its_ids(tmp_path: Path) -> None:
    (opened,) = open_data_sets(entries(prepare(tmp_path / "feed")))
    assert opened.id_prefix == ""


def test_data_set_without_samples_is_an_input_error(tmp_path: Path) -> None:
    full, empty = prepare(tmp_path / "full"), prepare(tmp_path / "empty", samples=0)
    with pytest.raises(InputError, match=f"--data {empty}: contains no samples"):
        open_data_sets(entries(full, empty))


@pytest.mark.parametrize("same", ["content", "fingerprint"])
def test_same_data_in_two_folders_is_an_input_error(tmp_path: Path, same: str) -> None:
    first = prepare(tmp_path / "first")
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text())
    second = prepare(tmp_path / "second", **{same: manifest[same]})
    with pytest.raises(InputError, match=f"--data: {first} and {second} contain the same data"):
        open_data_sets(entries(first, second))


def test_data_of_an_incompatible_version_is_an_input_error(tmp_path: Path) -> None:
    good, old = prepare(tmp_path / "good"), prepare(tmp_path / "old")
    file = tmp_path / "old" / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["content"]
    file.write_text(json.dumps(manifest))
    with pytest.raises(
        InputError,
        match=rf"--data {old}: incompatible manifest\.json, .* another version of this project: missing content",
    ):
        open_data_sets(entries(good, old))
