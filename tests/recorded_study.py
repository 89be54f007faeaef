"""Studies with recorded results: records, MLflow runs and predictions are written without running anything."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from labelled import PLACES, write_conll, write_squad

from clism_core.evaluation.datasets import read_test_sets
from clism_core.evaluation.predictions import Predictions
from clism_core.evaluation.scoring import metrics_of
from clism_core.evaluation.tracking import metrics_by_name
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import load_study
from clism_core.experiments.studies.registry import StudyName
from clism_core.experiments.studies.results import Results
from clism_core.experiments.studies.run_graph import Chain, all_stages, chain_stages
from clism_core.experiments.studies.run_records import RECORD_FILE, FinishedRun, find_finished, stage_digests
from clism_core.inference.models import EvaluatedModel
from clism_core.pretraining.config import PretrainConfig
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.test_data import TestSetConfig, title
from clism_core.tracking.lifecycle import start_run
from clism_core.utils.home import tracking_uri

Share = Callable[[Chain], float]
"""Share of the ten test examples that the model of a chain gets right."""


def study_config(folder: Path, name: StudyName, dataset: str = "xquad") -> StudyConfig:
    """Return a study with two base encoders, one method of ours, and test sets in two languages."""
    folder.mkdir(parents=True, exist_ok=True)
    train = str(write_squad(folder / "train.json"))
    tagged = str(write_conll(folder / "train.conll"))
    languages = ("en", "ar")
    for first, language in enumerate(languages):
        write_squad(folder / f"test.{language}.json", questions=10, first=10 * first)
        write_conll(folder / f"test.{language}.conll", sentences=10, first=10 * first)
    return StudyConfig(
        name=name,
        output=str(folder / "studies"),
        encoders={"XLM-R": "xlm-roberta-base", "Info-XLM": "infoxlm"},
        ours={"Ours (XLM-R)": "XLM-R"},
        tasks=["mrc", "ner"],
        seeds=[0, 1],
        examples=[64, 128],
        samples=[0, 1],
        temperatures=[0.05, 20.0],
        pretraining_samples=[100, 1000],
        pretrain=PretrainConfig(model="", data="prepared"),
        mrc=FinetuneConfig(task="mrc", model="", train=train, dev=train, steps=100),
        ner=FinetuneConfig(task="ner", model="", train=tagged, dev=tagged, steps=100),
        mrc_tests=[TestSetConfig(dataset=dataset, path=str(folder / "test.*.json"))],
        ner_tests=[TestSetConfig(dataset="conll", path=str(folder / "test.*.conll"))],
        resamples=500,
    )


def record(
    config: StudyConfig,
    share: Share,
    *,
    pretrain: Mapping[str, Mapping[int, float]] | None = None,
    finetune: Mapping[str, Mapping[int, float]] | None = None,
    but: Callable[[Chain], bool] = lambda _: False,
) -> Results:
    """Write all runs of a study, except for chains selected by `but`, and return their results.

    `pretrain` and `finetune` are metrics of those runs, by name and step.
    """
    chains = load_study(config.name).chains(config)
    stages = all_stages(chains)
    digests = stage_digests(stages)
    logged = {"pretrain": pretrain or {}, "finetune": finetune or {}}
    for chain in chains:
        if but(chain):
            continue
        for kind, stage in chain_stages(chain).items():
            folder = stage.folder(config.output)
            if Path(folder, RECORD_FILE).exists():
                continue
            run = start_run(job=kind, output=folder)
            for metric, curve in logged.get(kind, {}).items():
                for step, value in curve.items():
                    run.log_metrics({metric: value}, step=step)
            if kind == "evaluate":
                run.log_summary(_evaluated(chain, folder, share(chain)))
            run.finish()
            Path(folder, "model").mkdir(parents=True, exist_ok=True)
            FinishedRun(run.run_id, seconds=60.0, contents=digests[stage.name]).write(folder)
    return Results(chains, find_finished(stages, config.output, digests), config.output, tracking_uri())


def _evaluated(chain: Chain, folder: str, share: float) -> dict[str, float]:
    """Write the predictions of a model that gets a share of ten examples right; return the metrics."""
    assert chain.evaluate is not None
    test_sets = read_test_sets(chain.evaluate.tests, chain.finetune.task_options)
    predictions = Predictions.of_model(folder, EvaluatedModel("model", chain.finetune.task_options, folder, 0))
    salt = f"{chain.labels.get('seed', 0)} {chain.labels.get('sample', 0)}"
    for test_set in test_sets:
        order = sorted(range(10), key=lambda number: hashlib.sha256(f"{salt} {number}".encode()).digest())
        right = set(order[: round(10 * share)])
        if test_set.kind == "mrc":
            answers = {
                each.id: each.answers[0].text if number in right else f"not {PLACES[0]}ia"
                for number, each in enumerate(test_set.examples)
            }
            predictions.write(test_set, json.dumps(answers))
        else:
            outputs = [
                list(each.tags) if number in right else ["O"] * len(each.tags)
                for number, each in enumerate(test_set.examples)
            ]
            predictions.write(test_set, test_set.predictions(outputs))
    scores = {title(each): each.score(predictions.read(each)) for each in test_sets}
    metrics = metrics_of(test_sets, scores, resamples=100)
    return {f"test/{name}": value for name, value in metrics_by_name(metrics).items()}
