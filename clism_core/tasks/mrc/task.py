"""Definition of the task xMRC."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from clism_core.tasks.mrc import squad_scorer as squad
from clism_core.tasks.mrc.answer_offsets import find_misplaced, for_training, warn_about
from clism_core.tasks.mrc.batches import InputFormat, QuestionBatch, collate
from clism_core.tasks.mrc.config import MrcConfig, mrc_problems
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.mrc.squad_format import Question, mlqa_languages, read_questions
from clism_core.tasks.mrc.test_data import QuestionSet, read_question_set
from clism_core.tasks.mrc.windows import TRAINING_SCHEMA, QuestionEncoder
from clism_core.tasks.task import CardTexts, RecordFields, Source, Task
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.data.indexed_rows import Row
from clism_core.utils.errors import InputError


class QuestionAnswering(Task[MrcConfig, Question, MrcModel]):
    """Extractive question answering: the answer is a span of the passage."""

    model = MrcModel
    predictor = MrcPredictor
    training_schema = TRAINING_SCHEMA
    encoder_warnings: ClassVar[Mapping[str, str]] = {
        "cut_questions": "questions exceed --mrc.max_question_length and are truncated",
        "widened_answers": "answers start or end within a token and are extended to whole tokens",
        "left_out_questions": "questions are omitted: no window contains a whole answer",
    }
    record_fields = RecordFields({"question": "text", "context": "text"})
    output_schema = pa.schema(
        [("answer", pa.string()), ("score", pa.float64()), ("start", pa.int64()), ("end", pa.int64())]
    )
    predict_options: ClassVar[Mapping[str, int]] = {"n_best": 1}
    input_example: ClassVar[Sequence[dict[str, Any]]] = (
        {"question": "Where was Mary Smith born?", "context": "Mary Smith was born in Paris in 1984."},
    )
    scorer = squad.SCORER
    example_dataset = "xquad"
    card = CardTexts(
        title="Cross-lingual question answering",
        pipeline_tag="question-answering",
        outputs="`answer`, `score` (a probability), `start` and `end` (code points of the context, end exclusive)",
        with_que="with `[QUE]` after the question",
    )

    def problems(self, config: MrcConfig) -> Iterator[str]:
        """Yield the problems of the options, one message each."""
        return mrc_problems(config)

    def read_training(
        self,
        sources: Iterable[Source],
        config: MrcConfig,  # noqa: ARG002
        *,
        language: str,
        encoding: str,  # noqa: ARG002
    ) -> tuple[list[Question], dict[str, int]]:
        """Return the questions whose answers are at their offsets, and counts of the omitted ones."""
        # training files are often merged from several and have duplicate ids, which only evaluation uses
        questions = [each for source in sources for each in read_questions(source, language=language, unique_ids=False)]
        usable = for_training(questions)
        omitted = len(questions) - len(usable)
        warn_about("--train", questions, misplaced=f" and are omitted, and with them {omitted} questions")
        return usable, {"misplaced_answers": len(find_misplaced(questions)), "misplaced_questions": omitted}

    def read_development(
        self,
        sources: Iterable[Source],
        config: MrcConfig,  # noqa: ARG002
        *,
        language: str,
        encoding: str,  # noqa: ARG002
    ) -> list[Question]:
        """Return the questions, whose ids are unique."""
        by_id = {}
        for question in (each for source in sources for each in read_questions(source, language=language)):
            if question.id in by_id:
                raise InputError(f"--dev: question {question.id!r} is in two of the files; give each question once")
            by_id[question.id] = question
        questions = list(by_id.values())
        warn_about("--dev", questions, misplaced=", but are scored nevertheless, because texts are compared")
        return questions

    def content(self, example: Question) -> tuple[str, str]:
        """Return the question and its passage."""
        return example.question, example.context

    def encoder(
        self, tokenizer: PreTrainedTokenizerBase, config: MrcConfig
    ) -> Callable[[Question], tuple[list[Row], dict[str, int]]]:
        """Return the function from a question to the windows that contain its answer."""
        return QuestionEncoder(tokenizer, config).encode_example

    def development_inputs(
        self, tokenizer: PreTrainedTokenizerBase, config: MrcConfig
    ) -> Callable[[Question], list[list[int]]]:
        """Return the function from a question to the token ids of its windows."""
        encode = QuestionEncoder(tokenizer, config)
        return lambda question: [each.input_ids for each in encode(question.question, question.context).windows]

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[Row]], QuestionBatch]:
        """Return the function that pads windows into a batch."""
        return partial(collate, input_format=InputFormat.of(tokenizer))

    def development_set(self, examples: Sequence[Question], language: str) -> QuestionSet:
        """Return the questions as a test set with the SQuAD 1.1 scorer."""
        return QuestionSet("dev", language, squad.SCORER, tuple(examples))

    def read_test_set(
        self,
        test: TestSetConfig,
        source: Source,
        language: str,
        config: MrcConfig,  # noqa: ARG002
    ) -> QuestionSet:
        """Read the questions of a file or of a split on the hub."""
        return read_question_set(test, source, language)

    def language_in_name(self, path: str) -> str | None:
        """Return the languages in an MLQA file name: `ar-de` for Arabic passages and German questions."""
        languages = mlqa_languages(path)
        return None if languages is None else "-".join(languages)

    def describe(self, record: Mapping[str, Any], prediction: Mapping[str, Any]) -> str:
        """Return the question, its answer and the answer's score."""
        return f"{record['question']}  ->  {prediction['answer']}  ({prediction['score']:.2f})"


MRC = QuestionAnswering()
