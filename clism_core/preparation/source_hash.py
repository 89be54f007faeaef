"""Hash of a sample's source sentence, which decides whether the sample is held out."""

import unicodedata
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clism_core.preparation.schema import SAMPLE_SCHEMA
from clism_core.utils.digests import text_hash

SOURCE_HASH = "source_hash"
SAMPLE_FILE_SCHEMA = SAMPLE_SCHEMA.append(pa.field(SOURCE_HASH, pa.uint64()))
"""`samples/*.parquet`. Data prepared by earlier versions have no `source_hash`."""


def normalise_source(text: str) -> str:
    """Return a form of a sentence that is equal for copies that differ in case, width or white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def source_hashes(sources: Iterable[str]) -> npt.NDArray[np.uint64]:
    """Return the unsigned 64-bit hash of each normalised source sentence."""
    return np.array([text_hash(normalise_source(source)) for source in sources], dtype=np.uint64)


def add_source_hash(samples: pa.Table) -> pa.Table:
    """Return samples with the column `source_hash` as their last one."""
    hashes = source_hashes(samples["source"].to_pylist())
    return samples.append_column(SOURCE_HASH, pa.array(hashes, pa.uint64()))
