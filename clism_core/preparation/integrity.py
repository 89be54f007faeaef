"""Comparison of the files of prepared data with its manifest, without reading rows."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from clism_core.preparation.manifest import MANIFEST, SAMPLES, ListedFile, Manifest
from clism_core.utils import storage
from clism_core.utils.arrow import parquet_file
from clism_core.utils.errors import InputError

_READERS = 16
"""Number of files opened concurrently: each takes two requests to an object store."""
_SHOWN = 20
"""Number of files that an error names."""
REMEDY = "restore the files from a copy, or prepare the data again, in another folder"


def check_samples(folder: str, manifest: Manifest) -> None:
    """Compare the files of samples with the manifest, by name, size and number of rows; only footers are read.

    Manifests of earlier versions do not list the files: only the total number of samples is compared.

    Raises:
        InputError: with the files that are missing, added, truncated or changed.
    """
    sizes = parquet_sizes(folder, SAMPLES)
    if "files" in manifest:
        files = {name: file for name, file in manifest["files"].items() if name.startswith(f"{SAMPLES}/")}
        problems = [*listing_problems(sizes, files)]
        rows = {} if problems else _row_counts(folder, sizes)
        problems += [
            f"{name} has {count:,} rows instead of {files[name]['rows']:,}"
            for name, count in rows.items()
            if count != files[name]["rows"]
        ]
    elif (total := sum(_row_counts(folder, sizes).values())) != manifest["samples"]:
        problems = [
            f"its {len(sizes):,} files have {total:,} samples instead of {manifest['samples']:,}: files are missing, "
            "added or changed (an earlier version wrote this manifest, which does not list them)"
        ]
    else:
        problems = []
    if problems:
        raise InputError(f"{folder} differs from its {MANIFEST}: {'; '.join(_shown(problems))}; {REMEDY}")


def parquet_sizes(folder: str, part: str) -> dict[str, int]:
    """Return the size of each Parquet file in a part of prepared data, by path relative to the folder."""
    sizes = storage.file_sizes(storage.join(folder, part))
    return {f"{part}/{name}": size for name, size in sizes.items() if name.endswith(".parquet")}


def listing_problems(sizes: Mapping[str, int], expected: Mapping[str, ListedFile]) -> Iterator[str]:
    """Yield the differences between files, given by name and size, and those that a manifest lists."""
    for name, file in expected.items():
        if name not in sizes:
            yield f"{name} is missing"
        elif sizes[name] != file["bytes"]:
            yield f"{name} has {sizes[name]:,} bytes instead of {file['bytes']:,}"
    yield from (f"{name} is not among the files of the preparation" for name in sizes if name not in expected)


def _row_counts(folder: str, names: Iterable[str]) -> dict[str, int]:
    with ThreadPoolExecutor(_READERS) as readers:
        return dict(readers.map(lambda name: (name, _row_count(storage.join(folder, name))), names))


def _row_count(path: str) -> int:
    with parquet_file(path) as file:
        return int(file.metadata.num_rows)


def _shown(problems: list[str]) -> list[str]:
    shown = problems[:_SHOWN]
    return shown if len(shown) == len(problems) else [*shown, f"and {len(problems) - len(shown):,} more files"]
