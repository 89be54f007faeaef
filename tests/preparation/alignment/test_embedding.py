from pathlib import Path

import numpy as np
import pytest
import torch
from letter_encoder import write_letter_encoder
from transformers import AutoModel, AutoTokenizer

from clism_core.preparation.alignment.config import AlignerConfig, EmbeddingMethod
from clism_core.preparation.alignment.embedding import (
    EmbeddingAligner,
    itermax,
    mask_to_links,
    mutual_argmax,
    sorted_by_score,
    word_links,
)
from clism_core.preparation.spans import Link
from clism_core.utils.errors import InputError

NAN = float("nan")


def test_mutual_argmax() -> None:
    similarity = np.array([[0.9, 0.8, 0.1], [0.95, 0.2, 0.3], [0.1, 0.7, 0.2]])
    # Best target by source: 0, 0, 1; best source by target: 1, 0, 1.
    assert mask_to_links(mutual_argmax(similarity)) == {(1, 0)}


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        pytest.param(
            # Round 1 links (1, 0). Round 2 compares [.81 .8 .1], [0 .18 .27], [.09 .7 .2]: best targets 0, 2, 1, best
            # sources 0, 0, 1: adds (0, 0) and (1, 2).
            [[0.9, 0.8, 0.1], [0.95, 0.2, 0.3], [0.1, 0.7, 0.2]],
            {(1, 0), (0, 0), (1, 2)},
            id="discounted-second-round",
        ),
        pytest.param([[0.9, 0.1], [0.1, 0.9]], {(0, 0), (1, 1)}, id="all-linked-at-once"),
        pytest.param([[0.9, 0.8]], {(0, 0), (0, 1)}, id="one-word-takes-two"),
    ],
)
def test_itermax(similarity: list[list[float]], expected: set[Link]) -> None:
    assert mask_to_links(itermax(np.array(similarity))) == expected


# Argmax links (0, 0), (2, 2) and (3, 1). Round 2 of Itermax counts words that are linked already 0.9 times, in the unit
# scale: source 1 has [.54 .45 .765 .45] left, target 3 [.45 .5 .45 .45]. Adds (1, 2), beside (2, 2), for which target 2
# has nothing better left than source 1.
TALL = [[0.9, 0.1, 0.0], [0.2, 0.0, 0.7], [0.0, 0.1, 0.8], [0.0, 0.6, 0.1]]
# The same with the first two sources swapped: (0, 2) is beside none of (1, 0), (2, 2) and (3, 1).
APART = [TALL[1], TALL[0], TALL[2], TALL[3]]


@pytest.mark.parametrize(
    ("method", "similarity", "expected"),
    [
        pytest.param("argmax", TALL, {(0, 0), (2, 2), (3, 1)}, id="argmax"),
        pytest.param("itermax", TALL, {(0, 0), (2, 2), (3, 1), (1, 2)}, id="itermax"),
        pytest.param("grow", TALL, {(0, 0), (2, 2), (3, 1), (1, 2)}, id="grow-beside"),
        pytest.param("itermax", APART, {(1, 0), (2, 2), (3, 1), (0, 2)}, id="itermax-apart"),
        pytest.param("grow", APART, {(1, 0), (2, 2), (3, 1)}, id="grow-apart"),
        pytest.param("argmax", [[NAN, NAN], [NAN, -0.5]], {(1, 1)}, id="argmax-nothing-known-of-a-word"),
        pytest.param("grow", [[NAN, NAN], [NAN, -0.5]], {(1, 1)}, id="grow-nothing-known-of-a-word"),
        pytest.param("itermax", [[NAN, NAN]], set(), id="nothing-known"),
        pytest.param("argmax", [[]], set(), id="no-words"),
    ],
)
def test_methods_of_link_extraction(
    method: EmbeddingMethod, similarity: list[list[float]], expected: set[Link]
) -> None:
    assert word_links(np.array(similarity), method=method) == expected


def test_links_are_sorted_by_descending_score() -> None:
    assert sorted_by_score({(0, 0), (0, 1), (1, 1)}, np.array([[0.1, 0.7], [0.0, 0.7]])) == [(0, 1), (1, 1), (0, 0)]


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("encoder")
    write_letter_encoder(folder)
    return str(folder)


def test_equal_words_are_aligned_in_any_batch(encoder_folder: str) -> None:
    aligner = EmbeddingAligner(AlignerConfig(model=encoder_folder, layer=0, batch_size=2))
    sources = [["d", "e", "fgh"], ["ab", "c"], [], ["a"]]
    targets = [["fgh", "d", "e"], ["c", "ab"], ["x"], ["a"]]
    expected: list[set[Link]] = [{(0, 1), (1, 2), (2, 0)}, {(0, 1), (1, 0)}, set(), {(0, 0)}]
    assert aligner.align(sources, targets) == expected
    assert [aligner.align([source], [target])[0] for source, target in zip(sources, targets, strict=True)] == expected


@pytest.mark.parametrize("layer", [0, 1, 2, -2])
def test_state_of_a_word_is_the_mean_of_its_sub_words(encoder_folder: str, layer: int) -> None:
    tokenizer, encoder = AutoTokenizer.from_pretrained(encoder_folder), AutoModel.from_pretrained(encoder_folder).eval()
    with torch.inference_mode():
        hidden = encoder(**tokenizer("abc d", return_tensors="pt"), output_hidden_states=True).hidden_states[layer][0]
    means = torch.stack([hidden[:3].mean(0), hidden[3]])  # the letter encoder has no special tokens about a text
    expected = means / means.norm(dim=1, keepdim=True)
    (states,) = EmbeddingAligner(AlignerConfig(model=encoder_folder, layer=layer)).embed([["abc", "d"]])
    np.testing.assert_allclose(states, expected.numpy(), atol=1e-5)


def test_word_without_sub_words_has_no_links(encoder_folder: str) -> None:
    aligner = EmbeddingAligner(AlignerConfig(model=encoder_folder, layer=0))
    first, second = aligner.embed([["a", " ", "b"], ["c"]])
    assert np.isnan(first).all(axis=1).tolist() == [False, True, False]
    assert not np.isnan(second).any()
    assert aligner.align([["a", " ", "b"]], [["b", "a"]]) == [{(0, 1), (2, 0)}]


def test_long_sentences_are_encoded_in_windows(encoder_folder: str, tmp_path: Path) -> None:
    write_letter_encoder(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.model_max_length = 8
    tokenizer.save_pretrained(tmp_path)
    words = [*"abcdefghijklm", "nopqrstuvwxyz"]
    aligner = EmbeddingAligner(AlignerConfig(model=str(tmp_path), layer=0))
    assert aligner.align([words, ["a"]], [words[::-1], ["a"]]) == [{(k, 13 - k) for k in range(14)}, {(0, 0)}]


@pytest.mark.parametrize(("layer", "fits"), [(0, True), (2, True), (3, False), (-1, True), (-3, True), (-4, False)])
def test_layer_out_of_range_is_an_input_error(encoder_folder: str, layer: int, fits: bool) -> None:
    config = AlignerConfig(kind="embedding", model=encoder_folder, layer=layer)
    if fits:
        EmbeddingAligner.check(config)
    else:
        with pytest.raises(InputError, match="layers 0 to 2"):
            EmbeddingAligner.check(config)
