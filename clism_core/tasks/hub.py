"""Labelled data of the Hugging Face Hub, streamed by the library `datasets`, an optional extra."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from clism_core.tasks.mrc.squad_format import Question, questions_of_rows
from clism_core.tasks.ner.conll_format import TaggedFile, tagged_rows
from clism_core.utils.errors import InputError
from clism_core.utils.hub_datasets import CONVERTED, hub_errors, load_builder
from clism_core.utils.text import listed

_OFFICIAL = {
    "mlqa": "those in MLQA_V1.zip",
    "xquad": "xquad.ar.json and its like",
    "squad": "train-v1.1.json and dev-v1.1.json",
    "tydiqa": "those of the gold passage task",
    "conll2002": "esp.train, ned.train and their like",
    "conll2003": "eng.train, eng.testa and eng.testb",
}
"""The official files of data sets, by a part of their name on the hub; the other readers of this package take them."""


@dataclass(frozen=True)
class HubSplit:
    """A split of a data set of the Hugging Face Hub, whose files are Parquet."""

    name: str
    """As the hub has it, such as `google/xquad`; or a local folder that is laid out as one."""
    split: str
    subset: str | None = None
    """Which configuration, such as `xquad.ar`; None where there is only one."""
    revision: str | None = None
    """A commit, tag or branch, such as `refs/convert/parquet`, the hub's own conversion; None for the main branch."""

    @property
    def title(self) -> str:
        """The name, subset and split as one, as errors have it."""
        return "/".join(part for part in (self.name, self.subset, self.split) if part is not None)


def read_hub_questions(data: HubSplit, *, language: str | None = None, unique_ids: bool = True) -> list[Question]:
    """Return the questions of a split with the columns of SQuAD, as `questions_of_rows` does.

    Raises `InputError` as that does, and where `datasets` is missing, the data set cannot be reached, is a loading
    script or not Parquet, or has no such subset, split or column.
    """
    with _explained(data):
        rows = _rows(data, wanted=("id", "question", "context", "answers"))
        return questions_of_rows(data.title, rows, language=language, unique_ids=unique_ids)


def read_hub_tagged(
    data: HubSplit,
    *,
    tokens_column: str = "tokens",
    tags_column: str = "ner_tags",
    types: Collection[str] | None = None,
) -> TaggedFile:
    """Return the sentences of a split that has tokens and tags as lists; tags are texts, or numbers that it names.

    Raises `InputError` as `tagged_rows` and `read_hub_questions` do, and where it does not name its numbers.
    """
    with _explained(data):
        rows = _rows(data, wanted=(tokens_column, tags_column))
        pairs = (
            (row[tokens_column] or [], _tag_names(data, rows.features, tags_column, row[tags_column] or []))
            for row in rows
        )
        return tagged_rows(data.title, pairs, types=types)


def _rows(data: HubSplit, *, wanted: Collection[str]) -> Any:
    """Return the split as an iterable data set of `datasets` that has the columns `wanted`."""
    builder = load_builder(
        data.name,
        subset=data.subset,
        split=data.split,
        revision=data.revision,
        converted=data.revision == CONVERTED,
        title=data.title,
        instead=_instead(data),
    )
    rows = builder.as_streaming_dataset(split=data.split)
    missing = [column for column in wanted if column not in rows.features]
    if missing:
        raise InputError(f"{data.title} has no column {missing[0]!r}; its columns are {listed(rows.features)}")
    return rows


def _tag_names(data: HubSplit, features: Any, column: str, tags: list[Any]) -> list[str]:
    """Return `tags` as texts; those that are numbers by the names that the data set has for them."""
    names = getattr(getattr(features[column], "feature", None), "names", None)
    if names is None:
        if not all(isinstance(tag, str) for tag in tags):
            raise InputError(
                f"{data.title}: the column {column!r} is {features[column]}, not texts or numbers with names; "
                f"{_instead(data)}"
            )
        return tags
    if not all(tag in range(len(names)) for tag in tags):  # -1 stands for a tag that is kept secret
        raise InputError(
            f"{data.title}: the column {column!r} lacks tags, as test sets do whose answers are secret; give a split "
            "that has them"
        )
    return [names[tag] for tag in tags]


def _instead(data: HubSplit) -> str:
    """Return what to give in place of a data set that cannot be used."""
    official = next((files for name, files in _OFFICIAL.items() if name in data.name.lower()), None)
    named = f" ({official})" if official else ""
    return f"download the official files{named}, or give revision: {CONVERTED}, the hub's own conversion"


def _explained(data: HubSplit) -> AbstractContextManager[None]:
    return hub_errors(data.title, instead=_instead(data))
