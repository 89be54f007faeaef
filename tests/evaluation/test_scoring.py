"""Figures, averages, comparisons, and how tables, chart and MLflow show them."""

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from table_cells import table_cells

from clism_core.evaluation.chart import scores_figure
from clism_core.evaluation.scoring import conclusions, differences, metrics_of, p_text
from clism_core.evaluation.table import Cell, Row, csv_text, markdown, table_rows
from clism_core.evaluation.tracking import metrics_by_name, scores_by_name
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.test_data import QuestionSet
from clism_core.tasks.ner.conlleval import EntityMetrics, count_entities
from clism_core.tasks.scored_examples import ScoredExamples
from clism_core.tasks.test_data import Scored

RESAMPLES = 199


def question_set(language: str, *, questions: int = 8, dataset: str = "xquad") -> QuestionSet:
    numbers = range(questions)
    examples = tuple(Question(f"q{number}", "?", "yes", (Answer("yes", 0),)) for number in numbers)
    return QuestionSet(dataset, language, "squad-1.1", examples)


def scored(of: QuestionSet, *, right: int) -> Scored:
    return of.score(of.predictions(["yes"] * right + ["no"] * (len(of.examples) - right)))


def metrics(dataset: str = "xquad", **right: int) -> dict[str, Any]:
    sets = [question_set(language.replace("_", "-"), dataset=dataset) for language in right]
    scores = {f"{dataset}/{each.language}": scored(each, right=right[each.language.replace("-", "_")]) for each in sets}
    return {**metrics_of(sets, scores, resamples=RESAMPLES)}


def test_languages_have_equal_weight_in_the_average() -> None:
    sets = [question_set("ar", questions=2), question_set("de", questions=8)]
    scores = {"xquad/ar": scored(sets[0], right=2), "xquad/de": scored(sets[1], right=4)}
    found = metrics_of(sets, scores, resamples=RESAMPLES)["xquad"]
    assert (found["ar"]["f1"], found["de"]["f1"]) == (100.0, 50.0)
    assert found["ar"]["f1_interval"] == [100.0, 100.0]
    average = found["average"]
    assert (average["exact_match"], average["f1"], average["n"]) == (75.0, 75.0, 10)
    assert (average["languages"], average["scorer"]) == (["ar", "de"], "squad-1.1")
    low, high = average["f1_interval"]
    assert 50 < low < 75 < high < 100


def test_cross_pairs_are_averaged_separately() -> None:
    found = metrics("mlqa", ar=8, de=4, ar_de=2)["mlqa"]
    assert (found["average"]["f1"], found["cross_average"]["f1"]) == (75.0, 25.0)


def test_one_example_has_a_score_and_no_interval() -> None:
    sets = [question_set("ar", questions=1)]
    found = metrics_of(sets, {"xquad/ar": scored(sets[0], right=1)}, resamples=RESAMPLES)["xquad"]["ar"]
    assert (found["f1"], found["f1_interval"]) == (100.0, None)


def test_entity_types_have_intervals() -> None:
    entities = EntityMetrics(
        sentences={str(n): count_entities(gold=["B-PER"], predicted=["B-PER" if n else "O"]) for n in range(2)}
    )
    of_types = Scored(entities.summary(), {"f1": entities.examples()}, {"PER": entities.examples("PER")})
    tagged = question_set("en", dataset="conll")  # only its names matter here
    figures = metrics_of([tagged], {"conll/en": of_types}, resamples=RESAMPLES)["conll"]["en"]["by_label"]["PER"]
    assert figures["f1"] == pytest.approx(200 / 3)
    assert figures["f1_interval"] == [0.0, 100.0]


def compared(*, right: int, other: int, questions: int = 40) -> dict[str, Any]:
    sets = [question_set("ar", questions=questions), question_set("de", questions=questions)]
    new = {f"xquad/{each.language}": scored(each, right=right) for each in sets}
    old = {f"xquad/{each.language}": scored(each, right=other) for each in sets}
    found = differences(sets, new, old, resamples=RESAMPLES)
    return {
        **metrics_of(sets, new, resamples=RESAMPLES),
        "comparison": {
            "with": "B",
            "metrics": metrics_of(sets, old, resamples=RESAMPLES),
            "differences": found,
            "conclusions": conclusions(found, model="A", compared="B"),
        },
    }


