"""Model card of a task model."""

import json
from collections.abc import Mapping

from clism_core.model.resolve import is_hub_id
from clism_core.tasks.finetuning.config import FinetuneConfig
from clism_core.tasks.finetuning.data import source_names
from clism_core.tasks.finetuning.finetune import Finetuned
from clism_core.utils.markdown import markdown_table

TEMPLATE = """---
{base_model}language: multilingual
pipeline_tag: {pipeline_tag}
---
# {title}, fine-tuned on {language} only

Started from `{model}` and fine-tuned for {steps} steps of {global_batch_size} inputs on {examples:,} examples in
`{language}`{few_shot}, {with_que}, after "Bridging the Gap between Language Models and Cross-Lingual Sequence Labeling"
(NAACL 2022). Predictions for other languages are zero-shot.

Trained on {train}; {evaluated} on {dev_examples:,} examples of {dev}.

```python
import mlflow

model = mlflow.pyfunc.load_model("models:/{registered_name}@candidate")
model.predict([{input}])
```

returns {outputs}.

The folder contains the encoder and the tokenizer in Hugging Face format, the head as safetensors, `task.json` (the
options of the inputs) and the configuration of the run (`config.yaml`).

## Development data ({language})

{table}

Scorer: {scorer}.{chosen} Test scores come from `jobs/evaluate.py`.
"""


def task_card(config: FinetuneConfig, finetuned: Finetuned) -> str:
    """Return the card as Markdown, with the front matter that the Hugging Face Hub reads."""
    task = config.task_object
    best = config.export == "best"
    return TEMPLATE.format(
        title=task.card.title,
        pipeline_tag=task.card.pipeline_tag,
        base_model=f"base_model: {json.dumps(config.model)}\n" if is_hub_id(config.model) else "",
        model=config.model,
        registered_name=task.registered_name,
        language=config.language,
        steps=finetuned.step,
        global_batch_size=config.global_batch_size,
        examples=finetuned.examples,
        few_shot="" if config.examples is None else f" (few-shot: drawn with seed {config.sample_seed})",
        with_que=task.card.with_que if config.task_options.use_que else "without `[QUE]`",
        train=", ".join(f"`{name}`" for name in source_names(config.train)),
        dev=", ".join(f"`{name}`" for name in source_names(config.dev)),
        dev_examples=finetuned.dev_examples,
        input=json.dumps(task.input_example[0]),
        outputs=task.card.outputs,
        table=dev_table(finetuned.metrics),
        scorer=task.scorer,
        evaluated="selected" if best else "evaluated",
        chosen=" The checkpoint was selected by this F1, which is therefore slightly optimistic." if best else "",
    )


def dev_table(metrics: Mapping[str, float]) -> str:
    """Return the scores on the development data, 0 to 100, as a Markdown table."""
    names = [name.split("/")[-1].replace("_", " ") for name in metrics]
    return markdown_table(names, [[f"{value:.1f}" for value in metrics.values()]], left=0)
