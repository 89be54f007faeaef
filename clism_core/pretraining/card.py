"""The model card of a pre-trained encoder."""

from collections.abc import Mapping, Sequence

from huggingface_hub import ModelCardData

from clism_core.model.resolve import is_hub_id
from clism_core.pretraining.config import PretrainConfig, data_set_configs
from clism_core.pretraining.evaluation.measures import BASELINES, RETRIEVAL, objective_measures
from clism_core.pretraining.objectives.build import OBJECTIVES
from clism_core.utils.language_pair import LanguagePair
from clism_core.utils.markdown import markdown_table

TEMPLATE = """---
{front_matter}
---
# Encoder with [QUE], pre-trained with {objectives}

Started from `{model}` and pre-trained for {steps} steps of {global_batch_size} inputs on {samples:,} sentence pairs
({pairs}), after "Bridging the Gap between Language Models and Cross-Lingual Sequence Labeling" (NAACL 2022).
{mixture}
```python
from transformers import AutoModel, AutoTokenizer

encoder = AutoModel.from_pretrained(FOLDER)
tokenizer = AutoTokenizer.from_pretrained(FOLDER)  # includes [QUE]
```

The folder also contains the span head (`span_head.safetensors`: `start.weight`, `end.weight`; the logit of token k for
the `[QUE]` at q is `h_k . (W h_q)`), the MLM head without the tied embeddings (`mlm_head.safetensors`), and the
configuration of the run (`config.yaml`).

## Held-out samples

{table}

Span exact match is the share of masked spans for which exactly the tokens of the translation are predicted.
"""


def model_card(
    config: PretrainConfig,
    *,
    step: int,
    metrics: Mapping[str, float],
    samples: int,
    language_pairs: Sequence[LanguagePair],
) -> str:
    """Return the card as Markdown, with front matter for the Hugging Face hub."""
    labels = {objective.name: objective.label for objective in OBJECTIVES}
    front_matter = ModelCardData(
        base_model=config.model if is_hub_id(config.model) else None,
        language=sorted({language for pair in language_pairs for language in pair}),
        library_name="transformers",
        tags=["cross-lingual", "feature-extraction"],
    )
    return TEMPLATE.format(
        front_matter=front_matter.to_yaml(),
        model=config.model,
        objectives=", ".join(labels[name] for name in config.objectives.weights()),
        steps=step,
        global_batch_size=config.global_batch_size,
        samples=samples,
        pairs=", ".join(map(str, language_pairs)),
        mixture=mixture_text(config),
        table=metrics_table(metrics),
    )


def mixture_text(config: PretrainConfig) -> str:
    """Return the shares of several data sets, one per line, after an empty line; empty for a single data set."""
    entries = data_set_configs(config)
    if len(entries) == 1:
        return ""
    total = sum(entry.weight for entry in entries)
    lines = [
        f"- {100 * entry.weight / total:.1f} % from `{entry.path}` (weight {entry.weight:g})\n" for entry in entries
    ]
    return "\nThe inputs were drawn from several prepared data sets:\n\n" + "".join(lines)


def metrics_table(metrics: Mapping[str, float]) -> str:
    """Return the evaluation as a Markdown table, one row per language pair, in percent."""
    pairs = sorted({name.split("/")[0] for name in metrics if name.endswith("/retrieval_accuracy")})
    measures = (*objective_measures(), *BASELINES, *RETRIEVAL)
    columns = [each for each in measures if any(f"{pair}/{each.name}" in metrics for pair in pairs)]
    rows = []
    for pair in pairs:
        values = (metrics.get(f"{pair}/{each.name}") for each in columns)
        rows.append([pair, *("-" if value is None else f"{100 * value:.1f}" for value in values)])
    return markdown_table(["", *(each.column for each in columns)], rows)
