"""Promote: a challenger becomes the registry's champion if it is significantly better on the test sets.

    python jobs/promote.py --model clism-mrc --tests '[{dataset: xquad, path: xquad/xquad.*.json}]'
    python jobs/promote.py --model clism-ner --challenger 3 --dry_run true \\
        --tests '[{dataset: conll, language: es, path: esp.testb}]'
"""

import dataclasses
import sys

from mlflow import MlflowClient

from clism_core.cluster.connect import connect
from clism_core.command_line import run_job, show, writing
from clism_core.evaluation import evaluate
from clism_core.evaluation.config import EvaluateConfig
from clism_core.evaluation.predictions import Predictions, is_evaluation
from clism_core.evaluation.promotion import (
    PROMOTION_TAG,
    Decision,
    PromoteConfig,
    Versions,
    carry_out,
    decide,
    decide_untested,
    find_metric,
    find_versions,
)
from clism_core.tracking.check import check_tracking
from clism_core.tracking.lifecycle import tracked_run
from clism_core.tracking.run import ui_command
from clism_core.utils.errors import InputError
from clism_core.utils.fields import check_bounds
from clism_core.utils.home import default_output, tracking_uri
from clism_core.utils.storage import absolute


def main(config: PromoteConfig) -> None:
    """Decide, print the reasons, and move the alias if the challenger wins."""
    check_bounds(config)
    check_tracking()
    client = MlflowClient(tracking_uri())
    versions = find_versions(client, config)
    decision = decide_untested(versions) or decide_by_test(config, versions)
    if not config.dry_run:
        carry_out(client, versions, decision, alias=config.champion)
    show(decision.text)
    if config.dry_run:
        show("\nThis was a dry run: nothing has changed in the registry.")


def decide_by_test(config: PromoteConfig, versions: Versions) -> Decision:
    """Evaluate both versions on the cluster, as an MLflow run, and decide."""
    planned = evaluate.plan(evaluation_config(config, versions))  # checks inputs before a cluster starts
    metric = find_metric(config.metric, planned.test_sets)
    check_champion(config, versions, planned)
    settings, output = dataclasses.asdict(config), planned.config.output
    with writing("promote", output):
        connect()
        evaluate.check_cluster(planned)
        with tracked_run(job="promote", output=output, config=settings) as run:
            evaluation = evaluate.carry_out(planned, run)
            assert evaluation.compared_examples is not None
            decision = decide(
                versions,
                evaluation.examples,
                evaluation.compared_examples,
                metric=metric,
                resamples=config.resamples,
            )
            run.set_tags({PROMOTION_TAG: decision.text})
    show(f"{evaluation.table}\nIn {evaluation.output}. In MLflow: {ui_command(tracking_uri())}\n")
    return decision


def check_champion(config: PromoteConfig, versions: Versions, planned: evaluate.Plan) -> None:
    """Check that the predictions to compare with are the champion's."""
    compare = planned.config.compare
    compared = Predictions.of_evaluation(compare, planned.test_sets).model if is_evaluation(compare) else compare
    if compared != versions.champion_uri:
        raise InputError(
            f"--champion_evaluation {config.champion_evaluation}: is an evaluation of {compared}, but "
            f"{config.champion} is {versions.champion_uri}; omit it, or give an evaluation of that version"
        )


def evaluation_config(config: PromoteConfig, versions: Versions) -> EvaluateConfig:
    """Return the evaluation that compares the two versions."""
    return EvaluateConfig(
        model=versions.uri,
        tests=config.tests,
        output=absolute(config.output or default_output("promote")),
        compare=config.champion_evaluation or versions.champion_uri,
        batch_size=config.batch_size,
        workers=config.workers,
        use_gpu=config.use_gpu,
        resamples=config.resamples,
        register_metrics=not config.dry_run,
    )


if __name__ == "__main__":
    sys.exit(run_job(PromoteConfig, main, description=__doc__))
