"""Evaluate: a model and test sets -> scores per language, predictions, tables and a chart, by Ray Data.

    python jobs/evaluate.py --model models:/clism-mrc@champion --output runs/xquad \\
        --tests '[{dataset: xquad, language: ar, path: xquad.ar.json}, {dataset: xquad, path: more/xquad.*.json}]'
    python jobs/evaluate.py --model runs/mrc/model --tests '[{dataset: mlqa, path: MLQA_V1/test}]' --output runs/mlqa
    python jobs/evaluate.py --model A --compare B --tests ...           (a paired test of two models)
    python jobs/evaluate.py --model xlm-roberta-base --tests '[{dataset: flores, kind: retrieval, path: flores}]'

The same command with the same --output resumes: it predicts only what is missing.
"""

import dataclasses
import sys

from clism_core.cluster.connect import connect
from clism_core.command_line import job_command, run_job, show, writing
from clism_core.evaluation.config import EvaluateConfig
from clism_core.evaluation.evaluate import CHART, RESULTS, Evaluation, Plan, carry_out, check_cluster, plan
from clism_core.tracking.lifecycle import tracked_run
from clism_core.tracking.run import ui_command
from clism_core.utils import storage
from clism_core.utils.home import tracking_uri


def main(config: EvaluateConfig) -> None:
    """Evaluate, and print the scores, the paths of the results and the next command."""
    planned = plan(config)  # checks inputs before a cluster starts
    show(summary(run(planned)))


def run(planned: Plan) -> Evaluation:
    """Evaluate on the cluster, as an MLflow run."""
    config = planned.config
    with writing("evaluate", config.output):
        connect()
        check_cluster(planned)
        with tracked_run(job="evaluate", output=config.output, config=dataclasses.asdict(config)) as tracked:
            return carry_out(planned, tracked)


def summary(evaluation: Evaluation) -> str:
    """Return the text printed at the end."""
    files = ", ".join(RESULTS)
    return f"""
{evaluation.table}
In {evaluation.output}: {files},
and the predictions of the model in predictions/. Chart: {storage.join(evaluation.output, CHART)}
In MLflow: {ui_command(tracking_uri())}
Next, to compare another model with this one:
  {job_command("evaluate")} --model OTHER --compare {evaluation.output} --tests ...
"""


if __name__ == "__main__":
    sys.exit(run_job(EvaluateConfig, main, description=__doc__))
