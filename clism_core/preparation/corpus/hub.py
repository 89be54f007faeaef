"""Data sets of the Hugging Face Hub, streamed by the library `datasets`, an optional extra."""

import itertools
import re
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clism_core.preparation.corpus.columns import ROWS_PER_BATCH, check_schema, read_batches
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.utils import storage
from clism_core.utils.digests import folder_digest
from clism_core.utils.hub_datasets import CONVERTED, hub_errors, load_builder

_COMMIT = re.compile("[0-9a-f]{40}")
_INSTEAD = f"use the official file, or the hub's own conversion by revision: {CONVERTED}"


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
        dataset = builder.as_streaming_dataset(split=config.split).with_format("arrow")
        rows = read_batches(_tables(dataset, config, path), config, path=path)
        count = 0
        for row in itertools.islice(rows, limit):
            yield row
            count += 1
        if limit is None or count < limit:
            return count
        return sum(map(_row_count, builder.config.data_files[config.split]))


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
    branch, commit = _branch_and_commit(config)
    return load_builder(
        config.path,
        subset=config.subset,
        split=config.split,
        revision=commit or branch,
        converted=branch == CONVERTED,
        title=f"corpora: {title(config)}",
        instead=_INSTEAD,
    )


def _tables(dataset: Any, config: CorpusConfig, path: str) -> Iterator[pa.Table]:
    for table in dataset.iter(batch_size=ROWS_PER_BATCH):
        check_schema(table.schema, config, path=path)
        yield table


def _row_count(file: str) -> int:
    import fsspec

    with fsspec.open(file, "rb") as content:
        return int(pq.read_metadata(content).num_rows)


def _explained(path: str, hint: str = "") -> AbstractContextManager[None]:
    return hub_errors(f"corpora: {path}", instead=_INSTEAD, hint=hint)
