"""Definition of the task xNER."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa
from transformers import PreTrainedTokenizerBase

from clism_core.model.tokenizer import special_id
from clism_core.tasks.ner import conlleval
from clism_core.tasks.ner.batches import TagBatch, collate
from clism_core.tasks.ner.config import NerConfig, ner_problems
from clism_core.tasks.ner.conll_format import Sentence, TaggedFile, read_tagged
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.predictor import NerPredictor
from clism_core.tasks.ner.test_data import TaggedSet, read_tagged_set
from clism_core.tasks.ner.windows import TRAINING_SCHEMA, SentenceEncoder
from clism_core.tasks.task import CardTexts, RecordFields, Source, Task
from clism_core.tasks.test_data import TestSetConfig
from clism_core.training.data.indexed_rows import Row

logger = logging.getLogger(__name__)

_ENTITY = pa.struct(
    [
        ("label", pa.string()),
        ("text", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("score", pa.float64()),
    ]
)


class EntityRecognition(Task[NerConfig, Sentence, NerModel]):
    """Named entity recognition: tokens are tagged as parts of entities."""

    model = NerModel
    predictor = NerPredictor
    training_schema = TRAINING_SCHEMA
    encoder_warnings: ClassVar[Mapping[str, str]] = {
        "windowed_sentences": "sentences exceed --ner.max_length and are split into windows",
        "cut_words": "words exceed the length of an input and are truncated",
        "unknown_words": "words are or contain the unknown token",
    }
    record_fields = RecordFields({"text": "text", "tokens": "tokens"}, needed="one")
    output_schema = pa.schema([("entities", pa.list_(_ENTITY))])
    input_example: ClassVar[Sequence[dict[str, Any]]] = (
        {"text": "Mary Smith was born in Paris."},
        {"tokens": ["Mary", "Smith", "lives", "in", "Berlin", "."]},
    )
    scorer = conlleval.SCORER
    example_dataset = "conll"
    card = CardTexts(
        title="Cross-lingual named entity recognition",
        pipeline_tag="token-classification",
        outputs="`entities`: `label`, `text`, `start` and `end` (code points of the text, end exclusive) and `score`",
        with_que="with `[QUE]` after the sentence",
    )

    def problems(self, config: NerConfig) -> Iterator[str]:
        """Yield the problems of the options, one message each."""
        return ner_problems(config)

    def read_training(
        self,
        sources: Iterable[Source],
        config: NerConfig,
        *,
        language: str,  # noqa: ARG002
        encoding: str,
    ) -> tuple[list[Sentence], dict[str, int]]:
        """Return the sentences and the number of repaired tags."""
        files = list(_read(sources, "--train", config, encoding=encoding))
        repaired = sum(file.repaired for file in files)
        if repaired:
            logger.warning("--train: %d tags violate their scheme and are read as conlleval reads them", repaired)
        return [sentence for file in files for sentence in file.sentences], {"repaired_tags": repaired}

    def read_development(
        self,
        sources: Iterable[Source],
        config: NerConfig,
        *,
        language: str,  # noqa: ARG002
        encoding: str,
    ) -> list[Sentence]:
        """Return the sentences."""
        files = _read(sources, "--dev", config, encoding=encoding)
        return [sentence for file in files for sentence in file.sentences]

    def content(self, example: Sentence) -> tuple[str, ...]:
        """Return the tokens."""
        return example.tokens

    def encoder(
        self, tokenizer: PreTrainedTokenizerBase, config: NerConfig
    ) -> Callable[[Sentence], tuple[list[Row], dict[str, int]]]:
        """Return the function from a sentence to its windows."""
        return SentenceEncoder(tokenizer, config).encode_example

    def development_inputs(
        self, tokenizer: PreTrainedTokenizerBase, config: NerConfig
    ) -> Callable[[Sentence], list[list[int]]]:
        """Return the function from a sentence to the token ids of its windows."""
        encoder = SentenceEncoder(tokenizer, config)
        return lambda sentence: [window.input_ids for window in encoder.windows(sentence.tokens)]

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[Row]], TagBatch]:
        """Return the function that pads windows into a batch."""
        return partial(collate, pad_id=special_id(tokenizer, "pad"))

    def development_set(self, examples: Sequence[Sentence], language: str) -> TaggedSet:
        """Return the sentences as a test set with the scorer conlleval."""
        return TaggedSet("dev", language, tuple(examples))

    def read_test_set(self, test: TestSetConfig, source: Source, language: str, config: NerConfig) -> TaggedSet:
        """Read the sentences of a file or of a split on the hub."""
        return read_tagged_set(test, source, language, types=config.types)

    def describe(self, record: Mapping[str, Any], prediction: Mapping[str, Any]) -> str:
        """Return the sentence and its entities."""
        entities = ", ".join(f"{entity['text']} ({entity['label']})" for entity in prediction["entities"])
        return f"{record.get('text') or record['tokens']}  ->  {entities or 'no entities'}"


def _read(sources: Iterable[Source], option: str, config: NerConfig, *, encoding: str) -> Iterator[TaggedFile]:
    """Yield the content of each source of an option, and warn about those without entities."""
    for source in sources:
        file = read_tagged(source, encoding=encoding, types=config.types)
        file.warn_without_entities(f"{option}: {source if isinstance(source, str) else source.title}")
        yield file


NER = EntityRecognition()
