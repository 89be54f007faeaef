"""The development data, evaluated on the way by all workers: each predicts its share of the examples."""

from collections.abc import Sequence

from clism_core.cluster.collectives import gather_results, rank, world_size
from clism_core.tasks.mrc import squad_scorer as squad
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.mrc.scorers import AnswerMetrics, AnswerScore
from clism_core.tasks.mrc.squad_format import Question
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.conlleval import EntityCounts, EntityMetrics, count_entities
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.tracking.run import part_of_name

Evaluated = tuple[dict[str, float], float]
"""Metrics, named LANGUAGE/METRIC, in 0 to 100, and the F1 by which checkpoints are compared."""


def evaluate_questions(predictor: MrcPredictor, questions: Sequence[Question], *, language: str) -> Evaluated:
    """Return exact match and F1 of the scorer of SQuAD 1.1 on all questions (a collective)."""

    def score_own() -> dict[str, AnswerScore]:
        own = questions[rank() :: world_size()]
        predictions = predictor([{"question": each.question, "context": each.context} for each in own])
        return {
            each.id: squad.score(prediction=prediction["answer"], answers=[answer.text for answer in each.answers])
            for each, prediction in zip(own, predictions, strict=True)
        }

    every = {name: score for part in gather_results(score_own) for name, score in part.items()}
    summary = AnswerMetrics(scores=every, scorer=squad.SCORER).summary()
    metrics = {f"{language}/exact_match": summary["exact_match"], f"{language}/f1": summary["f1"]}
    return metrics, summary["f1"]


def evaluate_sentences(predictor: NerPredictor, sentences: Sequence[Sentence], *, language: str) -> Evaluated:
    """Return precision, recall and F1 of all entities as conlleval counts them, and F1 by type (a collective)."""

    def count_own() -> dict[str, dict[str, EntityCounts]]:
        own = range(len(sentences))[rank() :: world_size()]
        predicted = predictor.tags([sentences[number].tokens for number in own])
        return {
            f"{number:09d}": count_entities(gold=sentences[number].tags, predicted=tags)
            for number, tags in zip(own, predicted, strict=True)
        }

    gathered = gather_results(count_own)
    found = EntityMetrics(sentences={name: count for part in gathered for name, count in part.items()})
    overall = found.overall()
    metrics = {
        f"{language}/precision": overall.precision,
        f"{language}/recall": overall.recall,
        f"{language}/f1": overall.f1,
    }
    metrics |= {f"{language}/{part_of_name(label)}_f1": counts.f1 for label, counts in found.by_label().items()}
    return metrics, overall.f1
