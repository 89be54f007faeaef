"""Configuration of word alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from clism_core.preparation.alignment.symmetrize import Symmetrization
from clism_core.utils.fields import Incidental

AlignerKind = Literal["eflomal", "embedding", "combination", "pharaoh"]
ALIGNERS: dict[AlignerKind, str] = {
    "eflomal": "clism_core.preparation.alignment.eflomal:EflomalAligner",
    "embedding": "clism_core.preparation.alignment.embedding:EmbeddingAligner",
    "combination": "clism_core.preparation.alignment.combination:CombinationAligner",
    "pharaoh": "clism_core.preparation.alignment.pharaoh:PharaohAligner",
}
"""Module and class of each kind of aligner; torch and transformers are imported only for those that need them."""

EmbeddingMethod = Literal["grow", "argmax", "itermax"]


@dataclass
class AlignerConfig:
    """Word aligner and its settings; settings of other aligners are ignored."""

    kind: AlignerKind = "eflomal"
    """`eflomal`: statistical aligner comparable to GIZA++, trained on the corpus. `embedding`: similarity of an
    encoder's states. `combination`: both, with fewer errors than either, at the cost of the encoder. `pharaoh`: links
    read from the `alignment_path` of each corpus. See docs/alignment.md for measurements."""
    symmetrization: Symmetrization = "grow_diag"
    """Symmetrization of eflomal's two directions: `intersection` gives the fewest links and the fewest wrong ones,
    `union` the most; `grow_diag` and `grow_diag_final_and` lie in between."""
    train_pairs: Annotated[int, Ge(1)] = 200_000
    """Number of sentence pairs from which eflomal learns the priors of a language pair, sampled from its whole corpus.
    With the priors, every file of rows is aligned independently."""
    min_pairs: Annotated[int, Incidental(), Ge(0)] = 20_000
    """Number of sentence pairs to learn from, below which a warning is logged: eflomal's answers are then clearly worse
    than those of an encoder."""
    iterations: Annotated[int, Ge(1)] = 2
    """Iterations of eflomal's last model over a file of rows, after one of each simpler model. With priors, two are as
    good as ten."""
    seed: int | None = 0
    """Seed of eflomal, for reproducible links; needs a C compiler. null: the system's random numbers."""
    model: str = "bert-base-multilingual-cased"
    """Encoder for `embedding` and `combination`: a hub id, a folder, `models:/...`, `runs:/...` or `s3://...`."""
    layer: int = 8
    """Layer whose states are compared: 0 for the embeddings, 1 for the first layer, -1 for the last. SimAlign: 8 of
    12."""
    method: EmbeddingMethod = "grow"
    """Link extraction of `embedding`. `argmax`: words that are each other's most similar; `itermax`: also the most
    similar of the remaining words (more links, more wrong ones); `grow`: the links of `argmax` and those of `itermax`
    adjacent to them."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Sentence pairs per batch of the encoder."""
