"""The demo's inputs in one folder: parallel corpora, prepared data, a small encoder, and labelled data with test sets.

Presets refer to them below `$CLISM_HOME`, as in `data: $CLISM_HOME/demo/prepared`. Jobs with such presets call
`write_missing_inputs`, so that `python jobs/pretrain.py` works in a new home folder. Only prepared data needs a
connection to Ray.
"""

import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clism_core.cluster.connect import check_shared
from clism_core.demo.corpus import DemoCorpusConfig, write_corpus
from clism_core.demo.encoder import DemoEncoderConfig, build_encoder
from clism_core.demo.entities import DemoEntitiesConfig, write_entities
from clism_core.demo.names import SOURCE_LANGUAGE
from clism_core.demo.pretrained import DIGESTS, is_intact, link_encoder, pretrained_encoder
from clism_core.demo.questions import DemoQuestionsConfig, write_questions
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.alignment.eflomal import find_program
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.prepare import plan, prepare
from clism_core.utils.errors import InputError, UnavailableError
from clism_core.utils.fields import Input, walk
from clism_core.utils.home import home
from clism_core.utils.storage import absolute, is_local, read_json, write_json

logger = logging.getLogger(__name__)

PARTS: Mapping[str, Collection[str]] = {
    "corpus": ("corpus",),
    "encoder": ("corpus", "encoder"),
    "prepared": ("corpus", "encoder"),
    "questions": ("questions",),
    "entities": ("entities",),
}
"""Subfolders in the order in which they are written, with the fields of `DemoConfig` that they depend on."""
PRETRAINED_ALIGNMENT_LAYER = 5
"""Layer of the pre-trained encoder that aligns words best: of the links of names in Arabic, 93 % are within the name's
translation, and 79 % at layer 0."""
NOTE = "demo.json"
"""File that lists the parts with their sizes; null for a part that is not finished."""


@dataclass
class DemoConfig:
    """The demo: generated data and a small encoder, and the jobs that use them."""

    output: str = ""
    """Local folder for the inputs. Existing parts with the same sizes are kept, others are replaced. Empty:
    CLISM_HOME/demo, or CLISM_HOME/demo-DIGEST if the sizes are not the defaults."""
    run_jobs: bool = True
    """Whether to run pretrain, finetune, evaluate and predict on the inputs; false: only write the inputs."""
    corpus: DemoCorpusConfig = field(default_factory=DemoCorpusConfig)
    """Size of the generated parallel corpora."""
    encoder: DemoEncoderConfig = field(default_factory=DemoEncoderConfig)
    """The encoder."""
    questions: DemoQuestionsConfig = field(default_factory=DemoQuestionsConfig)
    """Numbers of questions for question answering."""
    entities: DemoEntitiesConfig = field(default_factory=DemoEntitiesConfig)
    """Numbers of sentences for named entity recognition."""

    def sizes(self, part: str | None = None) -> dict[str, Any]:
        """Return the sizes that a part depends on, or all of them."""
        names = ("corpus", "encoder", "questions", "entities") if part is None else PARTS[part]
        return {name: dataclasses.asdict(getattr(self, name)) for name in names}


FOLDERS: Mapping[str, DemoConfig] = {
    "demo": DemoConfig(),
    "demo-random": DemoConfig(encoder=DemoEncoderConfig(kind="random")),
    "demo-small": DemoConfig(
        encoder=DemoEncoderConfig(kind="random"),
        corpus=DemoCorpusConfig(pairs_per_language=600, questions_per_language=100, held_out_pairs_per_language=60),
        questions=DemoQuestionsConfig(train=512, dev=60, test=40, known_names_test=40),
        entities=DemoEntitiesConfig(train=512, dev=60, test=40, known_names_test=40),
    ),
}
"""Sizes of the inputs of presets, by folder below the home folder: of the demo, of sweeps, of studies."""


def demo_folder(config: DemoConfig) -> Path:
    """Return the absolute path of the folder for the inputs.

    Raises:
        InputError: if `output` is not a local folder.
    """
    if not is_local(config.output):
        raise InputError(f"--output {config.output}: must be a local folder, to write the demo's inputs to")
    if config.output:
        return Path(absolute(config.output))
    if config.sizes() == FOLDERS["demo"].sizes():
        return home() / "demo"
    digest = hashlib.sha256(json.dumps(config.sizes(), sort_keys=True).encode()).hexdigest()
    return home() / f"demo-{digest[:8]}"


def write_missing_inputs(config: Any) -> None:
    """Write the demo inputs that a job's configuration refers to and that do not exist yet.

    Finished parts are kept, whatever their sizes, and so are folders that the demo did not write.

    Args:
        config: configuration of a job, with absolute paths. Paths below a folder of `FOLDERS` in the home folder are
            inputs of the demo.
    """
    inputs = [field.value for field in walk(config) if field.is_marked(Input) and isinstance(field.value, str)]
    for name, sizes in FOLDERS.items():
        folder = home() / name
        parts = [part for part in PARTS if any(Path(path).is_relative_to(folder / part) for path in inputs)]
        if parts:
            write_demo(sizes, folder, parts, replace=False)


