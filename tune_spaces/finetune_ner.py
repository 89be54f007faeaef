"""Fine-tuning for entity recognition: the parameters of `finetune_mrc`, by F1 on the development data."""

import dataclasses

from tune_spaces import finetune_mrc

SPACE = dataclasses.replace(finetune_mrc.SPACE, task="ner")
