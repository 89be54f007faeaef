"""Prepare samples: parallel corpora -> span-masked samples, rejects and a manifest, by Ray Data.

    python jobs/prepare.py --corpora '[{path: en-ar.tsv.gz, source_lang: en, target_lang: ar}]' --output prepared
    python jobs/prepare.py --config jobs/configs/prepare.yaml --output prepared --aligner.kind embedding
    python jobs/prepare.py --print_stats prepared
    python jobs/prepare.py --verify prepared            (reads all files and reports every problem)

Needs `pip install -e '.[align]'`: the aligner eflomal and an English spaCy pipeline with NER.
"""

import dataclasses
import sys
import time
from collections import Counter

from clism_core.cluster.connect import check_shared, connect
from clism_core.command_line import Shortcut, job_command, run_job, show, writing
from clism_core.preparation.config import PrepareConfig
from clism_core.preparation.corpus import input_paths
from clism_core.preparation.manifest import Manifest
from clism_core.preparation.prepare import Preparation, find_finished, model_folders, plan, prepare
from clism_core.preparation.report.folder import manifest_with_statistics
from clism_core.preparation.report.page import REPORT
from clism_core.preparation.report.terminal import format_statistics
from clism_core.preparation.tracking import log_lost_preparation, log_prepared
from clism_core.preparation.verification import verify
from clism_core.tracking.lifecycle import tracked_run
from clism_core.tracking.run import ui_command
from clism_core.utils import storage
from clism_core.utils.home import tracking_uri


def main(config: PrepareConfig) -> None:
    """Prepare the corpora and print a summary."""
    preparation = plan(config)  # checks inputs before a cluster starts
    manifest = find_finished(preparation)
    if manifest is None:
        manifest = run(preparation)
    else:
        log_lost_preparation(manifest, output=preparation.config.output)
    show(summary(manifest, output=preparation.config.output))


def run(preparation: Preparation) -> Manifest:
    """Prepare on the cluster, as an MLflow run."""
    config = preparation.config
    with writing("prepare", config.output):
        connect()
        check_shared(output=config.output, inputs=inputs(config), tracking=tracking_uri())
        with tracked_run(job="prepare", output=config.output, config=dataclasses.asdict(config)) as tracked:
            began = time.monotonic()
            manifest = prepare(preparation)
            log_prepared(tracked, manifest, output=config.output, seconds=time.monotonic() - began)
    return manifest


def inputs(config: PrepareConfig) -> list[str]:
    """Return the files and folders that the job reads."""
    return [path for corpus in config.corpora for path in input_paths(corpus)] + list(model_folders(config).values())


def statistics(folder: str) -> str:
    """Return a summary of the prepared data in `folder`."""
    return format_statistics(manifest_with_statistics(folder))


PRINT_STATS = Shortcut("print_stats", "print a summary of existing prepared data and exit", statistics)


VERIFY = Shortcut("verify", "read all files of existing prepared data, report every problem and exit", verify)


def summary(manifest: Manifest, *, output: str) -> str:
    """Return the text printed at the end."""
    lines = [f"Prepared {manifest['samples']:,} samples; {manifest['rejects']:,} rows were rejected."]
    for pair, counts in manifest["pairs"].items():
        reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in Counter(counts["rejects"]).most_common(4))
        partial = f"; {counts['partial_answers']:,} partial answers left out" if counts.get("partial_answers") else ""
        beyond_cap = f"; {counts['beyond_cap']:,} rows beyond max_pairs" if counts["beyond_cap"] else ""
        markup = f"; markup removed from {counts['markup']:,} rows" if counts.get("markup") else ""
        lines.append(
            f"  {pair}: {counts['samples']:,} samples with {counts['spans']:,} spans from {counts['rows']:,} rows"
            f"{partial}{beyond_cap}{markup}; rejected: {reasons or 'none'}"
        )
    lines += [
        f"Output: {output} (samples/, rejects/, manifest.json). Report: {storage.join(output, REPORT)}",
        f"Counts by run: {ui_command(tracking_uri())}",
        "Next:",
    ]
    lines.append(f"  {job_command('pretrain')} --data {output} --model xlm-roberta-base")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_job(PrepareConfig, main, description=__doc__, shortcuts=[PRINT_STATS, VERIFY]))
