"""Effect of CACR's temperature on its gradient, on retrieval, and on few-shot fine-tuning; not in the paper.

The paper prints cos / 20, a nearly flat softmax; cos / 0.05 is common.
"""

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from clism_core.experiments.studies.artefacts import LEVEL, MEASURED, Artefact, Panel, Picture, Table, line_figure
from clism_core.experiments.studies.building_blocks import few_shot_chain, first_ours, pretraining_of, scores_with_tests
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results, summarise
from clism_core.experiments.studies.run_graph import Chain
from clism_core.pretraining.config import PretrainConfig

GRADIENT = "eval/gradient_norm/cacr"
RETRIEVAL = ("retrieval_accuracy", "retrieval_accuracy_reverse")
COLUMNS = {
    "first_gradient": "gradient norm, step 0",
    "last_gradient": "gradient norm, last step",
    "retrieval": "retrieval, both ways",
}
WITHOUT, BASE = "no CACR", "not pre-trained"


def chains(config: StudyConfig) -> list[Chain]:
    """Return few-shot fine-tunings after pre-training at each temperature, without CACR, and without pre-training."""
    return list(_chains(config))


def _chains(config: StudyConfig) -> Iterator[Chain]:
    ours = first_ours(config)
    full = pretraining_of(config, ours)
    encoders: dict[str, str | PretrainConfig] = {
        f"{value:g}": replace(full, objectives=replace(full.objectives, temperature=value))
        for value in sorted(config.temperatures)
    }
    encoders[WITHOUT] = replace(full, objectives=replace(full.objectives, w_cacr=0.0))
    encoders[BASE] = config.encoders[config.ours[ours]]
    for name, encoder in encoders.items():
        for sample in config.samples:
            yield few_shot_chain(
                config,
                encoder,
                examples=config.temperature_examples,
                sample=sample,
                use_que=name != BASE,
                temperature=name,
            )


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return a table, and curves over the temperature with horizontal lines for the baselines without one."""
    names = dict.fromkeys(str(chain.labels["temperature"]) for chain in measured.chains)
    pairs = [({"temperature": name}, {"temperature": BASE}) for name in names if name != BASE]
    tests = scores_with_tests(measured, ["temperature"], pairs, resamples=config.resamples)
    scores = tests[tests["score"] == "f1"]
    few_shot = scores.assign(column=[f"few-shot F1, {dataset}" for dataset in scores["dataset"]])
    cells = pd.concat([_pretraining_cells(measured), few_shot], ignore_index=True)
    number = len(config.samples)
    samples = f"{number} sample{'s' * (number > 1)} of {config.temperature_examples} English examples"
    caption = (
        "Temperature of CACR: norm of its gradient on held-out pairs, retrieval accuracy among them (percent, mean of "
        f"both directions and all language pairs), and zero-shot F1 after {samples}, tested against the base encoder."
    )
    table = Table("temperature", caption, cells, rows=["temperature"], columns=["column"])
    return [table, Picture("temperature", line_figure(_panels(cells), xlabel="temperature", log_x=True))]


def _pretraining_cells(measured: Results) -> pd.DataFrame:
    """Return gradient norms and retrieval accuracy per pre-training, which few-shot samples share."""
    gradients = measured.curves("pretrain", GRADIENT)
    metrics = measured.last_metrics("pretrain")
    parts = []
    if not gradients.empty:
        by_step = gradients.drop_duplicates(["temperature", "step"]).sort_values("step", kind="stable")
        groups = by_step.groupby("temperature", sort=False)["value"]
        parts += [
            values.rename("value").reset_index().assign(column=COLUMNS[name])
            for name, values in (("first_gradient", groups.first()), ("last_gradient", groups.last()))
        ]
    if not metrics.empty:
        accuracies = metrics[metrics["metric"].str.split("/").str[-1].isin(RETRIEVAL)]
        means = 100 * accuracies.groupby("temperature", sort=False)["value"].mean()
        parts.append(means.rename("value").reset_index().assign(column=COLUMNS["retrieval"]))
    values = pd.concat(parts) if parts else pd.DataFrame(columns=["temperature", "column", "value"])
    return summarise(values, ["temperature", "column"]).assign(source=MEASURED)


def _panels(cells: pd.DataFrame) -> list[Panel]:
    """Return panels of gradient, retrieval and few-shot scores; baselines are horizontal lines."""
    values = [float(name) for name in dict.fromkeys(cells["temperature"]) if name not in (WITHOUT, BASE)]
    rows = []
    for cell in cells.to_dict("records"):
        is_level = cell["temperature"] in (WITHOUT, BASE)
        line = f"{cell['column']}, {cell['temperature']}" if is_level else cell["column"]
        ends = [min(values), max(values)] if is_level else [float(cell["temperature"])]
        source = LEVEL if is_level else MEASURED
        rows += [{**cell, "line": line, "x": x, "source": source} for x in ends] if values else []
    points = pd.DataFrame(rows, columns=[*cells.columns, "line", "x"]).sort_values("x", kind="stable")
    gradients = [COLUMNS["first_gradient"], COLUMNS["last_gradient"]]
    is_gradient, is_retrieval = points["column"].isin(gradients), points["column"] == COLUMNS["retrieval"]
    return [
        Panel("Gradient of CACR", points[is_gradient], "norm", log_y=True),
        Panel("Held-out retrieval", points[is_retrieval], "percent"),
        Panel("Few-shot, zero-shot transfer", points[~is_gradient & ~is_retrieval], "F1, average over languages"),
    ]


TEMPERATURE = Study(chains=chains, artefacts=artefacts, lists=("temperatures", "samples"), tasks=("mrc",))
