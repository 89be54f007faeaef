"""The demo's model and data, made on the spot: what `--model demo` and `--data demo` stand for."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from clism_core.demo.corpus import DemoCorpusConfig, write_corpus
from clism_core.demo.encoder import DemoEncoderConfig, build_encoder
from clism_core.demo.names import SOURCE_LANGUAGE
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.eflomal import find_program
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.prepare import plan, prepare
from clism_core.utils.errors import InputError

logger = logging.getLogger(__name__)


@dataclass
class DemoConfig:
    """Sizes of the demo."""

    corpus: DemoCorpusConfig = field(default_factory=DemoCorpusConfig)
    """The generated parallel corpus."""
    encoder: DemoEncoderConfig = field(default_factory=DemoEncoderConfig)
    """The small encoder."""


def demo_folders(folder: Path) -> tuple[Path, Path]:
    """Return where `build_demo` puts the encoder and the prepared data."""
    return folder / "encoder", folder / "prepared"


def build_demo(config: DemoConfig, folder: Path) -> tuple[Path, Path]:
    """Write corpus, encoder and prepared data into `folder`; what is there already is kept.

    Without the program eflomal, words are aligned by the encoder's own embeddings.

    Returns:
        the folders of the encoder and of the prepared data.
    """
    encoder, prepared = demo_folders(folder)
    files = write_corpus(config.corpus, folder / "corpus")
    logger.info("demo: wrote %d parallel corpora to %s", len(files), folder / "corpus")
    if not (encoder / "tokenizer.json").exists():
        build_encoder(config.encoder, files, encoder)
        logger.info("demo: made a tokenizer and a small encoder in %s", encoder)
    corpora = [
        CorpusConfig(
            path=str(file),
            source_lang=SOURCE_LANGUAGE,
            target_lang=file.stem.removeprefix(f"{SOURCE_LANGUAGE}-"),
            header=True,
            source_column="source",
            target_column="target",
            origin_column="origin",
        )
        for file in files
    ]
    prepare(plan(PrepareConfig(corpora=corpora, output=str(prepared), aligner=_aligner(encoder))))
    return encoder, prepared


def _aligner(encoder: Path) -> AlignerConfig:
    try:
        find_program()
    except InputError:
        logger.warning("demo: eflomal is not installed (it needs a C compiler); words are aligned by embeddings")
        return AlignerConfig(kind="embedding", model=str(encoder), layer=0)
    return AlignerConfig(kind="eflomal")
