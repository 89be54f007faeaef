"""Reader of data sets of the Hugging Face Hub, streamed with the optional package `datasets`."""

import itertools
import re
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa

from clism_core.preparation.corpus.columns import ROWS_PER_BATCH, check_schema, read_batches
from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.format import COLUMNS, Format
from clism_core.utils import storage
from clism_core.utils.arrow import open_parquet
from clism_core.utils.digests import folder_digest
from clism_core.utils.hub_datasets import CONVERTED, hub_errors, load_builder

_COMMIT = re.compile("[0-9a-f]{40}")
_INSTEAD = f"use the official file, or the hub's Parquet conversion with revision: {CONVERTED}"


def title(config: CorpusConfig) -> str:
    """Return name, subset and split of a data set as one string, separated by slashes."""
    return "/".join(part for part in (config.path, config.subset, config.split) if part is not None)


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` rows of a data set and return its number of rows. `path` is its title.

    Rows beyond `limit` are not downloaded: their number is read from the files' metadata. Raises `InputError` if
    `datasets` is not installed, if the data set cannot be reached or is not Parquet, or if the subset, the split or a
    column is missing.
    """
    with _hub_errors(path):
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
    """Return the identity of a data set's state: its name, subset, split, and commit as `revision`.

    A config with this revision always reads the same rows. For a local folder, a hash of its content replaces the
    commit. Raises `InputError` if the hub must be asked for the commit and does not answer.
    """
    branch, commit = _branch_and_commit(config)
    if storage.exists(config.path):
        commit = folder_digest(config.path)
    elif commit is None:
        from huggingface_hub import HfApi

        with _hub_errors(title(config), "; give a full commit as revision to avoid this request to the hub"):
            commit = str(HfApi().dataset_info(config.path, revision=branch).sha)
    revision = f"{CONVERTED}@{commit}" if branch == CONVERTED else commit
    return {"name": config.path, "subset": config.subset or "", "split": config.split, "revision": revision}


def _branch_and_commit(config: CorpusConfig) -> tuple[str | None, str | None]:
    """Return the branch and the commit that `config.revision` names, each None if it does not.

    A commit of the converted branch keeps the branch name, because that branch has another folder layout."""
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
        return int(open_parquet(content, title=file, columns=()).metadata.num_rows)


def _hub_errors(path: str, hint: str = "") -> AbstractContextManager[None]:
    return hub_errors(f"corpora: {path}", instead=_INSTEAD, hint=hint)


FORMAT = Format(
    read=read,
    fields=COLUMNS | {"subset", "split", "revision"},
    named_columns=True,
    titles=lambda config: [title(config)],
    identity=identity,
)
