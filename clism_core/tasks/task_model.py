"""Task models: an encoder with one head, and the objective that trains both."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self

import torch
from torch import nn

from clism_core.model.encoder import EncoderLoader, LoadedEncoder, load_encoder
from clism_core.model.objective import InputsT, Objective
from clism_core.model.trainable import TrainedModel, load_head, save_weights
from clism_core.tasks.saved_task import ConfigT, read_config, write_task


class TaskModel(TrainedModel[InputsT], Generic[InputsT, ConfigT]):
    """Encoder and head, created on the CPU by `begin` or `load`.

    A subclass names the classes of its options and its objective and the file of its head, and builds the head and the
    objective.

    Args:
        loaded: encoder with an embedding of `[QUE]`, and its tokenizer.
        config: options of the task, which are saved with the model.
        seed: seed of the head's initial weights.
    """

    config_class: type[ConfigT]
    objective_class: ClassVar[type[Objective[Any]]]
    head: nn.Module
    pretrained_head: ClassVar[bool] = False
    """Whether pre-training saves a head beside the encoder from which fine-tuning can start."""

    def __init__(self, loaded: LoadedEncoder, config: ConfigT, *, seed: int):
        super().__init__(loaded.encoder, loaded.tokenizer)
        self.config = config
        self.head_origin: Literal["pre-trained", "new"] = "new"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = self.build_head()
        self.use({self.objective_class.name: self.build_objective()})

    @abstractmethod
    def build_head(self) -> nn.Module:
        """Return a newly initialised head for `self.config`."""

    @abstractmethod
    def build_objective(self) -> Objective[InputsT]:
        """Return the objective that trains `self.head`."""

    @property
    @abstractmethod
    def head_file(self) -> str:
        """Name of the head's file beside the encoder."""

    @classmethod
    def begin(
        cls,
        name: str,
        config: ConfigT,
        *,
        seed: int,
        reinit_head: bool = False,
        load_encoder: EncoderLoader = load_encoder,
    ) -> Self:
        """Return a model to fine-tune.

        Its head is the pre-trained one if the task has such a head, it is saved beside the encoder, and `reinit_head`
        is not set; `head_origin` records the choice.

        Args:
            name: encoder: a hub id, a folder, or a name in the MLflow registry.
            config: options of the task.
            seed: seed of all weights that the encoder's checkpoint does not contain.
            reinit_head: start from a new head even if there is a pre-trained one.
            load_encoder: `inspect_encoder` checks the files and returns a model whose encoder has no weights.

        Raises:
            InputError: if the encoder is not found or not complete, or the head beside it belongs to another encoder
                or is missing although this project has pre-trained the encoder.
        """
        loaded = load_encoder(name, seed=seed)
        model = cls(loaded, config, seed=seed)
        if cls.pretrained_head and not reinit_head:
            required = loaded.has_que and config.use_que
            if load_head(model.head, loaded.folder, model.head_file, required=required):
                model.head_origin = "pre-trained"
        return model

    @classmethod
    def load(cls, folder: str | Path, *, load_encoder: EncoderLoader = load_encoder) -> Self:
        """Return the model that `save` wrote into a local folder, in evaluation mode.

        Args:
            folder: the folder.
            load_encoder: as for `begin`.

        Raises:
            InputError: if it is not a model for this task, or its head or other files are missing or damaged.
        """
        config = read_config(str(folder), cls.config_class)
        model = cls(load_encoder(str(folder), seed=0), config, seed=0)
        load_head(model.head, str(folder), model.head_file, required=True)
        return model.eval()

    def save_heads(self, folder: Path) -> None:
        """Write the head and `task.json`."""
        save_weights(self.head.state_dict(), folder / self.head_file)
        write_task(folder, self.config)
