"""How word alignments are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from clism_core.preparation.alignment.symmetrize import Symmetrization

AlignerKind = Literal["eflomal", "embedding", "combination", "pharaoh"]
ALIGNERS: dict[AlignerKind, str] = {
    "eflomal": "clism_core.preparation.alignment.eflomal:EflomalAligner",
    "embedding": "clism_core.preparation.alignment.embedding:EmbeddingAligner",
    "combination": "clism_core.preparation.alignment.combination:CombinationAligner",
    "pharaoh": "clism_core.preparation.alignment.pharaoh:PharaohAligner",
}
"""Aligners by kind, as module and class: torch and transformers are imported only for those that want them."""

EmbeddingMethod = Literal["grow", "argmax", "itermax"]


@dataclass
class AlignerConfig:
    """Which word aligner, and its settings; those of the other aligners are not used."""

    kind: AlignerKind = "eflomal"
    """`eflomal`: a statistical aligner of GIZA++'s class, which learns from the corpus. `embedding`: similarity of an
    encoder's states. `combination`: both, with fewer errors than either, at the cost of the encoder. `pharaoh`: read
    from the `alignment_path` of each corpus. docs/alignment.md measures them."""
    symmetrization: Symmetrization = "grow_diag"
    """How eflomal's two directions become one: `intersection` has the fewest links and the fewest wrong ones, `union`
    the most, `grow_diag` and `grow_diag_final_and` those between."""
    train_pairs: Annotated[int, Ge(1)] = 200_000
    """Sentence pairs of a language pair that eflomal learns its priors from, drawn from all of the corpus; with these
    every file of rows is aligned by itself."""
    iterations: Annotated[int, Ge(1)] = 2
    """Iterations of eflomal's last model over a file of rows, after one of each simpler model. With priors, two find
    what ten find."""
    seed: int | None = 0
    """Seed of eflomal: the same links every time. It takes a C compiler; null takes the system's random numbers."""
    model: str = "bert-base-multilingual-cased"
    """Encoder of `embedding` and `combination`: a hub id, a folder, `models:/...`, `runs:/...` or `s3://...`."""
    layer: int = 8
    """Layer whose states are compared: 0 the embeddings, 1 the first layer, -1 the last. SimAlign: 8 of 12."""
    method: EmbeddingMethod = "grow"
    """Of `embedding`: `argmax`, the words that are each other's best; `itermax`, those and the best of what is left
    (more links, more wrong ones); `grow`, the first and those of the second that are beside one of the first."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Sentence pairs that the encoder sees at once."""
