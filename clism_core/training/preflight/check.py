"""Checks of all nodes of the connected cluster by the driver, before it trains."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from transformers import AutoModel

from clism_core.cluster.connect import check_shared, joining_problem, marker, tracking_problems
from clism_core.cluster.nodes import NoAnswerError, ask_nodes, live_nodes, node_names, this_node_id, working_nodes
from clism_core.model.paths import shared_inputs
from clism_core.model.pretrained import empty_model
from clism_core.model.resolve import hub_commit, is_hub_id, is_tracked, resolve_model
from clism_core.training.driver import trains_on_gpus
from clism_core.training.preflight.needs import Load, Needs, installed_packages
from clism_core.training.preflight.node import examine_with_gpus
from clism_core.training.preflight.problems import grouped, node_problems, node_warnings, precision_problem
from clism_core.utils.digests import description_digest
from clism_core.utils.errors import InputError, OnlyCheckedError
from clism_core.utils.fields import ModelRef, PreparedData, walk
from clism_core.utils.home import tracking_uri
from clism_core.utils.storage import is_local

logger = logging.getLogger(__name__)

TIMEOUT = 45.0
"""Seconds within which all nodes have to answer."""


def check_cluster(trainings: Sequence[Any], *, output: str, configs: Sequence[Any] = ()) -> None:
    """Check that all nodes of the cluster can run trainings, as far as their `check` asks for it.

    Without it, only shared storage and tracking are checked. Where memory or disk may be too small, a warning says so.

    Args:
        trainings: configurations of the trainings, with absolute paths.
        output: folder that all nodes write to.
        configs: configurations that name models and prepared data; those of the trainings by default.

    Raises:
        InputError: with all problems, one per line.
        OnlyCheckedError: if there are none, and a training is only to be checked.
    """
    configs = configs or trainings
    tracking, wanted = tracking_uri(), max((each.workers.resources() for each in trainings), key=lambda own: own["CPU"])
    nodes = list(dict.fromkeys([this_node_id(), *working_nodes()]))
    if not _is_wanted(trainings, nodes):
        check_shared(output=output, inputs=shared_inputs(*configs), tracking=tracking, wanted=wanted)
        return
    began = time.monotonic()
    problems = [joining_problem(wanted, tracking=tracking, paths=[output, *shared_inputs(*configs)])]
    problems += tracking_problems(tracking) if len(nodes) > 1 else []
    needs = _needs(trainings, configs, problems)
    with marker(output) if is_local(output) else nullcontext() as file:
        needs = replace(needs, output=output, marker=file)
        answers = ask_nodes(partial(examine_with_gpus, needs), nodes, timeout=TIMEOUT)
    names, resources = node_names(), {node["NodeID"]: node["Resources"] for node in live_nodes()}
    found, warnings = {}, {}
    for node, answer in answers.items():
        name, own = names.get(node, node), resources.get(node, {})
        if isinstance(answer, NoAnswerError):
            found[name] = [str(answer)]
            continue
        gpus = math.ceil(own.get("GPU", 0))
        found[name] = list(node_problems(answer, needs, gpus=gpus))
        warnings[name] = list(node_warnings(answer, needs, cpus=own.get("CPU", 0), gpus=gpus))
    for line in grouped(warnings):
        logger.warning("%s", line)
    problems += [precision_problem(load.precision, use_gpu=load.use_gpu) for load in needs.loads]
    problems = [*filter(None, problems), *grouped(found)]
    if problems:
        head = "the cluster cannot run this job (--check false skips most of these checks):"
        raise InputError("\n- ".join([head, *dict.fromkeys(problems)]))
    passed = f"checked {len(nodes)} node{'s' * (len(nodes) > 1)} in {time.monotonic() - began:.0f} s: no problems"
    if any(training.check == "only" for training in trainings):
        raise OnlyCheckedError(f"{passed}; nothing was trained")
    logger.info("%s", passed)


def _is_wanted(trainings: Sequence[Any], nodes: Sequence[str]) -> bool:
    modes = {training.check for training in trainings}
    return bool(modes & {True, "only"}) or (None in modes and len(nodes) > 1)


def _needs(trainings: Sequence[Any], configs: Sequence[Any], problems: list[str]) -> Needs:
    """Return what the nodes need; what this node lacks itself is appended to `problems`."""
    folders, hub_models, parameters = dict[str, str](), dict[str, str](), 0
    for name, is_model in _inputs(configs):
        try:
            if is_model:
                parameters = max(parameters, _count_parameters(name))
            if is_model and is_hub_id(name):
                hub_models[name] = hub_commit(name)
            elif not is_tracked(name):
                folders[name] = description_digest(name)
        except (InputError, OSError) as error:
            problems.append(str(error))
    loads = [
        Load(
            precision=each.precision,
            use_gpu=trains_on_gpus(each.workers),
            workers=each.workers.maximum,
            cpus=each.workers.cpus,
            gpus=each.workers.gpus,
            parameters=parameters,
        )
        for each in trainings
    ]
    return Needs(
        packages=installed_packages(),
        folders=folders,
        hub_models=hub_models,
        is_tracked=True,
        loads=tuple(dict.fromkeys(loads)),
    )


def _inputs(configs: Sequence[Any]) -> Iterator[tuple[str, bool]]:
    """Yield models and folders of prepared data, each once, and whether it is a model."""
    fields = (field for config in configs for field in walk(config) if field.is_marked(ModelRef, PreparedData))
    names = {field.value: field.is_marked(ModelRef) for field in fields if isinstance(field.value, str) and field.value}
    yield from names.items()


def _count_parameters(model: str) -> int:
    return sum(weight.numel() for weight in empty_model(AutoModel, resolve_model(model)).parameters())
