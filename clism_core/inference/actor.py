"""Actor of an evaluation: applies a model to records of test sets."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from clism_core.inference.predictor import load_predictor
from clism_core.model.batching import batches_by_length
from clism_core.model.encoder import load_plain_encoder
from clism_core.model.precision import best_device, prediction_precision
from clism_core.model.resolve import resolve_model
from clism_core.model.tokenizer import TextTokenizer
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.evaluation.sentence_vectors import SentenceVectors
from clism_core.tasks.predictor import Predictor
from clism_core.tasks.test_data import RETRIEVAL

RECORDS_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("language", pa.string()),
        ("number", pa.int64()),
        ("kind", pa.string()),
        ("record", pa.string()),
    ]
)
"""Schema of test records: number of the record, from 0, kind of the test set, and the record as JSON."""

OUTPUTS_SCHEMA = pa.schema(
    [
        *(RECORDS_SCHEMA.field(name) for name in ("dataset", "language", "number")),
        ("output", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("cut", pa.bool_()),
    ]
)
"""Schema of model outputs: `output`, an answer or tags as JSON, or the `vector` of a sentence; `cut` says whether the
question or sentence exceeded the maximum length of the model and was truncated."""


class Answerer:
    """State of an actor: loads a model once, on a GPU if there is one, and applies it to records.

    The model is loaded with the first records, because Ray does not pass on exceptions of a constructor.

    Args:
        model: a name that is resolved on every node.
        batch_size: maximum number of inputs in a forward pass.
    """

    def __init__(self, model: str, *, batch_size: int) -> None:
        self._model = model
        self._batch_size = batch_size

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return rows of `OUTPUTS_SCHEMA` for rows of `RECORDS_SCHEMA` from one test set."""
        records = [json.loads(record) for record in batch["record"].to_pylist()]
        outputs: list[str | None] = [None] * len(records)
        vectors: list[NDArray[np.float32] | None] = [None] * len(records)
        if batch["kind"][0].as_py() == RETRIEVAL:
            vectors[:], cut = self._embedder([record["text"] for record in records])
        else:
            results, cut = self._predictor.outputs(records)
            outputs[:] = map(json.dumps, results)
        columns = [batch["dataset"], batch["language"], batch["number"], pa.array(outputs, pa.string())]
        columns += [pa.array(vectors, pa.list_(pa.float32())), pa.array(cut, pa.bool_())]
        return pa.table(columns, schema=OUTPUTS_SCHEMA)

    @property
    def _folder(self) -> str:
        return resolve_model(self._model)

    @cached_property
    def _predictor(self) -> Predictor[Any]:
        return load_predictor(self._folder, batch_size=self._batch_size)

    @cached_property
    def _embedder(self) -> "Embedder":
        return Embedder(self._folder, batch_size=self._batch_size)


class Embedder:
    """Embeds sentences with the encoder of a folder or hub id, like the plain source in pre-training with CACR."""

    def __init__(self, folder: str, *, batch_size: int) -> None:
        device = best_device()
        encoder, tokenizer = load_plain_encoder(folder)
        self._batch_size = batch_size
        self._tokenizer = TextTokenizer(tokenizer)
        self._vectors = SentenceVectors(
            encoder.eval().to(device),
            tokenizer,
            max_length=MaskingConfig().max_length,
            precision=prediction_precision(device),
        )

    @torch.inference_mode()
    def __call__(self, sentences: Sequence[str]) -> tuple[list[NDArray[np.float32]], list[bool]]:
        """Return a vector for each sentence, and whether it was truncated; similar lengths share a forward pass."""
        tokens = [self._tokenizer(sentence).ids for sentence in sentences]
        by_place: dict[int, NDArray[np.float32]] = {}
        for places in batches_by_length([len(ids) for ids in tokens], self._batch_size):
            vectors = self._vectors([tokens[place] for place in places]).float().cpu().numpy()
            by_place.update(zip(places, vectors, strict=True))
        cut = [len(ids) > self._vectors.side_length for ids in tokens]
        return [by_place[place] for place in range(len(tokens))], cut
