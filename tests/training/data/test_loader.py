"""Inputs that each worker reads, compared with the order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from tiny import change_manifest, write_encoder, write_prepared

from clism_core.model.tokenizer import load_tokenizer
from clism_core.preparation.schema import SAMPLE_SCHEMA
from clism_core.preparation.source_hash import normalise_source
from clism_core.pretraining.dataset import EncodedData, encode_training_data
from clism_core.pretraining.held_out_data import HeldOutConfig, find_held_out, load_held_out
from clism_core.pretraining.mixture import DataSet, DataSetConfig, open_data_sets
from clism_core.training.data.indexed_rows import Row
from clism_core.training.data.loader import read_step
from clism_core.training.data.sampler import SampleOrder, make_stages
from clism_core.utils.errors import InputError, input_error_within

pytestmark = pytest.mark.ray

BATCH = 12
Drawn = list[list[tuple[str, int, int]]]  # of each step: sample id, ordinal, visit


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prepared(tmp_path_factory.mktemp("prepared") / "data")


@pytest.fixture(scope="module")
def data(ray_cluster: None, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> EncodedData:
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path_factory.mktemp("xlmr"))))
    held_out = find_held_out(alone(prepared), HeldOutConfig(fraction=0.1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clism_core.pretraining.sample_files.BLOCK_BYTES", 2000)
        return encode_training_data(alone(prepared), held_out, tokenizer, min_samples=BATCH)


def alone(folder: Path) -> list[DataSet]:
    return open_data_sets([DataSetConfig(path=str(folder))])


def make_order(data: EncodedData, *, pairs_per_sample: int = 1, set_weights: tuple[float, ...] = (1.0,)) -> SampleOrder:
    return SampleOrder(
        lengths=data.lengths,
        pair_codes=data.pair_codes,
        set_numbers=data.set_numbers,
        set_weights=set_weights,
        stages=make_stages({0.0: pairs_per_sample}, 100),
        global_batch_size=BATCH,
        window=4,
        sampling_alpha=1.0,
        seed=5,
    )


def draw(data: EncodedData, order: SampleOrder, steps: range, workers: int) -> list[list[list[list[Row]]]]:
    """Return the groups of each worker and step."""
    return [[read_step(data, order, step, rank=rank, workers=workers) for step in steps] for rank in range(workers)]


def whole_steps(parts: list[list[list[list[Row]]]]) -> Drawn:
    return [
        sorted((s["sample_id"], s["ordinal"], s["visit"]) for groups in step for group in groups for s in group)
        for step in zip(*parts, strict=True)
    ]


def test_ordinals_follow_the_ids_in_any_blocks(data: EncodedData) -> None:
    ids = sample_ids(data)
    assert len(data.blocks) > 2
    assert ids == sorted(ids)
    assert [str(data.language_pairs[code]) for code in data.pair_codes] == [name.split("/")[0] for name in ids]


def test_held_out_sentences_are_never_trained_on_in_any_language(data: EncodedData, prepared: Path) -> None:
    held_out = load_held_out(alone(prepared), find_held_out(alone(prepared), HeldOutConfig(fraction=0.1)))
    sentences = {normalise_source(row["source"]) for row in held_out}
    assert {row["target_lang"] for row in held_out} == {"de", "es"}
    assert len(held_out) == 2 * len(sentences)  # the two languages share their sentences
    assert len(data) + len(held_out) == 80
    assert not set(sample_ids(data)) & {row["sample_id"] for row in held_out}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gets_the_steps_of_the_order(data: EncodedData, workers: int) -> None:
    steps = range(40)
    order = make_order(data)
    drawn = whole_steps(draw(data, order, steps, workers))
    for step, got in zip(steps, drawn, strict=True):
        batch = order.batch(step)
        expected = zip(batch.ordinals_GK.ravel().tolist(), batch.visits_GK.ravel().tolist(), strict=True)
        assert [(ordinal, visit) for _, ordinal, visit in sorted(got, key=lambda entry: entry[1:])] == sorted(expected)


def test_resuming_in_mid_epoch_with_other_workers_repeats_and_skips_nothing(data: EncodedData) -> None:
    order = make_order(data)
    whole = whole_steps(draw(data, order, range(30), 2))
    resumed = whole_steps(draw(data, order, range(13), 2)) + whole_steps(draw(data, order, range(13, 30), 3))
    assert resumed == whole
    epoch = -(-len(data) // BATCH)
    seen = [entry for step in whole[: 4 * epoch] for entry in step]
    assert len(seen) == len(set(seen))  # an id comes again only with its next visit


def test_joined_pairs_arrive_as_groups(data: EncodedData) -> None:
    (part,) = draw(data, make_order(data, pairs_per_sample=3), range(2), 1)
    for groups in part:
        assert [len(group) for group in groups] == [3] * BATCH
        assert all(len({entry["target_lang"] for entry in group}) == 1 for group in groups)


def test_too_little_data_is_an_input_error(ray_cluster: None, prepared: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path)))
    with pytest.raises(InputError, match="samples to train on, fewer than a global batch of 1000"):
        encode_training_data(
            alone(prepared), find_held_out(alone(prepared), HeldOutConfig()), tokenizer, min_samples=1000
        )


def test_fewer_samples_are_a_subset_of_more(
    ray_cluster: None, prepared: Path, data: EncodedData, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path)))
    held_out = find_held_out(alone(prepared), HeldOutConfig(fraction=0.1))

    def ids(limit: int | None) -> list[str]:
        drawn = encode_training_data(alone(prepared), held_out, tokenizer, min_samples=1, max_samples=limit)
        rows = zip(drawn.block_numbers, drawn.row_numbers, strict=True)
        blocks = ray.get(drawn.blocks)
        return [blocks[block]["sample_id"][int(row)].as_py() for block, row in rows]

    every, eight, twenty = ids(None), ids(8), ids(20)
    assert (len(every), len(eight), len(twenty)) == (len(data), 8, 20)
    assert set(eight) < set(twenty) < set(every)
    assert eight == sorted(eight)
    assert eight != every[:8]  # drawn, and not the first ones
    with pytest.raises(InputError, match=f"--max_samples 9999: .* has {len(every)} samples to train on"):
        ids(9999)


def test_bad_rows_are_one_error_and_rows_without_words_are_left_out(
    ray_cluster: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The error has no traceback of Ray's, whose tasks read the files."""
    folder = write_prepared(tmp_path / "data", languages=("de",))
    file = folder / "samples" / "1.parquet"
    table = pq.read_table(file)
    rows = [row | {"target_words": []} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    change_manifest(folder)
    sentences = find_held_out(alone(folder), HeldOutConfig(fraction=0.9))
    held_out = load_held_out(alone(folder), sentences)
    assert held_out
    assert all(row["target_words"] for row in held_out)
    assert "held-out samples have no words, such as en-de/00/0000000" in caplog.text

    rows[4]["spans"] = None
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    change_manifest(folder)
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path / "encoder")))
    with pytest.raises(Exception, match="spans is null") as raised:
        encode_training_data(alone(folder), sentences, tokenizer, min_samples=1)
    assert str(input_error_within(raised.value)).startswith(f"{file}, row 5: spans is null; restore the file")


