"""Configuration and rows of a parallel corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from annotated_types import Ge

from clism_core.preparation.schema import RejectReason
from clism_core.utils.language_pair import LanguagePair

FormatName = Literal["tsv", "moses", "tmx", "jsonl", "parquet", "hub"]


@dataclass
class CorpusConfig:
    """One parallel corpus; docs/corpora.md has an example of each format."""

    path: str
    """File, folder (read recursively; names that begin with . or _ are skipped) or glob with *, ? and [...]; local or
    s3://. For moses, the file of source sentences; for hub, the name of the data set. Several files are read in the
    order of their names. Text files that end in .gz, .zst or .bz2 are decompressed."""
    source_lang: str
    """Language of the source, by its shortest code, such as en or zh-TW. In TMX, en also matches en-US."""
    target_lang: str
    """Language of the target, such as ar."""
    format: FormatName = "tsv"
    """`tsv`: one pair per line, columns separated by tabs, no quoting. `moses`: two files; line i of one is the
    translation of line i of the other. `tmx`: translation memories. `jsonl`: one JSON object per line. `parquet`: one
    pair per row. `hub`: a data set of the Hugging Face Hub whose files are Parquet."""
    target_path: str | None = None
    """File of target sentences, for moses."""
    source_column: int | str = 1
    """Column of the source. tsv: number, from 1, or name in the header. jsonl, parquet and hub: name of the field;
    `translation.en` is the field `en` of the object `translation`."""
    target_column: int | str = 2
    """Column of the target, given like `source_column`."""
    origin_column: int | str | None = None
    """Column of a pair's origin, given like `source_column` and passed on as `origin`; None if there is none."""
    encoding: str = "utf-8"
    """tsv, moses and jsonl: encoding of the text, such as cp1252 or utf-16, by its name in Python."""
    header: bool = False
    """Whether the first line of each TSV file holds the column names."""
    max_pairs: Annotated[int | None, Ge(1)] = None
    """Number of pairs to read from the start of the corpus; the rest is only counted. None reads all."""
    alignment_path: str | None = None
    """Word alignments in Pharaoh format (`0-0 1-2`), line i for pair i of the corpus (not counting a header), over
    words separated by white space. Read by the aligner `pharaoh`. Not available for a corpus of several files."""
    alignment_base: Literal[0, 1] = 0
    """Number of the first word in `alignment_path`."""
    subset: str | None = None
    """hub: configuration of the data set, such as ar-en; None if it has only one."""
    split: str = "train"
    """hub: split of the data set."""
    revision: str | None = None
    """hub: commit, tag or branch of the data set, such as refs/convert/parquet, the hub's Parquet conversion; None for
    the main branch."""

    @property
    def pair(self) -> str:
        """Language pair, such as en-ar."""
        return str(LanguagePair(self.source_lang, self.target_lang))


class RawRow(NamedTuple):
    """Row of a corpus before cleaning; invalid UTF-8 is replaced by U+FFFD."""

    path: str
    """File of the row; for a hub data set, its name, subset and split."""
    line: int
    """Number, from 1, of the line, of the `tu` in a TMX file, or of the row in a Parquet file or data set."""
    source: str | None = None
    target: str | None = None
    origin: str | None = None
    alignment: str | None = None
    """Given alignment links, such as `0-0 1-2`."""
    reason: RejectReason | None = None
    """Reason why the row could not be read; if there is one, the texts may be None."""
