"""Fine-tuning as a `Training`, as jobs, sweeps and studies run it."""

from clism_core.tasks.finetuning.config import FinetuneConfig, check_config
from clism_core.tasks.finetuning.export import check_finished, export, register
from clism_core.tasks.finetuning.finetune import Finetuned, finetune
from clism_core.tracking.plots import log_dev_plots
from clism_core.training.training import Training

FINETUNING = Training[FinetuneConfig, Finetuned](
    name="finetune",
    config_class=FinetuneConfig,
    check=check_config,
    train=finetune,
    export=export,
    check_finished=check_finished,
    log_plots=log_dev_plots,
    register=register,
)
