"""Promotion in a registry without models' files: only versions, aliases and tags."""

from pathlib import Path

import numpy as np
import promote
import pytest
from mlflow import MlflowClient
from table_cells import table_cells

from clism_core.evaluation.promotion import (
    PROMOTION_TAG,
    Decision,
    PromoteConfig,
    Versions,
    carry_out,
    decide,
    decide_untested,
    find_metric,
    find_versions,
)
from clism_core.evaluation.retrieval_data import Pair, PairSet
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.utils.errors import InputError
from clism_core.utils.home import tracking_uri

VERSIONS = Versions("clism-mrc", 3, 2)


def scores(right: int, of: int, metric: str = "f1") -> dict[str, ScoredExamples]:
    """Return questions of which the first `right` score 100, the others 0."""
    values = np.array([100.0] * right + [0.0] * (of - right))
    ids = tuple(f"{number:03d}" for number in range(of))
    return {
        metric: ScoredExamples(
            scorer="squad-1.1", score=metric, ids=ids, numerators=values, denominators=np.ones_like(values)
        )
    }


@pytest.mark.parametrize(
    ("right", "promote"),
    [
        pytest.param(80, True, id="much-better"),
        pytest.param(52, False, id="hardly-better"),
        pytest.param(50, False, id="equal"),
        pytest.param(20, False, id="worse"),
    ],
)
def test_only_a_significant_improvement_promotes(right: int, promote: bool) -> None:
    challenger = {"xquad": {"ar": scores(right, 100), "es": scores(60, 100)}}
    champion = {"xquad": {"ar": scores(50, 100), "es": scores(60, 100)}}
    decision = decide(VERSIONS, challenger, champion, metric="f1", resamples=999)
    assert decision.promote is promote
    first = "version 3 becomes champion in place of version 2" if promote else "version 2 stays champion"
    assert decision.text.startswith(f"clism-mrc: {first}")
    means = f"is {(right + 60) / 2:.2f} on average, that of version 2 55.00; the difference is {(right - 50) / 2:+.2f}"
    assert means in decision.text
    rows = table_cells(decision.text)
    assert ["xquad/ar", f"{right}.00", "50.00", f"{right - 50:+.2f}"] in rows
    assert ["xquad/es", "60.00", "60.00", "+0.00"] in rows


def test_a_small_p_value_is_not_shown_as_0() -> None:
    champion, challenger = ({"xquad": {"ar": scores(right, 100)}} for right in (50, 80))
    assert "(p < 0.001)" in decide(VERSIONS, challenger, champion, metric="f1", resamples=9999).text


PAIRS = PairSet("flores", "en-ar", (Pair("a", "b"), Pair("c", "d")))


@pytest.mark.parametrize(
    ("wanted", "found"), [(None, "accuracy"), ("accuracy", "accuracy"), ("reverse_accuracy", "reverse_accuracy")]
)
def test_retrieval_is_decided_by_its_own_score(wanted: str | None, found: str) -> None:
    metric = find_metric(wanted, [PAIRS])
    assert metric == found
    assert metric in PAIRS.score('{"1": [1, 1], "2": [2, 2]}').examples


def test_an_unknown_metric_is_rejected() -> None:
    with pytest.raises(InputError, match="--metric f1: flores/en-ar has only the scores accuracy, reverse_accuracy"):
        find_metric("f1", [PAIRS])


def test_nothing_is_tested_without_a_champion_or_a_difference() -> None:
    alone, same = decide_untested(Versions("m", 4, None)), decide_untested(Versions("m", 4, 4))
    assert alone is not None
    assert alone.promote
    assert alone.text == "m: version 4 becomes champion without a test, because there was no champion."
    assert same is not None
    assert not same.promote
    assert "nothing to do" in same.text
    assert decide_untested(VERSIONS) is None


@pytest.fixture
def client(home_folder: Path) -> MlflowClient:
    """Return a registry of three versions, of which the second is champion and the third candidate."""
    client = MlflowClient(tracking_uri())
    client.create_registered_model("clism-mrc")
    for _ in range(3):
        client.create_model_version("clism-mrc", source="file:///nowhere")
    client.set_registered_model_alias("clism-mrc", "champion", "2")
    client.set_registered_model_alias("clism-mrc", "candidate", "3")
    return client


def test_versions_are_found_by_alias_and_number(client: MlflowClient) -> None:
    assert find_versions(client, PromoteConfig(model="clism-mrc")) == VERSIONS
    client.set_registered_model_alias("clism-mrc", "best", "2")
    assert find_versions(client, PromoteConfig(model="clism-mrc", challenger="1", champion="best")) == Versions(
        "clism-mrc", 1, 2
    )
    client.delete_registered_model_alias("clism-mrc", "champion")
    assert find_versions(client, PromoteConfig(model="clism-mrc", challenger="1")) == Versions("clism-mrc", 1, None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(PromoteConfig(model="clism-ner"), "not found in the registry, which has clism-mrc", id="model"),
        pytest.param(PromoteConfig(model="clism-mrc", challenger="9"), "--challenger 9", id="number"),
        pytest.param(PromoteConfig(model="clism-mrc", challenger="best"), "--challenger best", id="alias"),
        pytest.param(
            PromoteConfig(model="clism-mrc", champion="2"), "which has candidate, champion; only", id="champion number"
        ),
        pytest.param(
            PromoteConfig(model="clism-mrc", champion="champoin"), "--champion champoin: no such", id="champion"
        ),
    ],
)
def test_a_missing_model_version_or_alias_is_rejected(
    client: MlflowClient, config: PromoteConfig, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        find_versions(client, config)


@pytest.mark.parametrize("promote", [True, False])
def test_a_decision_moves_the_alias_and_is_stored(client: MlflowClient, promote: bool) -> None:
    carry_out(client, VERSIONS, Decision(promote, "why"), alias="champion")
    assert int(client.get_model_version_by_alias("clism-mrc", "champion").version) == (3 if promote else 2)
    tags = [client.get_model_version("clism-mrc", number).tags for number in ("1", "2", "3")]
    assert tags == [{}, {PROMOTION_TAG: "why"}, {PROMOTION_TAG: "why"}]


def test_an_alias_moved_concurrently_is_left_alone(client: MlflowClient) -> None:
    client.set_registered_model_alias("clism-mrc", "champion", "1")
    with pytest.raises(InputError, match="moved to version 1 in the meantime"):
        carry_out(client, VERSIONS, Decision(True, "why"), alias="champion")
    assert int(client.get_model_version_by_alias("clism-mrc", "champion").version) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"batch_size": 0}, "--batch_size 0: must be at least 1", id="batch-size"),
        pytest.param({"workers": 0}, "--workers 0: must be at least 1", id="workers"),
        pytest.param({"resamples": 99}, "--resamples 99: must be at least 100", id="resamples"),
    ],
)
def test_numbers_out_of_bounds_are_rejected_before_the_registry_is_read(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        promote.main(PromoteConfig(model="clism-mrc", **options))  # type: ignore[arg-type]
