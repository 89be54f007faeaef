"""Pre-training as a `Training`, which jobs, sweeps and studies run."""

from clism_core.pretraining.config import PretrainConfig, check_config
from clism_core.pretraining.export import check_finished, export, register
from clism_core.pretraining.plots import log_plots
from clism_core.pretraining.pretrain import Pretrained, pretrain
from clism_core.training.training import Training

PRETRAINING = Training[PretrainConfig, Pretrained](
    name="pretrain",
    config_class=PretrainConfig,
    check=check_config,
    train=pretrain,
    export=export,
    check_finished=check_finished,
    log_plots=log_plots,
    register=register,
)
