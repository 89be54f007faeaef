"""How word alignments are made."""

from dataclasses import dataclass
from typing import Literal

from clism_core.data.alignment.symmetrize import Symmetrization


@dataclass
class AlignerConfig:
    """Which word aligner, and its settings; those of the other aligners are not used."""

    kind: Literal["eflomal", "embedding", "pharaoh"] = "eflomal"
    """`eflomal`: a statistical aligner of GIZA++'s class over all pairs of a language pair. `embedding`: similarity of
    an encoder's states. `pharaoh`: read from the `alignment_path` of each corpus."""
    symmetrization: Symmetrization = "grow_diag_final_and"
    """How eflomal's two directions become one: `intersection` has fewer links and fewer wrong ones."""
    model: str = "bert-base-multilingual-cased"
    """Encoder of the embedding aligner: a hub id, a folder, `models:/...`, `runs:/...` or `s3://...`."""
    layer: int = 8
    """Layer whose states are compared: 0 the embeddings, 1 the first layer, -1 the last. SimAlign: 8 of 12."""
    method: Literal["argmax", "itermax"] = "argmax"
    """Embedding aligner: mutual best sub-words, or those of repeated rounds over what is left (more links)."""
    batch_size: int = 32
    """Sentence pairs that the encoder sees at once."""
