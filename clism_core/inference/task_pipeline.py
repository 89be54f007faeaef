"""Task models as functions of texts and of records, for Python programs and for MLflow's server."""

import os
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from numbers import Integral
from threading import Lock
from typing import Any

from clism_core.inference.predictor import load_predictor
from clism_core.model.resolve import resolve_model
from clism_core.tasks.predictor import BATCH_SIZE, Predictor, Record
from clism_core.tasks.registry import task_of
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed


def load_pipeline(
    name: str | os.PathLike[str], *, device: str | None = None, batch_size: int = BATCH_SIZE
) -> "TaskPipeline":
    """Load the pipeline of a task model; `clism_core.load` documents the arguments and errors."""
    return TaskPipeline(load_predictor(resolve_model(os.fspath(name)), batch_size=batch_size, device=device))


class TaskPipeline:
    """A task model as a function of texts. Threads may share it: their calls take turns.

    Args:
        predictor: predictor of the model.
    """

    def __init__(self, predictor: Predictor[Any]):
        self._predictor = predictor
        self._task = task_of(predictor.model.config)
        self._lock = Lock()  # concurrent calls would need several times the memory, and share one tokenizer

    def __call__(self, *values: Any, **arguments: Any) -> Any:
        """Return the prediction for one input, or a list of predictions for lists of inputs.

            qa(question="Who sings?", context="Ann sings.", n_best=3)
            qa(question=["Who sings?", "What does Ann do?"], context="Ann sings.")
            ner("Ann lives in Bonn.")
            ner(tokens=["Ann", "lives", "in", "Bonn", "."])

        Args:
            values: the fields of the task's records, in their order: question and context, or text.
            arguments: fields by name, and options of the task, such as `n_best` for the number of answers. A field is a
                text, or several in a list, tuple or other iterable (for `tokens`, a list of tokens, or a list of such
                lists). If one field has several and another has one, it belongs to each of them.

        Returns:
            a prediction, as the task's predictor returns it; a list of predictions if a field has several values.

        Raises:
            InputError: if a value cannot be used, naming its number (from 1) and the field, or fields have different
                numbers of values.
            TypeError: if an argument is unknown, or is given twice.
        """
        fields, options = self._sorted_arguments(values, arguments)
        kinds = self._task.record_fields.kinds
        columns = {name: _several(value, kinds[name]) for name, value in fields.items()}
        sizes = {name: len(column) for name, column in columns.items() if column is not None}
        if not sizes:
            return self.predict([fields], **options)[0]
        if len(set(sizes.values())) > 1:
            counts = " and ".join(f"{name} has {size} values" for name, size in sizes.items())
            raise InputError(f"{counts}; give as many of each, or one for all")
        records = [
            {name: fields[name] if column is None else column[number] for name, column in columns.items()}
            for number in range(next(iter(sizes.values())))
        ]
        return self.predict(records, **options)

    def predict(
        self, records: Sequence[Record], *, batch_size: int | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Return a prediction for each record, a mapping with the fields of the task.

        Args:
            records: records, as for the predictor of the task.
            batch_size: maximum number of inputs in a forward pass; None: that of loading.
            options: options of the task.

        Raises:
            InputError: if a record or an option is invalid.
        """
        given = options if batch_size is None else {"batch_size": batch_size, **options}
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise InputError(f"{name} is {type(value).__name__}; give a whole number")
        _check_not_blank(records)
        model, precision = self._predictor.model, self._predictor.precision
        size = self._predictor.batch_size if batch_size is None else batch_size
        with self._lock:
            return self._task.predictor(model, batch_size=size, precision=precision)(records, **options)

    def _sorted_arguments(
        self, values: Sequence[Any], arguments: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the fields of the record, and the options."""
        names, options = list(self._task.record_fields.kinds), self._task.predict_options
        accepted = f"a model for {self._task.name} takes {listed([*names, *options])}"
        if len(values) > len(names):
            raise TypeError(f"{len(values)} values without a name; {accepted}")
        by_place = dict(zip(names, values, strict=False))
        for name in arguments:
            if name not in names and name not in options:
                raise TypeError(f"unknown argument {name!r}; {accepted}")
            if name in by_place:
                raise TypeError(f"{name} is given twice: by its place and by its name")
        fields = by_place | {name: value for name, value in arguments.items() if name in names}
        return fields, {name: value for name, value in arguments.items() if name in options}


def _several(value: Any, kind: str) -> list[Any] | None:
    """Return the values of a field for several records; None if it has a single value, for one record."""
    if not _is_list(value):
        return None
    values = list(value)
    if kind == "tokens" and not any(map(_is_list, values)):
        return None
    return values


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | AbstractSet)


def _check_not_blank(records: Sequence[Record]) -> None:
    for number, record in enumerate(records, start=1):
        for field, value in record.items():
            if isinstance(value, str) and not value.strip():
                raise InputError(f"record {number}: {field} is blank; give a text")
            if isinstance(value, list) and not value:
                raise InputError(f"record {number}: {field} is empty; give at least one token")
