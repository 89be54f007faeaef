"""What the page shows of each MLflow run: facts, documents, pictures, and how to repeat it."""

import base64
import logging
import posixpath
import re
import shlex
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from markdown_it import MarkdownIt
from markupsafe import Markup
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from clism_core.tracking.lifecycle import JOB_TAG, OUTPUT_TAG
from clism_core.utils.progress import duration

logger = logging.getLogger(__name__)

CONFIG = "config.yaml"
FOLDERS = ("", "plots")
"""Folders of a run's artefacts that are looked into."""
REPEATED = ("prepare", "pretrain", "finetune", "evaluate", "promote", "tune", "study")
"""Jobs whose `config.yaml` repeats them."""
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A run on the page."""

    job: str
    """Name of its job, such as `pretrain`."""
    title: str
    """Job and name of the run."""
    run_id: str
    status: str
    facts: dict[str, str]
    """Start, duration, output and the like, by title."""
    documents: dict[str, Markup]
    """Markdown files, such as the table of an evaluation, as HTML by file name."""
    pictures: dict[str, str]
    """PNG files as `data:` URIs by file name."""
    config: str
    """Content of `config.yaml`; empty if the run has none."""
    commands: list[str]
    """Commands that repeat the run."""


def read_step(client: MlflowClient, run: Run) -> Step:
    """Return what the page shows of a run.

    Args:
        client: client of the run's tracking store, from which its artefacts are downloaded.
        run: the run.
    """
    tags, run_id = run.data.tags, run.info.run_id
    job = tags.get(JOB_TAG, "")
    with tempfile.TemporaryDirectory() as temporary:
        files = _download(client, run_id, temporary)
        documents = {path: _html(file) for path, file in files.items() if path.endswith(".md")}
        pictures = {posixpath.basename(path): _uri(file) for path, file in files.items() if path.endswith(".png")}
        config = files[CONFIG].read_text(encoding="utf-8") if CONFIG in files else ""
    return Step(
        job=job,
        title=": ".join(dict.fromkeys(filter(None, (job, run.info.run_name)))),
        run_id=run_id,
        status=run.info.status,
        facts=_facts(run),
        documents=documents,
        pictures=pictures,
        config=config,
        commands=_commands(client.tracking_uri, job, run_id) if config and job in REPEATED else [],
    )


def _download(client: MlflowClient, run_id: str, folder: str) -> dict[str, Path]:
    """Return the artefacts of a run that the page shows, by path; none, with a warning, if they cannot be read."""
    try:
        paths = [file.path for each in FOLDERS for file in client.list_artifacts(run_id, each or None)]
        shown = [path for path in paths if path.endswith((".md", ".png")) or path == CONFIG]
        return {path: Path(client.download_artifacts(run_id, path, folder)) for path in shown}
    except (MlflowException, OSError, BotoCoreError, ClientError) as error:
        logger.warning("the report shows no files of run %s: %s", run_id, error)
        return {}


def _html(file: Path) -> Markup:
    """Return a Markdown file as HTML. HTML within it is text, links lead to the web only, and pictures are links."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.validateLink = lambda url: url.startswith(("https://", "http://", "#"))  # type: ignore[method-assign]
    tokens = markdown.parse(_FRONT_MATTER.sub("", file.read_text(encoding="utf-8")))  # front matter of model cards
    for token in tokens:
        if str(token.attrs.pop("style", "")).endswith("right"):  # the page's policy forbids style attributes
            token.attrs["class"] = "number"
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def _uri(file: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def _facts(run: Run) -> dict[str, str]:
    info, tags = run.info, run.data.tags
    facts = {"started": f"{datetime.fromtimestamp(info.start_time / 1000, UTC):%Y-%m-%d %H:%M} UTC"}
    if info.end_time:
        facts["duration"] = duration((info.end_time - info.start_time) / 1000)
    facts["run id"] = info.run_id
    for title, tag in {"output": OUTPUT_TAG, "commit": "mlflow.source.git.commit"}.items():
        if tag in tags:
            facts[title] = tags[tag]
    return facts


def _commands(tracking_uri: str, job: str, run_id: str) -> list[str]:
    download = ["mlflow", "artifacts", "download", "--run-id", run_id, "--artifact-path", CONFIG, "--dst-path", "."]
    repeat = ["clism", job, "--config", CONFIG, "--output", "NEW_FOLDER"]
    return [f"export MLFLOW_TRACKING_URI={shlex.quote(tracking_uri)}", shlex.join(download), shlex.join(repeat)]
