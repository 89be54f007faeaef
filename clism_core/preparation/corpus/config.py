"""What a corpus is, and what a row of it is."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from clism_core.preparation.schema import Reason


@dataclass
class CorpusConfig:
    """One parallel corpus; docs/corpora.md shows one of each format."""

    path: str
    """The corpus: a file, a folder (all files in it and below, but for names that begin with . or _) or a glob with
    *, ? and [...]; local or s3://. Of a Moses pair, the file of source sentences; of `hub`, the name of the data set.
    Several files are read in the order of their names. Text files that end in .gz or .zst are decompressed."""
    source_lang: str
    """Language code of the source, such as en. In TMX, en also finds en-US."""
    target_lang: str
    """Language code of the target, such as ar."""
    format: Literal["tsv", "moses", "tmx", "jsonl", "parquet", "hub"] = "tsv"
    """`tsv`: a pair a line, columns cut at tabs, no quoting. `moses`: two files, line i of one translates line i of the
    other. `tmx`: translation memories. `jsonl`: a JSON object a line. `parquet`: a pair a row. `hub`: a data set of the
    Hugging Face Hub whose files are Parquet."""
    target_path: str | None = None
    """The file of target sentences of a Moses pair."""
    source_column: int | str = 1
    """Where the source stands. tsv: the column's number, from 1, or its name in the header. jsonl, parquet and hub: the
    field's name; `translation.en` is the field `en` of the object `translation`."""
    target_column: int | str = 2
    """Where the target stands, likewise."""
    origin_column: int | str | None = None
    """Where it stands where a pair comes from, passed on as `origin`; likewise, None where there is none."""
    header: bool = False
    """Whether the first line of each TSV file names the columns."""
    max_pairs: int | None = None
    """Read so many pairs from the top of the corpus; the rest is only counted. None reads all."""
    alignment_path: str | None = None
    """Word alignments in Pharaoh format (`0-0 1-2`), line i for pair i of the corpus (a header is no pair), of words as
    white space cuts them. Read by the aligner `pharaoh`. A corpus of several files cannot have them."""
    subset: str | None = None
    """hub: which configuration of the data set, such as ar-en; None where it has only one."""
    split: str = "train"
    """hub: which split."""
    revision: str | None = None
    """hub: a commit, tag or branch of the data set, such as refs/convert/parquet, the hub's own conversion; None takes
    the main branch."""

    @property
    def pair(self) -> str:
        """The language pair, such as en-ar."""
        return f"{self.source_lang}-{self.target_lang}"


class RawRow(NamedTuple):
    """A row of a corpus as it stands there; bytes that are not UTF-8 have become U+FFFD."""

    path: str
    """The file in which it stands; of a hub data set, its name, subset and split."""
    line: int
    """Its number there, from 1: of the line, of the `tu` of a TMX file, of the row of a Parquet file or data set."""
    source: str | None = None
    target: str | None = None
    origin: str | None = None
    alignment: str | None = None
    """The given links, as `0-0 1-2`."""
    reason: Reason | None = None
    """Why the reader could make nothing of it; the texts may then be None."""