def test_a_model_compared_with_itself() -> None:
    comparison = compared(right=10, other=10)["comparison"]
    nothing = {"difference": 0.0, "interval": [0.0, 0.0], "p_value": 1.0}
    both = {"f1": nothing, "exact_match": nothing}
    assert comparison["differences"] == {"xquad": {"ar": both, "de": both, "average": both}}
    assert comparison["conclusions"] == {"xquad": "A and B score the same."}


@pytest.mark.parametrize(
    ("right", "other", "conclusion"),
    [
        pytest.param(30, 10, "A is better than B by 50.00 points of F1", id="better"),
        pytest.param(10, 30, "A is worse than B by 50.00 points of F1", id="worse"),
        pytest.param(11, 10, "A and B differ by 2.50 points of F1", id="chance"),  # 1 question of 40 in each language
    ],
)
def test_conclusion(right: int, other: int, conclusion: str) -> None:
    assert compared(right=right, other=other)["comparison"]["conclusions"]["xquad"].startswith(conclusion)


def test_table_of_one_model() -> None:
    content = metrics(ar=8, de=0)
    lines = markdown(table_rows(content, model="models:/clism-mrc/3"), content).splitlines()
    average = content["xquad"]["average"]
    both = f"50.0 [{average['f1_interval'][0]:.1f}, {average['f1_interval'][1]:.1f}]"
    assert lines[:4] == ["### xquad", "", "Scored by squad-1.1, in percent, with 95 % intervals.", ""]
    header, _, *rows = table_cells("\n".join(lines[4:]))
    assert header == ["", "", "ar", "de", "average"]
    scores = ["100.0 [100.0, 100.0]", "0.0 [0.0, 0.0]", both]
    assert rows == [["models:/clism-mrc/3", name, *scores] for name in ("exact match", "F1")]


def test_table_of_two_models_has_differences() -> None:
    content = compared(right=30, other=10)
    rows = table_rows(content, model="A")
    names = [(row.model, row.score) for row in rows]
    assert names == [(model, score) for model in ("A", "B", "difference") for score in ("exact_match", "f1")]
    text = markdown(rows, content)
    of_f1 = {row[0]: row[2] for row in table_cells(text) if row[1] == "F1"}
    assert of_f1["A"].startswith("75.0 [")
    assert of_f1["B"].startswith("25.0 [")
    assert of_f1["difference"].startswith("+50.0 [+")
    assert content["comparison"]["conclusions"]["xquad"] in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0001, "p < 0.001"), (0.001, "p 0.001"), (0.0123, "p 0.012"), (1.0, "p 1.000")]
)
def test_no_p_value_reads_as_zero(value: float, text: str) -> None:
    assert p_text(value) == text
    row = Row("xquad", "squad-1.1", "difference", "f1", {"ar": Cell(1.0, 0.5, 1.5, value)})
    assert f"+1.0 [+0.5, +1.5] {text} |" in markdown([row], {"xquad": {}})


def test_csv_has_all_data_sets_in_one_table() -> None:
    content = {**metrics(ar=8), **metrics("mlqa", de=4)}
    rows = list(csv.DictReader(io.StringIO(csv_text(table_rows(content, model="A")))))
    found = [(row["dataset"], row["score"], row["ar"], row["de"], row["average"], row["ar_low"]) for row in rows]
    assert found == [
        ("xquad", "exact_match", "100.0", "", "100.0", "100.0"),
        ("xquad", "f1", "100.0", "", "100.0", "100.0"),
        ("mlqa", "exact_match", "", "50.0", "50.0", ""),
        ("mlqa", "f1", "", "50.0", "50.0", ""),
    ]


def bars(figure: Figure, panel: int = 0) -> dict[str, list[float]]:
    handles, labels = figure.axes[panel].get_legend_handles_labels()
    return {label: [bar.get_height() for bar in handle] for label, handle in zip(labels, handles, strict=True)}  # type: ignore[attr-defined]


