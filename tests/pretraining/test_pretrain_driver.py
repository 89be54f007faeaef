from dataclasses import replace

import numpy as np
import pytest

from clism_core.pretraining.config import PretrainConfig
from clism_core.pretraining.dataset import EncodedData
from clism_core.pretraining.objectives.build import ObjectivesConfig
from clism_core.pretraining.pretrain import check_spans
from clism_core.utils.errors import InputError

ROWS = np.zeros(3, dtype=np.int64)
DATA = EncodedData([], ROWS, ROWS, ROWS, ROWS, ROWS, [], spans=0, unencodable_spans=7)
CONFIG = PretrainConfig(model="m", data="d")


def test_data_without_spans_are_refused_for_clism() -> None:
    with pytest.raises(InputError, match="no span of 3 samples to train on can be used: 7 begin or end within a token"):
        check_spans(CONFIG, DATA)
    check_spans(CONFIG, replace(DATA, spans=1))
    check_spans(replace(CONFIG, objectives=ObjectivesConfig(w_clism=0.0)), DATA)
