"""Test sets of question answering."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clism_core.tasks.hub import HubSplit
from clism_core.tasks.mrc import mlqa_scorer as mlqa
from clism_core.tasks.mrc import squad_scorer as squad
from clism_core.tasks.mrc.answer_offsets import warn_about
from clism_core.tasks.mrc.scorers import AnswerMetrics, AnswerScore
from clism_core.tasks.mrc.squad_format import Question, read_questions
from clism_core.tasks.test_data import Scored, TestSetConfig
from clism_core.utils.errors import InputError

_LANGUAGE_PAIR = re.compile(r"[a-z]{2,3}-[a-z]{2,3}")


@dataclass(frozen=True)
class QuestionSet:
    """Questions over passages; predictions are JSON `{question id: answer}`, the format of the official scorers."""

    dataset: str
    language: str
    scorer: str
    examples: tuple[Question, ...]
    kind: str = "mrc"
    score_names: tuple[str, ...] = ("f1", "exact_match")
    ending: Literal["json", "conll"] = "json"

    @property
    def is_cross(self) -> bool:
        """Whether passages and questions differ in language: `ar-de`, but not `zh-Hant`, whose suffix is a script."""
        return _LANGUAGE_PAIR.fullmatch(self.language) is not None

    def records(self) -> list[dict[str, Any]]:
        """Return the questions and passages."""
        return [{"question": each.question, "context": each.context} for each in self.examples]

    def predictions(self, outputs: Sequence[str]) -> str:
        """Return the text of the predictions file, from the answer to each question."""
        answers = {each.id: answer for each, answer in zip(self.examples, outputs, strict=True)}
        return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"

    def score(self, predictions: str) -> Scored:
        """Score answers by the rules of `scorer`; raises `InputError` if they are for other questions."""
        answers: dict[str, str] = json.loads(predictions)
        if different := answers.keys() ^ {each.id for each in self.examples}:
            raise InputError(
                f"predictions for {self.dataset}/{self.language}: question {min(different)!r} is only in the "
                "predictions or only in the test set; give predictions for this file"
            )
        scores = {each.id: self._score(each, answers[each.id]) for each in self.examples}
        metrics = AnswerMetrics(scorer=self.scorer, scores=scores)
        return Scored(metrics.summary(), {"f1": metrics.examples("f1"), "exact_match": metrics.examples("exact_match")})

    def _score(self, question: Question, prediction: str) -> AnswerScore:
        answers = [answer.text for answer in question.answers]
        if self.scorer == mlqa.SCORER:
            return mlqa.score(prediction=prediction, answers=answers, language=self.language.split("-")[0])
        return squad.score(prediction=prediction, answers=answers)


def read_question_set(test: TestSetConfig, path: str | HubSplit, language: str) -> QuestionSet:
    """Read the questions of a file or of a split on the hub.

    Raises:
        InputError: as `read_questions` does, and if the scorer does not support the language.
    """
    scorer = test.scorer or (mlqa.SCORER if test.dataset.lower().startswith("mlqa") else squad.SCORER)
    if scorer == mlqa.SCORER and language.split("-")[0] not in mlqa.LANGUAGES:
        raise InputError(
            f"{test.dataset}/{language}: language is unsupported by {scorer}, which scores only "
            f"{', '.join(mlqa.LANGUAGES)}; give scorer: {squad.SCORER}"
        )
    questions = read_questions(path, language=language)
    warn_about(
        f"{test.dataset}/{language}", questions, misplaced=", but are scored nevertheless, because texts are compared"
    )
    return QuestionSet(test.dataset, language, scorer, tuple(questions))
