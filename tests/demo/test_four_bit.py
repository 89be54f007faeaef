"""The 4-bit file of weights, written by hand after its layout."""

import struct

import numpy as np
import pytest
import torch

from clism_core.demo.four_bit import read_bert

HIDDEN, INNER, VOCABULARY, POSITIONS = 8, 16, 12, 4


def matrices() -> dict[str, tuple[int, ...]]:
    """Shapes of the matrices of a one-layer encoder, by their names in the file."""
    square = {f"l0.{name}.w": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")}
    tables = {"emb.word": (VOCABULARY, HIDDEN), "emb.pos": (POSITIONS, HIDDEN)}
    return {**tables, **square, "l0.fi.w": (INNER, HIDDEN), "l0.fo.w": (HIDDEN, INNER)}


def vectors() -> dict[str, tuple[int, ...]]:
    """Shapes of the other tensors; the 16 weights of token types do not fill a block either."""
    biases = {f"l0.{name}.b": (HIDDEN,) for name in ("q", "k", "v", "ao", "fo")} | {"l0.fi.b": (INNER,)}
    norms = {f"l0.{name}.{part}": (HIDDEN,) for name in ("aln", "oln") for part in "wb"}
    return {**biases, **norms, "emb.type": (2, HIDDEN), "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}


def four_bits(weights: list[int], scale: float) -> bytes:
    """Return 32 weights from -8 to 7 as a block: weight i and weight i + 16 share a byte."""
    halves = [weight + 8 for weight in weights]
    return struct.pack("<e", scale) + bytes(low | high << 4 for low, high in zip(halves[:16], halves[16:], strict=True))


def write(values: dict[str, np.ndarray], scales: dict[str, list[float]]) -> bytes:
    """Return the file: matrices in blocks of `scales`, vectors in float32."""
    pieces = struct.pack("<i5iQ", 1, 2, 0, 1, 2, 3, 3) + bytes(4 * 3 + 4 * 2 + 3)
    tokenizer = pieces + struct.pack("<iI", 0, 5) + bytes(5)
    sizes = struct.pack("<7if", HIDDEN, 1, 2, INNER, VOCABULARY, POSITIONS, 2, 1e-12)
    head = b"E5S1" + struct.pack("<I", 1) + sizes + tokenizer
    blobs = {}
    for name, array in values.items():
        if name in scales:
            rows = array.reshape(-1, 32)
            blobs[name] = b"".join(four_bits(list(row), scale) for row, scale in zip(rows, scales[name], strict=True))
        else:
            blobs[name] = array.astype("<f4").tobytes()
    table_size = 4 + sum(2 + len(name) + 21 for name in blobs)
    offset, entries, body = len(head) + table_size, [], b""
    for name, blob in blobs.items():
        entry = struct.pack("<BIQQ", int(name in scales), values[name].size, offset + len(body), len(blob))
        entries.append(struct.pack("<H", len(name)) + name.encode() + entry)
        body += blob
    return head + struct.pack("<i", len(entries)) + b"".join(entries) + body


@pytest.fixture
def weights() -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Integers from -8 to 7 in blocks with scales that float16 has exactly, and float32 vectors."""
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {name: rng.integers(-8, 8, shape) for name, shape in matrices().items()}
    values |= {name: rng.standard_normal(shape).astype(np.float32) for name, shape in vectors().items()}
    scales = {name: [0.25 * (1 + i % 3) for i in range(values[name].size // 32)] for name in matrices()}
    return values, scales


def test_weights_are_the_scaled_halves(weights: tuple[dict[str, np.ndarray], dict[str, list[float]]]) -> None:
    values, scales = weights
    model = read_bert(write(values, scales))
    parameters = dict(model.named_parameters())

    def expected(name: str) -> torch.Tensor:
        array = values[name].astype(np.float32)
        if name in scales:
            array = (array.reshape(-1, 32) * np.array(scales[name], np.float32)[:, None]).reshape(array.shape)
        return torch.from_numpy(array)

    layer, embeddings = "encoder.layer.0", "embeddings"
    for name, parameter in {
        "emb.word": f"{embeddings}.word_embeddings.weight",
        "emb.type": f"{embeddings}.token_type_embeddings.weight",
        "emb.ln.b": f"{embeddings}.LayerNorm.bias",
        "l0.k.w": f"{layer}.attention.self.key.weight",
        "l0.ao.b": f"{layer}.attention.output.dense.bias",
        "l0.aln.w": f"{layer}.attention.output.LayerNorm.weight",
        "l0.fi.w": f"{layer}.intermediate.dense.weight",
        "l0.fo.w": f"{layer}.output.dense.weight",
        "l0.oln.b": f"{layer}.output.LayerNorm.bias",
    }.items():
        torch.testing.assert_close(parameters[parameter].detach(), expected(name), rtol=0, atol=0)
    config = model.config
    assert (config.num_attention_heads, config.layer_norm_eps, config.pad_token_id) == (2, 1e-12, 1)
    assert model(torch.tensor([[0, 5, 2]])).last_hidden_state.shape == (1, 3, HIDDEN)


def test_a_file_without_a_tensor_or_of_another_kind_is_refused(
    weights: tuple[dict[str, np.ndarray], dict[str, list[float]]],
) -> None:
    values, scales = weights
    del values["l0.v.b"]
    with pytest.raises(ValueError, match=r"no weights of encoder.layer.0.attention.self.value.bias$"):
        read_bert(write(values, scales))
    with pytest.raises(ValueError, match="not a file of weights"):
        read_bert(b"PK\x03\x04" + bytes(100))