def write_demo(
    config: DemoConfig, folder: Path, parts: Collection[str] = tuple(PARTS), *, replace: bool = True
) -> None:
    """Write parts of the demo's inputs, and the parts that they depend on, into `folder`.

    Finished parts with the same sizes are kept; a pre-trained encoder is verified, and replaced if it is damaged.
    Concurrent processes wait for each other. `prepared` needs a connection to Ray. Without the program eflomal, words
    are aligned by the encoder's own embeddings.

    Args:
        config: sizes of the parts.
        folder: local folder.
        parts: names of the parts.
        replace: whether to replace finished parts with other sizes and to write into folders of other origin; if not,
            they are kept.

    Raises:
        UnavailableError: if a pre-trained encoder is required but cannot be downloaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = str(folder / NOTE)
    needed = {name for part in parts for name in (part, *PARTS[part])}
    with _lock(folder):
        begun = read_json(note) if (folder / NOTE).exists() else {}
        if begun.get("encoder") and not _is_intact(folder / "encoder"):
            logger.warning("demo: %s is damaged", folder / "encoder")
            begun["encoder"] = None
        if "encoder" in needed:
            kept = None if replace else begun.get("encoder")
            config = dataclasses.replace(config, encoder=_available(config.encoder, kept=kept))
        for part in (part for part in PARTS if part in needed):
            sizes = config.sizes(part)
            for other in set(PARTS[part]) - {part}:
                sizes |= begun.get(other) or {}
            exists, finished = (folder / part).exists(), begun.get(part)
            if exists and finished == sizes:
                continue
            if exists and not replace and (finished or part not in begun):
                logger.info("demo: keeping %s, which is not the preset's; jobs/demo.py writes it again", folder / part)
                continue
            write_json(note, begun | {part: None})
            if exists and finished:
                logger.info("demo: replacing %s, which has other sizes", folder / part)
                shutil.rmtree(folder / part)
            logger.info("demo: writing %s", folder / part)
            _write_part(part, config, folder)
            begun[part] = sizes
            write_json(note, begun)


def _lock(folder: Path) -> AbstractContextManager[object]:
    lock = FileLock(folder / "demo.lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        logger.info("demo: waiting for another process that writes to %s", folder)
        return lock.acquire()


def _is_intact(encoder: Path) -> bool:
    return is_intact(encoder) if (encoder / DIGESTS).exists() else encoder.is_dir()


def _available(encoder: DemoEncoderConfig, *, kept: Mapping[str, Any] | None) -> DemoEncoderConfig:
    """Return the configuration with the kind of encoder that can be written, for the kind `auto` that of the kept one.

    Args:
        encoder: the configuration.
        kept: sizes of the encoder that exists and is kept, as in the note; None if one may be written.
    """
    if encoder.kind == "random":
        return encoder
    if kept is not None:
        return dataclasses.replace(encoder, kind=kept["encoder"]["kind"]) if encoder.kind == "auto" else encoder
    try:
        pretrained_encoder()
    except UnavailableError as error:
        if encoder.kind == "pretrained":
            raise UnavailableError(f"--encoder.kind pretrained: {error}") from error
        logger.warning("demo: no pre-trained encoder, so that all scores mean nothing: %s", error)
        return dataclasses.replace(encoder, kind="random")
    return dataclasses.replace(encoder, kind="pretrained")


def _write_part(part: str, config: DemoConfig, folder: Path) -> None:
    match part:
        case "corpus":
            write_corpus(config.corpus, folder / part)
        case "encoder" if config.encoder.kind == "pretrained":
            link_encoder(pretrained_encoder(), folder / part)
        case "encoder":
            build_encoder(config.encoder, _corpus_files(config, folder), folder / part)
        case "prepared":
            _prepare(_corpus_files(config, folder), aligner=_aligner(config, folder / "encoder"), output=folder / part)
        case "questions":
            write_questions(config.questions, folder / part)
        case "entities":
            write_entities(config.entities, folder / part)


def _corpus_files(config: DemoConfig, folder: Path) -> list[Path]:
    return [folder / "corpus" / f"{SOURCE_LANGUAGE}-{target}.tsv" for target in config.corpus.target_langs]


def _prepare(files: Collection[Path], *, aligner: AlignerConfig, output: Path) -> None:
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
    preparation = plan(PrepareConfig(corpora=corpora, output=str(output), aligner=aligner))
    check_shared(output=str(output), inputs=[], tracking=None)
    prepare(preparation)


def _aligner(config: DemoConfig, encoder: Path) -> AlignerConfig:
    try:
        find_program()
    except InputError:
        logger.warning("demo: eflomal is not installed (it needs a C compiler); words are aligned by embeddings")
        layer = 0 if config.encoder.kind == "random" else PRETRAINED_ALIGNMENT_LAYER
        return AlignerConfig(kind="embedding", model=str(encoder), layer=layer)
    return AlignerConfig(kind="eflomal", min_pairs=0)  # enough is less for sentences from a few templates
