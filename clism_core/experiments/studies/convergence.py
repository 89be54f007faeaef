"""Figure 4(a): the score on the development data by the step of fine-tuning."""

from dataclasses import replace

from clism_core.experiments.studies.artefacts import MEASURED, Artefact, Panel, Picture, Table, line_figure
from clism_core.experiments.studies.building_blocks import first_ours, full_chain
from clism_core.experiments.studies.config import StudyConfig
from clism_core.experiments.studies.definition import Study
from clism_core.experiments.studies.results import Results, summarise
from clism_core.experiments.studies.run_graph import Chain


def chains(config: StudyConfig) -> list[Chain]:
    """Return the first of ours and the encoder that it begins from, evaluated early, on the development data alone."""
    ours = first_ours(config)
    found = [full_chain(config, method, "mrc", seed) for method in (config.ours[ours], ours) for seed in config.seeds]
    loop = replace(config.mrc.loop, evaluate_at=sorted(config.curve_steps))
    return [replace(chain, finetune=replace(chain.finetune, loop=loop), evaluate=None) for chain in found]


def artefacts(config: StudyConfig, measured: Results) -> list[Artefact]:
    """Return the curves as a figure and as a table."""
    curves = measured.curves("finetune", f"eval/{config.mrc.language}/f1")
    cells = summarise(curves, ["method", "step"]).assign(source=MEASURED)
    points = cells.rename(columns={"method": "line", "step": "x"})
    panel = Panel("Development data", points, "F1")
    caption = "F1 on the development data by step of fine-tuning."
    return [
        Table("convergence", caption, cells, rows=["method"], columns=["step"]),
        Picture("convergence", line_figure([panel], xlabel="step of fine-tuning")),
    ]


CONVERGENCE = Study(
    chains=chains, artefacts=artefacts, lists=("seeds", "curve_steps"), tasks=("mrc",), uses_test_sets=False
)
