"""Predictor of entities in texts and token sequences."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch.nn import functional

from clism_core.model.batching import batches_by_length
from clism_core.model.precision import Precision
from clism_core.model.tokenizer import special_id
from clism_core.tasks.ner.batches import collate
from clism_core.tasks.ner.conlleval import entities
from clism_core.tasks.ner.decoding import BioDecoder, Floats, entity_score
from clism_core.tasks.ner.labels import IGNORED
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.records import Words, check_tokens, read_record
from clism_core.tasks.ner.windows import SentenceEncoder, Window
from clism_core.tasks.predictor import BATCH_SIZE, Predicted, Predictor


class _Tagged(NamedTuple):
    """Valid BIO tags of a sentence, and the scores of its entities from left to right."""

    tags: list[str]
    scores: list[float]


class NerPredictor(Predictor[NerModel]):
    """Predictor that tags sentences."""

    def __init__(self, model: NerModel, *, batch_size: int = BATCH_SIZE, precision: Precision | None = None):
        super().__init__(model, batch_size=batch_size, precision=precision)
        self._encoder = SentenceEncoder(model.tokenizer, model.config)
        self._decoder = BioDecoder(model.labels)
        self._pad_id = special_id(model.tokenizer, "pad")

    def predict(self, records: Sequence[Mapping[str, Any]]) -> Predicted:
        """Return the entities of each record, in the order of the records.

        Args:
            records: mappings with either `text`, a string, or `tokens`, a list of strings; other keys are ignored. A
                text is split into words by `find_words`, similar to CoNLL: runs of letters and digits are words,
                punctuation is separate, hyphens join, and scripts without spaces are split into characters.

        Returns:
            for each record {"entities": [{"label", "text", "start", "end", "score"}]}, from left to right. For a text,
            `start` and `end` (exclusive) are code points, and `text` is `text[start:end]`; for tokens they are token
            numbers, and `text` is the tokens joined by spaces. `score`, 0 to 1, is the geometric mean of the
            probabilities of the entity's tags.

        Raises:
            InputError: if a record is invalid, naming its number (from 1) and its key.
            FloatingPointError: if the model's logits are not finite.
        """
        sentences = [read_record(record, place=f"record {number}") for number, record in enumerate(records, start=1)]
        tagged = self._tag([sentence.words for sentence in sentences])
        predictions = [
            {"entities": _entities(sentence, tags)} for sentence, tags in zip(sentences, tagged, strict=True)
        ]
        return Predicted(predictions, [False] * len(predictions))

    def outputs(self, records: Sequence[Mapping[str, Any]]) -> Predicted:
        """Return the tags of the records' tokens."""
        tags = self.tags([record["tokens"] for record in records])
        return Predicted(tags, [False] * len(tags))

    def tags(self, sequences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return one tag per token for each sequence of tokens, in valid BIO.

        Raises:
            InputError: if a token is empty or not a string, naming the number of its sequence (from 1).
            FloatingPointError: if the model's logits are not finite.
        """
        checked = [check_tokens(tokens, place=f"sequence {number}") for number, tokens in enumerate(sequences, start=1)]
        return [tagged.tags for tagged in self._tag(checked)]

    def _tag(self, sentences: Sequence[Sequence[str]]) -> list[_Tagged]:
        windows = [(number, w) for number, words in enumerate(sentences) for w in self._encoder.windows(words)]
        empty = np.zeros((0, len(self.model.labels)))
        parts: list[list[Floats]] = [[empty] for _ in sentences]
        log_probabilities = self._log_probabilities([window for _, window in windows])
        for (number, _), window_part in zip(windows, log_probabilities, strict=True):
            parts[number].append(window_part)
        return [self._decode(np.concatenate(sentence_parts)) for sentence_parts in parts]

    def _decode(self, log_probabilities_WL: Floats) -> _Tagged:
        path = self._decoder(log_probabilities_WL)
        tags = self.model.labels.tags(path)
        return _Tagged(
            tags, [entity_score(log_probabilities_WL, path, each.start, each.end) for each in entities(tags)]
        )

    def _log_probabilities(self, windows: Sequence[Window]) -> list[Floats]:
        """Return the log-probabilities [words, labels] of the words that each window predicts."""
        results: list[Floats] = [np.zeros(0)] * len(windows)
        with self.predicting():
            for numbers in batches_by_length([len(window.input_ids) for window in windows], self.batch_size):
                chosen = [windows[number] for number in numbers]
                for number, window, token_part in zip(numbers, chosen, self._forward(chosen), strict=True):
                    results[number] = token_part[window.positions]
        return results

    def _forward(self, windows: Sequence[Window]) -> Floats:
        """Return the log-probabilities [windows, tokens, labels] of one batch."""
        rows = [{"input_ids": each.input_ids, "labels": [IGNORED] * len(each.input_ids)} for each in windows]
        batch = collate(rows, pad_id=self._pad_id).to(self.precision.device)
        with self.precision.autocast():
            log_probabilities_BLC: Floats = functional.log_softmax(self.model.logits(batch), dim=-1).cpu().numpy()
        if not np.isfinite(log_probabilities_BLC).all():  # decoding would silently return no entities
            raise FloatingPointError(
                "the model's logits are not finite (NaN or infinite), so there is no best label: its weights are "
                "corrupt, or they overflow in fp16"
            )
        return log_probabilities_BLC


def _entities(sentence: Words, tagged: _Tagged) -> list[dict[str, Any]]:
    return [
        {"label": entity.label, **sentence.place(entity.start, entity.end), "score": score}
        for entity, score in zip(entities(tagged.tags), tagged.scores, strict=True)
    ]
