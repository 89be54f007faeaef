"""Entities of texts and of token sequences."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from clism_core.model.batching import batches_by_length
from clism_core.model.precision import Precision
from clism_core.tasks.ner.batches import collate
from clism_core.tasks.ner.conlleval import entities
from clism_core.tasks.ner.decoding import BioDecoder, Floats, entity_score
from clism_core.tasks.ner.labels import IGNORED
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.records import Words, check_tokens, read_record
from clism_core.tasks.ner.windows import SentenceEncoder, Window
from clism_core.tasks.predictor import BATCH_SIZE, Predicted, Predictor


class _Tagged(NamedTuple):
    """A sentence's valid BIO, and the score of each of its entities, from left to right."""

    tags: list[str]
    scores: list[float]


class NerPredictor(Predictor[NerModel]):
    """Tags sentences."""

    def __init__(self, model: NerModel, *, batch_size: int = BATCH_SIZE, precision: Precision | None = None):
        super().__init__(model, batch_size=batch_size, precision=precision)
        self._encoder = SentenceEncoder(model.tokenizer, model.config)
        self._decoder = BioDecoder(model.labels)
        self._pad_id = int(model.tokenizer.pad_token_id)

    def predict(self, records: Sequence[Mapping[str, Any]]) -> Predicted:
        """Return the entities of each record, in their order.

        Args:
            records: each has `text`, a string, or `tokens`, a list of strings; other keys are not looked at. The words
                of a text are those that `find_words` finds, as CoNLL cuts them: letters and digits run together,
                punctuation stands alone, hyphens join, and scripts without spaces are cut into characters.

        Returns:
            for each record {"entities": [{"label", "text", "start", "end", "score"}]}, from left to right. `start` and
            `end` (exclusive) are code points of a text, whose `text[start:end]` is `text`; of tokens they are token
            numbers, and `text` is these tokens with spaces between them. `score`, 0 to 1, is the geometric mean of the
            probabilities of the entity's tags.

        Raises:
            InputError: where a record is none of these, with its number (from 1) and its key.
            FloatingPointError: if the model's logits are not finite.
        """
        given = [read_record(record, place=f"record {number}") for number, record in enumerate(records, start=1)]
        tagged = self._tag([entry.words for entry in given])
        predictions = [{"entities": _entities(entry, found)} for entry, found in zip(given, tagged, strict=True)]
        return Predicted(predictions, [False] * len(predictions))

    def outputs(self, records: Sequence[Mapping[str, Any]]) -> Predicted:
        """Return the tags of the records' tokens."""
        tags = self.tags([record["tokens"] for record in records])
        return Predicted(tags, [False] * len(tags))

    def tags(self, sequences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return for each sequence of tokens as many tags, in valid BIO.

        Raises:
            InputError: where a token is empty or no string, with the number of its sequence (from 1).
            FloatingPointError: if the model's logits are not finite.
        """
        checked = [check_tokens(tokens, place=f"sequence {number}") for number, tokens in enumerate(sequences, start=1)]
        return [tagged.tags for tagged in self._tag(checked)]

    def _tag(self, sentences: Sequence[Sequence[str]]) -> list[_Tagged]:
        windows = [(number, w) for number, words in enumerate(sentences) for w in self._encoder.windows(words)]
        empty = np.zeros((0, len(self.model.labels)))
        parts: list[list[Floats]] = [[empty] for _ in sentences]
        log_probabilities = self._log_probabilities([window for _, window in windows])
        for (number, _), of_window in zip(windows, log_probabilities, strict=True):
            parts[number].append(of_window)
        return [self._decode(np.concatenate(of_sentence)) for of_sentence in parts]

    def _decode(self, log_probabilities_WL: Floats) -> _Tagged:
        path = self._decoder(log_probabilities_WL)
        tags = self.model.labels.tags(path)
        found = entities(tags)
        return _Tagged(tags, [entity_score(log_probabilities_WL, path, each.start, each.end) for each in found])

    def _log_probabilities(self, windows: Sequence[Window]) -> list[Floats]:
        """Return the log-probabilities [words, labels] of the words that each window predicts."""
        found: list[Floats] = [np.zeros(0)] * len(windows)
        was_training = self.model.training
        self.model.eval()
        for chosen in batches_by_length([len(window.input_ids) for window in windows], self.batch_size):
            inputs = [windows[number].input_ids for number in chosen]
            batch = collate([{"input_ids": ids, "labels": [IGNORED] * len(ids)} for ids in inputs], pad_id=self._pad_id)
            with torch.inference_mode(), self.precision.autocast():
                log_probabilities_BLC = (
                    functional.log_softmax(self.model.logits(batch.to(self.precision.device)), dim=-1).cpu().numpy()
                )
            if not np.isfinite(log_probabilities_BLC).all():  # which would be decoded as if there were no entities
                raise FloatingPointError(
                    "the model's logits are not finite, so that no label is the best: its weights are broken, or fp16 "
                    "is too narrow for them"
                )
            for number, of_tokens in zip(chosen, log_probabilities_BLC, strict=True):
                found[number] = of_tokens[windows[number].positions]
        self.model.train(was_training)
        return found


def _entities(given: Words, tagged: _Tagged) -> list[dict[str, Any]]:
    return [
        {"label": entity.label, **given.place(entity.start, entity.end), "score": score}
        for entity, score in zip(entities(tagged.tags), tagged.scores, strict=True)
    ]
