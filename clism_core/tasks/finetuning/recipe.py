"""What fine-tuning has of its own: a task's model and batches, and the development data."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from clism_core.cluster.collectives import rank
from clism_core.model.precision import Precision
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.dev_evaluation import evaluate_questions, evaluate_sentences
from clism_core.tasks.mrc.batches import InputFormat, QuestionBatch
from clism_core.tasks.mrc.batches import collate as collate_questions
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.objective import SpanExtraction
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.mrc.squad_format import Question
from clism_core.tasks.ner.batches import TagBatch
from clism_core.tasks.ner.batches import collate as collate_sentences
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.objective import Tagging
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.training.data.indexed_rows import Row
from clism_core.training.recipe import BatchBuilder, Evaluation

logger = logging.getLogger(__name__)

PROBE_ROWS = 2


@dataclass(frozen=True)
class MrcRecipe:
    """Fine-tunes for question answering.

    Args:
        config: what to train; from its model training starts, and from any other name it goes on.
        dev: the questions of the development data.
        probe_rows: a few rows of the training data.
    """

    config: FinetuneConfig
    dev: "ray.ObjectRef[Sequence[Question]]"
    probe_rows: Sequence[Row]

    @property
    def weights(self) -> dict[str, float]:
        """The weight of the one objective."""
        return {SpanExtraction.name: 1.0}

    def load_model(self, name: str) -> MrcModel:
        """Return a new task model over the encoder that the run starts from, or the one of a checkpoint."""
        config = self.config
        if name != config.model:
            return MrcModel.load(name)
        model = MrcModel.begin(name, config.mrc, seed=config.seed, reinit_head=config.reinit_head)
        if rank() == 0:
            logger.info("the span head is %s", model.head_origin)
        return model

    def probe(self, model: MrcModel) -> QuestionBatch:
        """Return a batch of a few training rows."""
        return collate_questions(self.probe_rows, InputFormat.of(model.tokenizer))

    def batch_builder(self, model: MrcModel) -> BatchBuilder:
        """Return what pads windows to batches."""
        input_format = InputFormat.of(model.tokenizer)
        return lambda groups: collate_questions([row for group in groups for row in group], input_format)

    def evaluation(self, model: MrcModel, *, batch_size: int, precision: Precision) -> Evaluation:
        """Return the evaluation of the development data."""
        questions = ray.get(self.dev)
        predictor = MrcPredictor(model, batch_size=batch_size, precision=precision)
        return lambda: evaluate_questions(predictor, questions, language=self.config.language)


@dataclass(frozen=True)
class NerRecipe:
    """Fine-tunes for named entity recognition; the arguments are those of `MrcRecipe`."""

    config: FinetuneConfig
    dev: "ray.ObjectRef[Sequence[Sentence]]"
    probe_rows: Sequence[Row]

    @property
    def weights(self) -> dict[str, float]:
        """The weight of the one objective."""
        return {Tagging.name: 1.0}

    def load_model(self, name: str) -> NerModel:
        """Return a new task model over the encoder that the run starts from, or the one of a checkpoint."""
        config = self.config
        model = NerModel.begin(name, config.ner, seed=config.seed) if name == config.model else NerModel.load(name)
        model.use({Tagging.name: Tagging(model.tagger)})
        return model

    def probe(self, model: NerModel) -> TagBatch:
        """Return a batch of a few training rows."""
        return collate_sentences(self.probe_rows, pad_id=int(model.tokenizer.pad_token_id))

    def batch_builder(self, model: NerModel) -> BatchBuilder:
        """Return what pads sentences to batches."""
        pad_id = int(model.tokenizer.pad_token_id)
        return lambda groups: collate_sentences([row for group in groups for row in group], pad_id=pad_id)

    def evaluation(self, model: NerModel, *, batch_size: int, precision: Precision) -> Evaluation:
        """Return the evaluation of the development data."""
        sentences = ray.get(self.dev)
        predictor = NerPredictor(model, batch_size=batch_size, precision=precision)
        return lambda: evaluate_sentences(predictor, sentences, language=self.config.language)
