"""Test sets of question answering."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clism_core.tasks.hub import HubSplit
from clism_core.tasks.mrc import mlqa_scorer as mlqa
from clism_core.tasks.mrc import squad_scorer as squad
from clism_core.tasks.mrc.scorers import AnswerMetrics, AnswerScore
from clism_core.tasks.mrc.squad_format import Question, find_misplaced, read_questions
from clism_core.tasks.test_data import Scored, TestSetConfig
from clism_core.utils.errors import InputError
from clism_core.utils.text import printable

logger = logging.getLogger(__name__)

_LANGUAGE_PAIR = re.compile(r"[a-z]{2,3}-[a-z]{2,3}")


@dataclass(frozen=True)
class QuestionSet:
    """Questions over passages; predictions are `{question id: answer}` as JSON, which the official scorers read."""

    dataset: str
    language: str
    scorer: str
    examples: tuple[Question, ...]
    kind: str = "mrc"
    score_names: tuple[str, ...] = ("f1", "exact_match")
    ending: Literal["json", "conll"] = "json"

    @property
    def is_cross(self) -> bool:
        """Whether passages and questions differ in language: `ar-de`, but not a script or region as in `zh-Hant`."""
        return _LANGUAGE_PAIR.fullmatch(self.language) is not None

    def records(self) -> list[dict[str, Any]]:
        """Return questions and passages."""
        return [{"question": each.question, "context": each.context} for each in self.examples]

    def predictions(self, outputs: Sequence[str]) -> str:
        """Return the file of predictions, from an answer to each question."""
        answers = {each.id: answer for each, answer in zip(self.examples, outputs, strict=True)}
        return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"

    def score(self, predictions: str) -> Scored:
        """Score answers by the rules of `scorer`; raises `InputError` where they are to other questions."""
        answers: dict[str, str] = json.loads(predictions)
        if different := answers.keys() ^ {each.id for each in self.examples}:
            raise InputError(
                f"predictions for {self.dataset}/{self.language}: question {min(different)!r} is only in them or only "
                "in the test set; predict for this very file"
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
    """Read the questions of a file or of a split of the hub.

    Raises:
        InputError: as `read_questions` does, and where the scorer does not know the language.
    """
    scorer = test.scorer or (mlqa.SCORER if test.dataset.lower().startswith("mlqa") else squad.SCORER)
    if scorer == mlqa.SCORER and language.split("-")[0] not in mlqa.LANGUAGES:
        raise InputError(
            f"{test.dataset}/{language}: {scorer} scores {', '.join(mlqa.LANGUAGES)} only; give scorer: {squad.SCORER}"
        )
    questions = read_questions(path, language=language)
    if misplaced := find_misplaced(questions):
        first = misplaced[0]
        logger.warning(
            "%s/%s: %d answers do not stand at their offset; they count all the same, for texts are compared. The "
            "first: question %s, %r",
            *(test.dataset, language, len(misplaced), first.question_id, printable(first.answer.text)),
        )
    return QuestionSet(test.dataset, language, scorer, tuple(questions))
