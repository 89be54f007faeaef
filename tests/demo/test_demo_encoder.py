import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaSelfAttention

from clism_core.demo.corpus import DemoCorpusConfig, generate_corpus, write_corpus
from clism_core.demo.encoder import MATCHING_LOGIT, DemoEncoderConfig, build_encoder, sentence_id_vectors, sinusoids
from clism_core.model.notice import model_notice

CORPUS = DemoCorpusConfig(target_langs=["ar", "hi"], pairs_per_language=600, held_out_pairs_per_language=60)
ENCODER = DemoEncoderConfig(vocab_size=3500, hidden_size=64, num_hidden_layers=2, num_attention_heads=2)


@pytest.fixture(scope="module")
def corpus_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_corpus(CORPUS, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def folder(corpus_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    build_encoder(ENCODER, corpus_files, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> PreTrainedModel:
    model: PreTrainedModel = AutoModel.from_pretrained(folder)
    return model


def test_tokens_of_one_pair_get_one_vector_and_others_are_orthogonal() -> None:
    """Two groups of tokens without common pairs have orthogonal features; features within a group are equal."""
    pairs = [[[0, 1], [2]], [[0, 1], [2]], [[3], [4]], [[3], [4]]]
    vectors = sentence_id_vectors(pairs, vocab_size=6, size=2, seed=0)
    expected = np.zeros((6, 6))
    expected[:3, :3] = expected[3:5, 3:5] = 1
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_near_positions_are_similar_at_first() -> None:
    vectors = sinusoids(514, 64, seed=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alike = vectors @ vectors.T
    for distance in (1, 2, 5):  # which is all that it depends on: the sum over waves of cos(distance * frequency)
        waves = np.cos(distance * 1000.0 ** -(np.arange(32) / 32)).mean()
        np.testing.assert_allclose(np.diagonal(alike, distance), waves, atol=1e-4)
    assert alike[0, 1] > alike[0, 2] > alike[0, 5]


def test_special_tokens_and_pair_format_are_those_of_xlm_r(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    assert tokenizer.mask_token_id == len(tokenizer) - 1
    assert tokenizer.pad_token_id == 1
    a, b = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Lima", "ليما"))
    assert tokenizer("Lima", "ليما")["input_ids"] == [0, *a, 2, 2, *b, 2]


def test_text_has_no_unknown_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    for parts in generate_corpus(CORPUS).values():
        for sentence in parts["held_out"]:
            for text in sentence.texts.values():
                assert tokenizer.unk_token_id not in tokenizer(text.text)["input_ids"]
    for written in ("Đà Nẵng", unicodedata.normalize("NFD", "Đà Nẵng"), "«Öl» – „ñandú“…", "كيف حالُك؟", "ज़रूर ॐ १२"):
        assert tokenizer.unk_token_id not in tokenizer(written)["input_ids"]


def test_frequent_words_are_one_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.tokenize("was born in the") == ["▁was", "▁born", "▁in", "▁the"]


def test_a_name_has_the_same_pieces_beside_punctuation(tokenizer: PreTrainedTokenizerBase) -> None:
    for name, marks in (("Lima", ".,;:?"), ("ليما", ".،؛؟"), ("लीमा", "।,?")):
        pieces = tokenizer.tokenize(name)
        assert [tokenizer.tokenize(name + mark) for mark in marks] == [[*pieces, mark] for mark in marks]


def test_config_is_applied(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    config = model.config
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == ("xlm-roberta", 64, 2)
    assert config.vocab_size == len(tokenizer) <= ENCODER.vocab_size
    assert config.hidden_dropout_prob == ENCODER.dropout
    with torch.no_grad():
        assert model(**tokenizer("Lima", return_tensors="pt")).last_hidden_state.isfinite().all()


def test_half_of_the_heads_attend_to_similar_states_at_first(model: PreTrainedModel) -> None:
    states = torch.nn.functional.layer_norm(torch.randn(200, 64, generator=torch.Generator().manual_seed(0)), [64])
    attentions = [part for part in model.modules() if isinstance(part, XLMRobertaSelfAttention)]
    assert len(attentions) == 2
    for attention in attentions:
        with torch.no_grad():
            query, key = (linear(states).view(200, 2, 32) for linear in (attention.query, attention.key))
        logits = torch.einsum("qhd,khd->hqk", query, key)
        alike, by_chance = (logits[head].diagonal() for head in (0, 1))
        assert alike.mean() == pytest.approx(MATCHING_LOGIT, rel=0.1)
        assert by_chance.mean().abs() < 1
        assert (logits[0].argmax(-1) == torch.arange(200)).float().mean() > 0.9


def test_scores_of_the_random_weights_have_a_notice(folder: Path) -> None:
    assert model_notice(folder) == "The encoder of this demo has random weights: its scores mean nothing."


def test_held_out_rows_are_ignored(folder: Path, corpus_files: list[Path], tmp_path: Path) -> None:
    """The same input also gives the same files."""
    shorter = []
    for file in corpus_files:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        shorter.append(tmp_path / file.name)
        shorter[-1].write_text("".join(line for line in lines if not line.endswith("\theld_out\n")), encoding="utf-8")
    build_encoder(ENCODER, shorter, tmp_path / "encoder")
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "encoder" / name).read_bytes() == (folder / name).read_bytes()


def test_layer_0_finds_translations(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Mutual nearest neighbours of the tokens of a name are within its translation."""
    right = links = 0
    for target, parts in generate_corpus(CORPUS).items():
        for sentence in parts["train"][:40]:
            source_text, target_text = sentence.texts["en"], sentence.texts[target]
            source_states, source_offsets = layer_0(model, tokenizer, source_text.text)
            target_states, target_offsets = layer_0(model, tokenizer, target_text.text)
            similarity = source_states @ target_states.T
            forward, backward = similarity.argmax(1).tolist(), similarity.argmax(0).tolist()
            answers = {slot.key: slot for slot in target_text.slots}
            for slot in source_text.slots:
                for i, (start, end) in enumerate(source_offsets):
                    if slot.start <= start and end <= slot.end and backward[forward[i]] == i:
                        answer, (low, high) = answers[slot.key], target_offsets[forward[i]]
                        links += 1
                        right += answer.start < high and low < answer.end
    assert links > 200
    assert right / links > 0.85


def layer_0(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str
) -> tuple[torch.Tensor, list[list[int]]]:
    encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0, 1:-1].tolist()
    with torch.no_grad():
        states = model(**encoded, output_hidden_states=True).hidden_states[0][0, 1:-1]
    return torch.nn.functional.normalize(states, dim=-1), offsets
