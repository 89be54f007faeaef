"""Script that writes the kept data beside it, replacing what is there; see README.md.

    PYTHONPATH=.:jobs:tests .venv/bin/python tests/compatibility/write.py

It prepares a small corpus, trains a tiny encoder on it, and keeps the run as an interruption after its only regular
checkpoint would have left it, with the losses of the steps after it.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import spacy
from mlflow import MlflowClient
from tiny import write_encoder

from clism_core.cluster.connect import connect
from clism_core.preparation.alignment.config import AlignerConfig
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import CorpusConfig
from clism_core.preparation.entities import EntitiesConfig
from clism_core.preparation.prepare import plan, prepare
from clism_core.pretraining.batches import MaskingConfig
from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.held_out_data import HeldOutConfig
from clism_core.pretraining.training import PRETRAINING
from clism_core.tracking.plots import Curve, read_curves
from clism_core.tracking.run import TrackedRun
from clism_core.training.config import WorkersConfig
from clism_core.training.loop import LoopConfig
from clism_core.training.optimizer import OptimizerConfig
from clism_core.utils.home import tracking_uri

HERE = Path(__file__).parent
KEPT_STEP, STEPS = 6, 12
LOSSES = ("train/loss", "train/clism_loss", "train/cacr_loss", "train/mlm_loss")

NAMES = [
    {"en": "Mary", "de": "Mary", "ar": "ماري"},
    {"en": "Smith", "de": "Smith", "ar": "سميث"},
    {"en": "Mary Smith", "de": "Mary Smith", "ar": "ماري سميث"},
]
PLACES = [{"en": "Paris", "de": "Paris", "ar": "باريس"}, {"en": "Berlin", "de": "Berlin", "ar": "برلين"}]
YEARS = ["1984", "1989", "1948"]
# English words, and for each translation its words with the numbers of the English ones to which they are linked.
PATTERNS = [
    {
        "en": "NAME was born in PLACE in YEAR .",
        "de": "NAME/0 wurde/1 YEAR/6 in/3 PLACE/4 geboren/2 ./7",
        "ar": "ولدت/2 NAME/0 في/3 PLACE/4 عام/5 YEAR/6 ./7",
    },
    {
        "en": "NAME lives in PLACE and was born in YEAR .",
        "de": "NAME/0 lebt/1 in/2 PLACE/3 und/4 wurde/5 YEAR/8 geboren/6 ./9",
        "ar": "تعيش/1 NAME/0 في/2 PLACE/3 و/4 ولدت/6 عام/7 YEAR/8 ./9",
    },
]


def rows(target: str) -> Iterator[tuple[str, str, str]]:
    """Yield English sentences, their translations and the links between their words."""
    for pattern, name, place, year in product(PATTERNS, NAMES, PLACES, YEARS):
        source = _fill(pattern["en"].split(), "en", name, place, year)
        words, linked = zip(*(entry.rsplit("/", 1) for entry in pattern[target].split()), strict=True)
        translation = _fill(words, target, name, place, year)
        first = [sum(len(part) for part in source[:number]) for number in range(len(source))]
        links, at = [], 0
        for number, part in zip(map(int, linked), translation, strict=True):
            links += [f"{first[number] + i}-{at + i}" for i in range(len(part))]
            at += len(part)
        yield _join(source), _join(translation), " ".join(links)
    yield "Mary was born .", "", ""  # for the rejects


def _fill(words: Sequence[str], language: str, *values: dict[str, str] | str) -> list[list[str]]:
    slots = dict(zip(("NAME", "PLACE", "YEAR"), values, strict=True))
    texts = [slots.get(word, word) for word in words]
    return [(text if isinstance(text, str) else text[language]).split() for text in texts]


def _join(parts: list[list[str]]) -> str:
    return " ".join(word for part in parts for word in part)


def write_prepared(folder: Path, output: Path) -> None:
    """Prepare both language pairs; `folder` is for the corpora and the pipeline."""
    nlp = spacy.blank("en")
    patterns = [{"label": "PERSON", "pattern": name["en"]} for name in NAMES]
    patterns += [{"label": "GPE", "pattern": place["en"]} for place in PLACES]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    nlp.to_disk(folder / "pipeline")
    corpora = []
    for language in ("de", "ar"):
        sources, targets, links = zip(*rows(language), strict=True)
        pairs = "".join(f"{source}\t{target}\n" for source, target in zip(sources, targets, strict=True))
        (folder / f"{language}.tsv").write_text(pairs, "utf-8")
        (folder / f"{language}.links").write_text("".join(f"{line}\n" for line in links))
        path, alignment_path = str(folder / f"{language}.tsv"), str(folder / f"{language}.links")
        corpora.append(CorpusConfig(path, source_lang="en", target_lang=language, alignment_path=alignment_path))
    config = PrepareConfig(
        corpora=corpora,
        output=str(output),
        aligner=AlignerConfig(kind="pharaoh"),
        entities=EntitiesConfig(pipeline=str(folder / "pipeline")),
    )
    prepare(plan(config))


def train(folder: Path) -> dict[str, Curve]:
    """Train a tiny encoder on the prepared data in `folder`, and return its curves."""
    config = PretrainConfig(
        model=str(write_encoder("xlmr", folder / "encoder")),
        data=str(folder / "prepared"),
        output=str(folder / "run"),
        global_batch_size=8,
        micro_batch_size=4,
        pairs_per_sample={0.0: 1, 0.75: 2},
        length_window=4,
        precision="fp32",
        register=False,
        masking=MaskingConfig(max_length=64),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=2),
        loop=LoopConfig(steps=STEPS, evaluate_every=STEPS, checkpoint_every=KEPT_STEP, log_every=1),
        held_out=HeldOutConfig(fraction=0.2, max_samples=8),
        workers=WorkersConfig(number=1, use_gpu=False),
    )
    exported = PRETRAINING.run(config)
    assert exported is not None
    return read_curves(TrackedRun(exported.tracking_uri, exported.run_id, config.output))


def keep_unfinished(run: Path) -> None:
    """Delete what came after the checkpoint of `KEPT_STEP`, and Ray Train's own record, which is not used."""
    for path in (run / "model", *run.glob("checkpoints/step-*")):
        if path.name != f"step-{KEPT_STEP:08d}":
            shutil.rmtree(path)
    for path in (*run.glob("*.json"), *run.glob("checkpoints/*"), *run.glob(".*")):
        if path.is_file() and path.name != "run.json":
            path.unlink()


def main() -> None:
    """Write everything anew."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["CLISM_HOME"] = str(folder / "home")
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        MlflowClient(tracking_uri()).search_experiments()
        connect(num_cpus=4)
        write_prepared(folder, folder / "prepared")
        (folder / "prepared" / "report.html").unlink()  # nothing reads it
        curves = train(folder)
        keep_unfinished(folder / "run")
        losses = {name: {step: loss for step, loss in curves[name] if step > KEPT_STEP} for name in LOSSES}
        (HERE / "losses.json").write_text(json.dumps(losses, indent=1) + "\n")
        for name, kept in (("prepared", "data"), ("encoder", "encoder"), ("run", "run")):
            shutil.rmtree(HERE / kept, ignore_errors=True)
            shutil.copytree(folder / name, HERE / kept)


if __name__ == "__main__":
    main()
