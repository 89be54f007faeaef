from pathlib import Path
from typing import Any

import numpy as np
import pytest
from letter_encoder import write_letter_encoder

from clism_core.data.alignment.config import AlignerConfig
from clism_core.data.alignment.embedding import (
    EmbeddingAligner,
    SubWords,
    check_encoder,
    itermax,
    mutual_argmax,
    word_links,
)
from clism_core.data.spans import Link
from clism_core.errors import InputError


def linked(mask: np.ndarray[Any, Any]) -> set[Link]:
    return {(int(i), int(j)) for i, j in np.argwhere(mask)}


def test_mutual_argmax() -> None:
    similarity = np.array([[0.9, 0.8, 0.1], [0.95, 0.2, 0.3], [0.1, 0.7, 0.2]])
    # Best target by source: 0, 0, 1; best source by target: 1, 0, 1.
    assert linked(mutual_argmax(similarity)) == {(1, 0)}


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
    assert linked(itermax(np.array(similarity))) == expected


def test_words_are_linked_by_any_of_their_sub_words() -> None:
    axes = np.eye(4)
    source = SubWords(axes[[0, 1, 2]], [0, 0, 2])
    target = SubWords(axes[[2, 1, 0]], [0, 1, 3])
    assert word_links(source, target, method="argmax") == {(0, 1), (0, 3), (2, 0)}


def test_sentence_without_sub_words() -> None:
    assert word_links(SubWords(np.zeros((0, 4)), []), SubWords(np.eye(4), [0, 1, 2, 3]), method="argmax") == set()


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("encoder")
    write_letter_encoder(folder)
    return str(folder)


def test_encoder_aligns_equal_words_whatever_the_batch(encoder_folder: str) -> None:
    config = AlignerConfig(kind="embedding", model=encoder_folder, layer=0)
    tally: Any = None
    aligner = EmbeddingAligner(config, tally=tally)
    sources, targets = [["ab", "c"], ["d", "e", "fgh"]], [["c", "ab"], ["fgh", "d", "e"]]
    expected = [{(0, 1), (1, 0)}, {(0, 1), (1, 2), (2, 0)}]
    assert aligner.align(sources, targets) == expected
    assert [aligner.align([source], [target])[0] for source, target in zip(sources, targets, strict=True)] == expected


@pytest.mark.parametrize(("layer", "fits"), [(0, True), (2, True), (3, False), (-1, True), (-3, True), (-4, False)])
def test_layers(encoder_folder: str, layer: int, fits: bool) -> None:
    config = AlignerConfig(kind="embedding", model=encoder_folder, layer=layer)
    if fits:
        check_encoder(config)
    else:
        with pytest.raises(InputError, match="layers 0 to 2"):
            check_encoder(config)
