"""Registry of the corpus formats."""

from clism_core.preparation.corpus import hub, jsonl, moses, parquet, tmx, tsv
from clism_core.preparation.corpus.config import CorpusConfig, FormatName
from clism_core.preparation.corpus.format import Format

FORMATS: dict[FormatName, Format] = {
    "tsv": tsv.FORMAT,
    "moses": moses.FORMAT,
    "tmx": tmx.FORMAT,
    "jsonl": jsonl.FORMAT,
    "parquet": parquet.FORMAT,
    "hub": hub.FORMAT,
}


def format_of(config: CorpusConfig) -> Format:
    """Return the format of a corpus."""
    return FORMATS[config.format]
