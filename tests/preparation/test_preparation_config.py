"""Bounds of the configuration of `prepare`."""

from dataclasses import replace

import pytest

from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.cleaning import CleaningConfig
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.entities import EntitiesConfig
from clism_core.preparation.prepare import check
from clism_core.utils.errors import InputError
from clism_core.utils.fields import bound_problems

CORPUS = CorpusConfig(path="absent.tsv", source_lang="en", target_lang="ar")
CONFIG = PrepareConfig(corpora=[CORPUS], output="prepared")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"rows_per_file": 0}, "--rows_per_file 0: must be at least 1", id="rows"),
        pytest.param({"max_answer_words": 0}, "--max_answer_words 0: must be at least 1", id="answer"),
        pytest.param(
            {"corpora": [CORPUS, replace(CORPUS, max_pairs=0)]},
            "--corpora[1].max_pairs 0: must be at least 1",
            id="cap",
        ),
        pytest.param({"aligner": AlignerConfig(batch_size=0)}, "--aligner.batch_size 0: must be at", id="aligner"),
        pytest.param({"entities": EntitiesConfig(max_tokens=0)}, "--entities.max_tokens 0: must be at", id="zero"),
        pytest.param(
            {"entities": EntitiesConfig(ngram_min_count=-1)}, "--entities.ngram_min_count -1: must be", id="negative"
        ),
        pytest.param(
            {"entities": EntitiesConfig(ngram_max_share=0)},
            "--entities.ngram_max_share 0: must be above 0 and at most 1",
            id="no-share",
        ),
        pytest.param(
            {"entities": EntitiesConfig(ngram_max_share=1.5)}, "--entities.ngram_max_share 1.5: must be", id="over-all"
        ),
        pytest.param(
            {"cleaning": CleaningConfig(max_words=1024)},
            "--cleaning.max_words 1024: must be at least 1 and at most 1023",
            id="limit-of-eflomal",
        ),
        pytest.param({"cleaning": CleaningConfig(max_characters=0)}, "--cleaning.max_characters 0: must", id="no-text"),
    ],
)
def test_number_out_of_bounds_is_reported(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError) as raised:
        check(replace(CONFIG, **changes))  # type: ignore[arg-type]
    assert str(raised.value).startswith(problem)


def test_maximum_sentence_length_of_eflomal_is_valid() -> None:
    assert not list(bound_problems(replace(CONFIG, cleaning=CleaningConfig(max_words=1023, max_characters=1))))