def test_no_held_out_sample_is_an_input_error(ray_cluster: None, prepared: Path) -> None:
    with pytest.raises(InputError, match="--held_out: no sample"):
        load_held_out(alone(prepared), find_held_out(alone(prepared), HeldOutConfig(fraction=0.0)))


def test_unknown_origins_are_an_input_error(ray_cluster: None, mixture: list[DataSet]) -> None:
    with pytest.raises(InputError, match=r"--held_out\.origins \['newz'\]: no sample of"):
        find_held_out(mixture, HeldOutConfig(fraction=0.1, origins=["newz", "web"]))


def test_sentences_of_a_held_out_origin_are_held_out_everywhere(ray_cluster: None, tmp_path: Path) -> None:
    """In an evaluation of few samples, they also have their share beside those of the fraction."""
    folder = write_prepared(tmp_path / "data")
    table = pq.read_table(folder / "samples" / "0.parquet")
    origins = ["news" if row["target_lang"] == "de" else row["origin"] for row in table.to_pylist()]
    news = {row["source"] for row in table.to_pylist() if row["target_lang"] == "de"}
    pq.write_table(
        table.set_column(table.schema.get_field_index("origin"), "origin", pa.array(origins, pa.string())),
        folder / "samples" / "0.parquet",
    )
    change_manifest(folder)
    sentences = find_held_out(alone(folder), HeldOutConfig(fraction=0.3, origins=["news"], max_samples=1000))
    held_out = load_held_out(alone(folder), sentences)
    assert news
    assert news < {row["source"] for row in held_out if row["target_lang"] == "es"}
    few = replace(sentences, config=replace(sentences.config, max_samples=10))
    drawn = [row for row in load_held_out(alone(folder), few) if row["target_lang"] == "de"]
    assert len(drawn) == 10
    assert 0 < sum(row["source"] in news for row in drawn) < 10