def test_chart_of_one_model_has_its_scores() -> None:
    figure = scores_figure(table_rows({**metrics(ar=8, de=4), **metrics("mlqa", en=2)}, model="A"))
    assert [axes.get_title() for axes in figure.axes] == ["xquad", "mlqa"]
    assert bars(figure) == {"exact match": [100.0, 50.0, 75.0], "F1": [100.0, 50.0, 75.0]}
    assert bars(figure, 1) == {"exact match": [25.0, 25.0], "F1": [25.0, 25.0]}


def test_chart_of_two_models_has_one_score_of_each() -> None:
    figure = scores_figure(table_rows(compared(right=30, other=10), model="A"))
    assert bars(figure) == {"F1 of A": [75.0] * 3, "F1 of B": [25.0] * 3}


def test_scores_of_a_new_task_are_named_by_their_keys() -> None:
    def recall(right: int) -> Scored:
        values = np.array([100.0] * right + [0.0] * (8 - right))
        ids = tuple(f"q{number}" for number in range(8))
        scores = ("recall_at_1", "mrr")
        examples = {
            score: ScoredExamples(scorer="hits", score=score, ids=ids, numerators=values, denominators=np.ones(8))
            for score in scores
        }
        return Scored({**dict.fromkeys(scores, 12.5 * right), "n": 8, "scorer": "hits"}, examples)

    sets = [question_set("ar")]
    new, old = {"xquad/ar": recall(8)}, {"xquad/ar": recall(0)}
    found = differences(sets, new, old, resamples=RESAMPLES)
    content: dict[str, Any] = {**metrics_of(sets, new, resamples=RESAMPLES)}
    assert bars(scores_figure(table_rows(content, model="A"))) == {"recall at 1": [100.0, 100.0], "mrr": [100.0, 100.0]}
    content["comparison"] = {
        "with": "B",
        "metrics": metrics_of(sets, old, resamples=RESAMPLES),
        "differences": found,
        "conclusions": conclusions(found, model="A", compared="B"),
    }
    rows = table_rows(content, model="A")
    assert "A is better than B by 100.00 points of recall at 1 on average" in markdown(rows, content)
    names = [(row.model, row.score) for row in rows]
    assert names == [(model, score) for model in ("A", "B", "difference") for score in ("recall_at_1", "mrr")]
    assert bars(scores_figure(rows)) == {"recall at 1 of A": [100.0] * 2, "recall at 1 of B": [0.0] * 2}


def test_dollar_signs_in_model_names_are_not_formulas() -> None:
    content = compared(right=30, other=10)
    content["comparison"]["with"] = "/runs/$x^$/model"
    scores_figure(table_rows(content, model="A")).savefig(io.BytesIO(), format="png")


def test_chart_of_a_single_example_has_no_error_bars() -> None:
    sets = [question_set("ar", questions=1)]
    content = metrics_of(sets, {"xquad/ar": scored(sets[0], right=1)}, resamples=RESAMPLES)
    assert bars(scores_figure(table_rows(content, model="A")))["F1"] == [100.0, 100.0]


def test_entity_types_invalid_in_mlflow_names_are_replaced() -> None:
    figures = {"f1": 50.0, "by_label": {"R&D/lab": {"f1": 50.0}, "creative work": {"f1": 50.0}, "人": {"f1": 50.0}}}
    assert sorted(metrics_by_name({"conll": {"en": figures}})) == [
        "conll/en/by_label/R_D_lab/f1",
        "conll/en/by_label/creative work/f1",
        "conll/en/by_label/人/f1",
        "conll/en/f1",
    ]


def test_names_in_mlflow() -> None:
    content = compared(right=40, other=40)
    by_name = metrics_by_name(content)
    assert by_name["xquad/ar/f1"] == 100.0
    assert by_name["xquad/average/f1_low"] == 100.0
    assert by_name["xquad/average/n"] == 80.0
    assert by_name["comparison/xquad/de/f1/difference"] == 0.0
    assert by_name["comparison/xquad/de/f1/interval_low"] == 0.0
    assert all(math.isfinite(value) for value in by_name.values())
    assert scores_by_name(content) == {
        f"xquad/{language}/{score}": 100.0 for language in ("ar", "de", "average") for score in ("f1", "exact_match")
    }
