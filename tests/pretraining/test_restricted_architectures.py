"""Every architecture with a part of its vocabulary: the same states, and the same logits of the trained tokens."""

from pathlib import Path

import pytest
import torch
from architectures import ARCHITECTURES, write_architecture
from test_trained_vocabulary import kept_tokens
from tiny import TEXTS, sample

from clism_core.model.encoder import embedding_weight, load_encoder
from clism_core.model.tokenizer import TextTokenizer
from clism_core.pretraining.batches import BatchBuilder, MaskingConfig
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives

pytestmark = pytest.mark.slow


def build(folder: Path) -> PretrainingModel:
    model = PretrainingModel(load_encoder(str(folder), seed=0), seed=0)
    model.use(build_objectives(model, ObjectivesConfig()))
    return model.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.no_grad()
def test_states_and_logits_are_those_of_the_whole_vocabulary(name: str, tmp_path: Path) -> None:
    folder = write_architecture(ARCHITECTURES[name], tmp_path)
    full, restricted = build(folder), build(folder)
    assert restricted.vocabulary_problem() == ""
    tokenize = TextTokenizer(full.tokenizer)
    source, target = (tokenize(text).ids for text in TEXTS[:2])
    shorter = sample(source=target[:4], target=source, spans=[])
    samples = [[sample(source=source, target=target, spans=[(0, 1, 0, 1)])], [shorter]]
    batch = BatchBuilder(full.tokenizer, MaskingConfig(max_length=120, mlm_probability=0.3), seed=0)(samples)
    restricted.restrict_vocabulary(kept_tokens(full, batch))
    kept = restricted.vocabulary.ids
    assert kept is not None
    assert len(embedding_weight(restricted.encoder)) == len(kept) < len(embedding_weight(full.encoder))
    h, expected = restricted.states(batch).h_BLD, full.states(batch).h_BLD
    torch.testing.assert_close(h, expected, rtol=0, atol=1e-6)
    logits, whole = restricted.mlm_head(h[0]), full.mlm_head(expected[0])
    torch.testing.assert_close(logits, whole[..., kept], rtol=0, atol=1e-5)