@pytest.fixture(scope="module")
def mixture(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[DataSet]:
    """The first data set, and another one with the same ids and the same sentences with numbers below 30.

    Its files are larger, and it alone knows an origin.
    """
    folder = write_prepared(tmp_path_factory.mktemp("second") / "data", samples=30, languages=("es", "fr"))
    rows = [row for file in sorted((folder / "samples").iterdir()) for row in pq.read_table(file).to_pylist()]
    for file in (folder / "samples").iterdir():
        file.unlink()
    named = [row | {"origin": "news" if row["source"].endswith(" 7") else "web"} for row in rows]
    pq.write_table(pa.Table.from_pylist(named, schema=SAMPLE_SCHEMA), folder / "samples" / "all.parquet")
    change_manifest(folder, content="ff" * 32, fingerprint="second")
    return open_data_sets([DataSetConfig(path=str(folder), weight=1), DataSetConfig(path=str(prepared), weight=3)])


@pytest.fixture(scope="module")
def mixed(ray_cluster: None, mixture: list[DataSet], tmp_path_factory: pytest.TempPathFactory) -> EncodedData:
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path_factory.mktemp("xlmr"))))
    held_out = find_held_out(mixture, HeldOutConfig(fraction=0.1, origins=["news"]))
    return encode_training_data(mixture, held_out, tokenizer, min_samples=BATCH)


def sample_ids(data: EncodedData) -> list[str]:
    return [
        ray.get(data.blocks[block])["sample_id"][int(row)].as_py()
        for block, row in zip(data.block_numbers, data.row_numbers, strict=True)
    ]


def test_equal_ids_of_several_data_sets_are_distinguished(mixed: EncodedData, mixture: list[DataSet]) -> None:
    ids = sample_ids(mixed)
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)  # the prefixes are in the order of the data sets
    assert [data_set.id_prefix for data_set in mixture] == ["fedcba987654/", "ffffffffffff/"]
    assert [mixture[number].id_prefix for number in mixed.set_numbers] == [name[:13] for name in ids]
    assert [*map(str, mixed.language_pairs)] == ["en-de", "en-es", "en-fr"]


def test_sentences_held_out_of_one_data_set_are_held_out_of_all(mixed: EncodedData, mixture: list[DataSet]) -> None:
    """Both by the fraction, and by an origin that only the second data set has."""
    held_out = load_held_out(mixture, find_held_out(mixture, HeldOutConfig(fraction=0.1, origins=["news"])))
    sentences = {row["source"] for row in held_out}
    by_prefix = {
        data_set.id_prefix: {r["source"] for r in held_out if r["sample_id"][:13] == data_set.id_prefix}
        for data_set in mixture
    }
    first, second = by_prefix.values()
    assert second == {source for source in sentences if int(source.split()[-1]) < 30}
    assert first == sentences
    assert any(source.endswith(" 7") for source in first)
    assert {row["target_lang"] for row in held_out} == {"de", "es", "fr"}
    assert len({row["sample_id"] for row in held_out}) == len(held_out)
    assert not {row["sample_id"] for row in held_out} & set(sample_ids(mixed))
    assert len(mixed) + len(held_out) == 80 + 60


def test_mixture_follows_its_weights_and_resumes_with_other_workers(mixed: EncodedData) -> None:
    order = make_order(mixed, set_weights=(3, 1))
    whole = whole_steps(draw(mixed, order, range(20), 2))
    resumed = whole_steps(draw(mixed, order, range(7), 3)) + whole_steps(draw(mixed, order, range(7, 20), 1))
    assert resumed == whole
    from_first = [name.startswith("fedcba987654/") for step in whole for name, _, _ in step]
    assert sum(from_first) / len(from_first) == pytest.approx(0.75, abs=0.06)


def test_data_set_that_is_held_out_entirely_is_an_input_error(
    ray_cluster: None, mixture: list[DataSet], tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(str(write_encoder("xlmr", tmp_path)))
    held_out = find_held_out(mixture, HeldOutConfig(fraction=0.0, origins=["news", "web"]))
    with pytest.raises(InputError, match=f"--data {mixture[1].folder}: no sample to train on: all are held out"):
        encode_training_data(mixture, held_out, tokenizer, min_samples=BATCH)


def test_lengths_include_source_and_target(data: EncodedData) -> None:
    first = ray.get(data.blocks[int(data.block_numbers[0])]).slice(int(data.row_numbers[0]), 1).to_pylist()[0]
    assert data.lengths[0] == len(first["source_ids"]) + len(first["target_ids"])
    assert data.lengths.dtype == np.int64
