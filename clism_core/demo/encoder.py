"""A small multilingual encoder for the demo, in place of one that others have pre-trained for weeks.

It has XLM-R's architecture and tokenizer class. Its tokenizer is made from the demo corpus. What a pre-trained
multilingual encoder would know is where its weights start: words that translate each other are near each other
(cross-lingual sentence-ID vectors), so are neighbouring positions (sinusoids), and half of the attention heads look for
tokens that are alike. All other weights are random.
"""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import svds
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaSelfAttention

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
"""Code points that the tokenizer knows in any case: what is written in the demo's languages has no `<unk>`."""

POSITION_SCALE = 0.3
"""Starting size of position embeddings over that of word embeddings: smaller, so that the embedding layer, which the
embedding aligner compares words by, tells words from each other and not places."""

LONGEST_WAVE = 1000
"""Positions, times 2 pi, of the slowest wave that position embeddings start from."""

MATCHING_LOGIT = 16.0
"""Starting attention logit, before its scaling, of two equal states in the heads that look for what is alike."""

NEGLIGIBLE = 1e-5
"""Length below which a vector is rounding error."""


@dataclass
class DemoEncoderConfig:
    """Size of the demo's encoder."""

    vocab_size: int = 3000
    """Tokens at most, special ones included. So few that names are made of pieces which other names share: the held-out
    part has names of its own."""
    hidden_size: int = 128
    """Width of the token states."""
    num_hidden_layers: int = 4
    """Transformer layers."""
    num_attention_heads: int = 4
    """Attention heads of a layer."""
    intermediate_size: int = 512
    """Width of the feed-forward layers."""
    max_position_embeddings: int = 514
    """Positions; as in XLM-R, two more than the tokens of the longest input."""
    dropout: float = 0.1
    """Share of states and of attention weights dropped in training."""
    seed: int = 0
    """Decides the weights that start at random."""


def build_encoder(config: DemoEncoderConfig, corpus_files: Sequence[Path], folder: Path) -> None:
    """Write an encoder for `AutoModel` and `AutoTokenizer` into `folder`, made from the training rows of demo corpora.

    `corpus_files` are what `write_corpus` wrote; rows of origin "held_out" are not looked at. The same config and files
    give the same encoder.
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
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def build_tokenizer(texts: Sequence[str], *, vocab_size: int) -> XLMRobertaTokenizer:
    """Return an XLM-R tokenizer whose pieces are learnt from `texts`.

    The pieces are found by byte-pair merges and scored by their frequency: the library's own unigram trainer takes only
    strings that several different words share, which in so small a vocabulary leaves "the" without a piece. No piece
    has both letters and punctuation: a name is made of the same pieces wherever it stands in a sentence.
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
    """Return cross-lingual token vectors [vocab_size, size], of unit length, or zero for tokens that do not occur.

    `pairs` are the token ids of sentences that translate each other. A token's features are the pairs in which it
    stands, in either language, weighted by positive pointwise mutual information and reduced by a truncated SVD
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
    """Return vectors of positions [positions, size], of unit length: neighbours are alike, as they are after training.

    Those of Vaswani et al. 2017 (Attention is all you need, 3.5) with shorter waves, for the inputs are short, turned
    by a random rotation, for every axis has words on it.
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
    """Start word embeddings from `vectors`, as long as random ones are; tokens that have none stay random."""
    embeddings = model.embeddings
    length = model.config.initializer_range * vectors.shape[1] ** 0.5
    known = torch.from_numpy(vectors).norm(dim=1) > 0
    with torch.no_grad():
        embeddings.word_embeddings.weight[known] = torch.from_numpy(vectors)[known] * length
        embeddings.position_embeddings.weight.copy_(torch.from_numpy(positions) * length * POSITION_SCALE)
        embeddings.token_type_embeddings.weight.zero_()


def _start_attention(model: XLMRobertaModel, *, seed: int) -> None:
    """Let half of the heads of each layer attend to what is alike: query and key are one projection.

    The states have a length of sqrt(hidden_size), for they come from a layer normalisation.
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
