"""Reader of all test sets of an evaluation, with checks before any computation."""

import posixpath
import re
from collections.abc import Iterator, Sequence

from clism_core.evaluation.retrieval_data import read_pair_set
from clism_core.tasks.hub import HubSplit
from clism_core.tasks.registry import task_of
from clism_core.tasks.saved_task import TaskConfig
from clism_core.tasks.test_data import RETRIEVAL, TestSet, TestSetConfig, title
from clism_core.utils.errors import InputError
from clism_core.utils.storage import expand

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]+)*")
_IN_NAME = re.compile(r".*\.([a-z]{2}(?:-[a-z]{2})?)\.(?:json|tsv|txt|conll)(?:\.(?:gz|bz2|zst))?")


def read_test_sets(tests: Sequence[TestSetConfig], task: TaskConfig | None) -> list[TestSet]:
    """Return the test sets, in the order of `tests` and of their file names.

    Args:
        tests: configured test sets.
        task: task of the model; None for an encoder, which supports only retrieval.

    Raises:
        InputError: if a file cannot be read, has the wrong format or no examples, a language is unknown or occurs twice
            in a data set, or a data set has more than one scorer.
    """
    sets: dict[str, tuple[TestSet, str]] = {}
    for number, test in enumerate(tests):
        for path in _paths(f"--tests[{number}]", test):
            place = path if isinstance(path, str) else path.title
            test_set = _read(test, path, _language(f"--tests[{number}]", test, path, task), task)
            name = title(test_set)
            if not test_set.examples:
                raise InputError(f"{name}: {place} has no examples; give a file with examples, or remove the test set")
            if name in sets:
                raise InputError(
                    f"{name} is both {sets[name][1]} and {place}; give each language of a data set once, or rename one "
                    "of them"
                )
            sets[name] = test_set, place
    test_sets = [test_set for test_set, _ in sets.values()]
    _check_scorers(test_sets)
    return test_sets


def _paths(place: str, test: TestSetConfig) -> list[str] | list[HubSplit]:
    if isinstance(test.path, HubSplit):
        return [test.path]
    paths = expand(test.path)
    if not paths:
        raise InputError(f"{place}.path {test.path}: matches no files; give existing files")
    if test.language is not None and len(paths) > 1:
        raise InputError(
            f"{place}.language is {test.language!r}, but {test.path} matches {len(paths)} files; omit it if the file "
            "names contain their languages, or give the files one by one"
        )
    return paths


def _language(place: str, test: TestSetConfig, path: str | HubSplit, task: TaskConfig | None) -> str:
    """Return the language that names a test set in the results: `ar`, or `ar-de` for two languages."""
    language = test.language or (language_in_name(path, task) if isinstance(path, str) else None)
    if language is None:
        raise InputError(
            f"{place}.language is missing, and the name {path if isinstance(path, str) else path.title} does not "
            "contain it, as xquad.ar.json and MLQA's files do; give one such as language: ar"
        )
    if not _LANGUAGE.fullmatch(language):
        raise InputError(f"{place}.language is {language!r}; give a code such as ar, or ar-de for two languages")
    first, _, second = language.partition("-")
    return first if first == second else language


def language_in_name(path: str, task: TaskConfig | None) -> str | None:
    """Return the language in a file name; None if it contains none.

    Examples: `test-context-ar-question-de.json` has `ar-de`, `xquad.ar.json` has `ar`, `flores.en-ar.tsv` has `en-ar`.
    """
    if task is not None and (language := task_of(task).language_in_name(path)):
        return language
    match = _IN_NAME.fullmatch(posixpath.basename(path))
    return None if match is None else match[1]


def _read(test: TestSetConfig, path: str | HubSplit, language: str, task: TaskConfig | None) -> TestSet:
    if test.kind == RETRIEVAL:
        assert isinstance(path, str)  # check_config
        return read_pair_set(test, path, language)
    if task is None:
        raise InputError(
            f"{test.dataset}/{language}: the model is an encoder without a task, which supports only kind: retrieval; "
            "fine-tune it with jobs/finetune.py"
        )
    return task_of(task).read_test_set(test, path, language, task)


def _check_scorers(test_sets: Sequence[TestSet]) -> None:
    scorers: dict[str, TestSet] = {}
    for test_set in test_sets:
        other = scorers.setdefault(test_set.dataset, test_set)
        if other.scorer != test_set.scorer:
            raise InputError(
                f"{title(other)} is scored by {other.scorer}, {title(test_set)} by {test_set.scorer}, and their scores "
                "cannot be averaged; give one of them another data set name"
            )


def averaged(test_sets: Sequence[TestSet]) -> Iterator[tuple[str, str, list[TestSet]]]:
    """Yield the data set, the name of an average and its test sets.

    `average` is over the test sets in which questions and passages have the same language, as in MLQA's cross-lingual
    transfer; the other ones, its cross-lingual pairs, have a `cross_average`. For retrieval, and if all test sets are
    cross-lingual, `average` is over all.
    """
    for dataset in dict.fromkeys(test_set.dataset for test_set in test_sets):
        members = [test_set for test_set in test_sets if test_set.dataset == dataset]
        cross = [each for each in members if each.is_cross]
        same = [each for each in members if each not in cross]
        yield dataset, "average", same or cross
        if same and cross:
            yield dataset, "cross_average", cross
