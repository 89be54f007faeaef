"""Data sets of the Hugging Face Hub, streamed by the library `datasets`, an optional extra."""

import itertools
import re
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clism_core import storage
from clism_core.data.corpus.columns import ROWS_PER_BATCH, check_schema, read_batches
from clism_core.data.corpus.config import CorpusConfig, RawRow
from clism_core.data.hub import CONVERTED, explained, load_library
from clism_core.data.manifest import folder_digest
from clism_core.data.printable import listed
from clism_core.errors import InputError

_COMMIT = re.compile("[0-9a-f]{40}")


def title(config: CorpusConfig) -> str:
    """Return the name, subset and split of a data set as one."""
    return "/".join(part for part in (config.path, config.subset, config.split) if part is not None)


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a data set; return how many it has. `path` is its title.

    The rows beyond `limit` are not downloaded: the files say how many they are. Raises `InputError` where `datasets` is
    missing, where the data set cannot be reached or is not Parquet, or has no such subset, split or column.
    """
    with _explained(path):
        builder = _builder(config)
        files = builder.config.data_files
        if config.split not in files:
            raise InputError(f"corpora: {path}: split is {config.split!r}, but the data set has {listed(files)}")
        dataset = builder.as_streaming_dataset(split=config.split).with_format("arrow")
        rows = read_batches(_tables(dataset, config, path), config, path=path)
        count = 0
        for row in itertools.islice(rows, limit):
            yield row
            count += 1
        return count if limit is None or count < limit else sum(map(_row_count, files[config.split]))


def identity(config: CorpusConfig) -> dict[str, str]:
    """Return what tells the state of a data set from another: its name, subset, split, and commit as `revision`.

    A config with this revision reads the same rows for ever. Of a local folder, a hash of the contents takes the place
    of the commit. Raises `InputError` where the hub is to say which commit it is, and does not answer.
    """
    branch, commit = _branch_and_commit(config)
    if storage.exists(config.path):
        commit = folder_digest(config.path)
    elif commit is None:
        from huggingface_hub import HfApi

        with _explained(title(config), "; a full commit as its revision needs no answer of the hub"):
            commit = str(HfApi().dataset_info(config.path, revision=branch).sha)
    revision = f"{CONVERTED}@{commit}" if branch == CONVERTED else commit
    return {"name": config.path, "subset": config.subset or "", "split": config.split, "revision": revision}


def _branch_and_commit(config: CorpusConfig) -> tuple[str | None, str | None]:
    """Return what the revision says of both. A commit of the converted branch must not lose its name, which tells how
    the folders are laid out."""
    if config.revision is not None and config.revision.startswith(f"{CONVERTED}@"):
        return CONVERTED, config.revision.removeprefix(f"{CONVERTED}@")
    if _COMMIT.fullmatch(config.revision or ""):
        return None, config.revision
    return config.revision, None


def _builder(config: CorpusConfig) -> Any:
    datasets = load_library("corpora: format hub wants")
    branch, commit = _branch_and_commit(config)
    if branch == CONVERTED and config.subset is None:
        raise InputError(
            f"corpora: {config.path}: the branch {CONVERTED} has a folder for each subset; give subset, which is "
            "default where the data set has only one"
        )
    subset = {"data_dir" if branch == CONVERTED else "name": config.subset}
    builder = datasets.load_dataset_builder(config.path, revision=commit or branch, **subset)
    kind = builder.info.builder_name
    if kind != "parquet":
        raise InputError(
            f"corpora: {title(config)}: its files are {kind}, not Parquet; take the hub's own conversion by revision: "
            f"{CONVERTED}, or download the files and give their format"
        )
    return builder


def _tables(dataset: Any, config: CorpusConfig, path: str) -> Iterator[pa.Table]:
    for table in dataset.iter(batch_size=ROWS_PER_BATCH):
        check_schema(table.schema, config, path=path)
        yield table


def _row_count(file: str) -> int:
    import fsspec

    with fsspec.open(file, "rb") as content:
        return int(pq.read_metadata(content).num_rows)


def _explained(path: str, hint: str = "") -> AbstractContextManager[None]:
    instead = f"use the official file, or the hub's own conversion by revision: {CONVERTED}"
    return explained(f"corpora: {path}", instead=instead, hint=hint)
