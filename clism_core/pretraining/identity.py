"""Identity of a pre-training run, as saved in `run.json`."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from clism_core.pretraining.config import PretrainConfig, data_set_configs
from clism_core.pretraining.mixture import DataSet
from clism_core.training.resume import identity_fields, vocabulary_digest
from clism_core.utils.fields import Adjustable, Incidental, Input


def config_identity(config: PretrainConfig) -> dict[str, Any]:
    """Return the configuration fields that identify a run, by dotted name; for a mixture, also the sorted weights."""
    identity = identity_fields(config, Incidental, Adjustable, Input)
    if len(weights := [entry.weight for entry in data_set_configs(config)]) > 1:
        identity["data.weight"] = sorted(weights)
    return identity


def identity(
    config: PretrainConfig, *, data: Sequence[DataSet], tokenizer: PreTrainedTokenizerBase, model: str
) -> dict[str, Any]:
    """Return the identity of a run: its configuration, the contents and weights of its data sets, and the vocabulary
    and digest (`model_digest`) of its initial model, because different models may share a vocabulary, like XLM-R and
    InfoXLM."""
    contents: Any = data[0].manifest["content"]
    if len(data) > 1:
        contents = {data_set.manifest["content"]: data_set.weight for data_set in data}
    return config_identity(config) | {"data": contents, "vocabulary": vocabulary_digest(tokenizer), "model": model}
