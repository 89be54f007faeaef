"""Cross-lingual pre-training and fine-tuning with the `[QUE]` token (NAACL 2022, arXiv 2204.05210)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from clism_core.inference.task_pipeline import TaskPipeline


def load(model: str | PathLike[str], *, device: str | None = None, batch_size: int = 32) -> TaskPipeline:
    """Load a fine-tuned model as a function of texts.

        qa = load("models:/clism-mrc@champion")
        qa(question="Where was Anna born?", context="Anna was born in Bonn.")["answer"]

    Args:
        model: a folder of jobs/finetune.py, `models:/clism-mrc@champion`, `models:/clism-ner/3`, `runs:/...`, `s3://...`
            or a hub id.
        device: `cpu`, `cuda`, `cuda:1` or another device of torch; None: the GPU if there is one.
        batch_size: maximum number of inputs in a forward pass.

    Raises:
        InputError: if the model is not found, is not a task model, or is damaged, or the device cannot be used.
    """
    from clism_core.inference.task_pipeline import load_pipeline  # loads torch, so not at the import of the package

    return load_pipeline(model, device=device, batch_size=batch_size)
