import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import write_encoder
from torch import Tensor

from clism_core.model.encoder import inspect_encoder, load_encoder
from clism_core.model.objective import Result
from clism_core.model.trainable import freeze_unused
from clism_core.pretraining.model import PretrainingModel
from clism_core.tasks.mrc.batches import InputFormat, QuestionBatch, collate
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.predictor import MrcPredictor
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.mrc.windows import QuestionEncoder
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.saved_task import write_task
from clism_core.training.optimizer import OptimizerConfig, build_optimizer
from clism_core.utils.errors import InputError

KINDS = ["xlmr", "bert", "xlm"]
PASSAGE = "Mary Smith was born in Paris in 1984 and lives in Berlin."
QUESTIONS = {"Who?": "Mary Smith", "born in?": "Paris", "in 1984?": "1984", "lives in?": "Berlin"}
CONTEXTS = [PASSAGE, PASSAGE, PASSAGE + " Mary Smith", PASSAGE]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_encoder("xlmr", tmp_path_factory.mktemp("xlmr")))


@pytest.fixture(scope="module")
def pretrained(xlmr: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    PretrainingModel(load_encoder(xlmr, seed=7), seed=7).save(folder)
    return folder


def make_batch(model: MrcModel) -> QuestionBatch:
    encoder = QuestionEncoder(model.tokenizer, model.config)
    rows = [
        row
        for (question, answer), context in zip(QUESTIONS.items(), CONTEXTS, strict=True)
        for row in encoder.encode_example(
            Question(question, question, context, (Answer(answer, context.index(answer)),))
        )[0]
    ]
    assert len(rows) == 4
    return collate(rows, InputFormat.of(model.tokenizer))


def result(model: MrcModel, batch: QuestionBatch) -> Result:
    (found,) = model(batch).values()
    assert isinstance(found, Result)
    return found


def head_of(model: MrcModel) -> dict[str, Tensor]:
    return dict(model.head.state_dict())


@pytest.mark.parametrize("use_que", [True, False], ids=["que", "linear"])
@pytest.mark.parametrize("softmax", ["passage", "input"])
def test_the_loss_is_the_two_cross_entropies(folder: Path, use_que: bool, softmax: Literal["passage", "input"]) -> None:
    model = MrcModel.begin(str(folder), MrcConfig(use_que=use_que, softmax=softmax), seed=0).eval()
    batch = make_batch(model)
    assert batch.answer_start is not None
    assert batch.answer_end is not None
    found = result(model, batch)
    h_BLD = model.states(batch).h_BLD
    weights = head_of(model)
    expected = torch.zeros(())
    for row in range(4):
        allowed = batch.passage_mask[row] if softmax == "passage" else batch.attention_mask[row].bool()
        for side, gold in (("start", batch.answer_start[row]), ("end", batch.answer_end[row])):
            if use_que:
                asked = weights[f"{side}.weight"] @ h_BLD[row, int(batch.question_position[row])]
                scores = h_BLD[row] @ asked
            else:
                column = ("start", "end").index(side)
                scores = h_BLD[row] @ weights["scores.weight"][column] + weights["scores.bias"][column]
            expected = expected - (scores[gold] - torch.logsumexp(scores[allowed], 0))
    torch.testing.assert_close(found.loss_sum, expected, rtol=1e-4, atol=1e-4)
    assert model.count("mrc", batch) == 4


@pytest.mark.parametrize("use_que", [True, False], ids=["que", "linear"])
def test_gradients_are_finite_and_reach_head_and_encoder(folder: Path, use_que: bool) -> None:
    model = MrcModel.begin(str(folder), MrcConfig(use_que=use_que), seed=0)
    frozen = freeze_unused(model, make_batch(model))
    assert all("pooler" in name or "lang_embeddings" in name for name in frozen)
    result(model, make_batch(model)).loss_sum.backward()
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trained.values())
    heads = {name for name in trained if not name.startswith("encoder.")}
    assert heads == {f"head.{name}" for name in head_of(model)}


def test_the_head_has_its_own_learning_rate(xlmr: str) -> None:
    model = MrcModel.begin(xlmr, MrcConfig(), seed=0)
    config = OptimizerConfig(head_learning_rate=0.5, warmup_steps=1)
    optimizer, _ = build_optimizer(model, config, 2, heads=model.new_head_parameters())
    last = optimizer.param_groups[-1]
    assert last["initial_lr"] == 0.5
    assert {id(p) for p in last["params"]} == {id(p) for p in model.head.parameters()}


def test_logits_are_masked_outside_the_passage(folder: Path) -> None:
    model = MrcModel.begin(str(folder), MrcConfig(), seed=0).eval()
    batch = make_batch(model)
    with torch.inference_mode():
        logits = model.logits(batch)
    for scores in logits:
        assert scores.shape == (4, 1, batch.input_ids.shape[1])
        assert torch.equal(scores.squeeze(1).isfinite(), batch.passage_mask)


def test_exact_match_counts_whole_answers(xlmr: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MrcModel.begin(xlmr, MrcConfig(use_que=False, softmax="input"), seed=0).eval()
    batch = make_batch(model)
    assert batch.answer_start is not None
    assert batch.answer_end is not None
    logits = torch.zeros(2, *batch.input_ids.shape)
    logits[:, :, 0] = 99.0  # a template token, which no predicted answer holds
    rows = torch.arange(4)
    logits[0, rows, batch.answer_start] = 9.0
    logits[1, rows[:3], batch.answer_end[:3]] = 9.0
    logits[1, 3, batch.answer_end[3] + 1] = 9.0  # too long
    monkeypatch.setattr(model.head.scores, "forward", lambda _: logits.permute(1, 2, 0))
    assert int(result(model, batch).metric_sums["exact_match"]) == 3


def test_the_pretrained_head_is_loaded_bit_for_bit(pretrained: Path) -> None:
    saved = load_file(pretrained / "span_head.safetensors")
    model = MrcModel.begin(str(pretrained), MrcConfig(), seed=0)
    assert model.head_origin == "pre-trained"
    assert head_of(model).keys() == saved.keys()
    assert all(torch.equal(weight, saved[name]) for name, weight in head_of(model).items())


def test_a_new_head_depends_only_on_its_seed(pretrained: Path, xlmr: str) -> None:
    old = head_of(MrcModel.begin(str(pretrained), MrcConfig(), seed=3))
    model = MrcModel.begin(str(pretrained), MrcConfig(), seed=3, reinit_head=True)
    elsewhere = MrcModel.begin(xlmr, MrcConfig(), seed=3)
    other_seed = MrcModel.begin(xlmr, MrcConfig(), seed=4)
    assert model.head_origin == elsewhere.head_origin == "new"
    for name, weight in head_of(model).items():
        assert not torch.equal(weight, old[name])
        assert torch.equal(weight, head_of(elsewhere)[name])
        assert not torch.equal(weight, head_of(other_seed)[name])


def test_the_head_of_standard_fine_tuning_is_new_and_small(pretrained: Path) -> None:
    model = MrcModel.begin(str(pretrained), MrcConfig(use_que=False), seed=0)
    weights = head_of(model)
    assert model.head_origin == "new"
    assert set(weights) == {"scores.weight", "scores.bias"}
    assert weights["scores.weight"].shape == (2, 16)
    assert 0.01 < float(weights["scores.weight"].std()) < 0.03
    assert not weights["scores.bias"].any()


def test_the_head_of_another_encoder_is_rejected(xlmr: str, tmp_path: Path) -> None:
    MrcModel.begin(xlmr, MrcConfig(), seed=0).save(tmp_path)
    save_file({"start.weight": torch.zeros(8, 8), "end.weight": torch.zeros(8, 8)}, tmp_path / "span_head.safetensors")
    with pytest.raises(InputError, match=r"span_head\.safetensors: not a head of this encoder"):
        MrcModel.begin(str(tmp_path), MrcConfig(), seed=0)


def test_an_incomplete_head_is_rejected(xlmr: str, tmp_path: Path) -> None:
    model = MrcModel.begin(xlmr, MrcConfig(), seed=0)
    model.save(tmp_path)
    save_file({"start.weight": model.head.state_dict()["start.weight"]}, tmp_path / "span_head.safetensors")
    with pytest.raises(InputError, match=r"span_head\.safetensors: incomplete head: missing end\.weight"):
        MrcModel.load(str(tmp_path))


@pytest.mark.parametrize("load", [load_encoder, inspect_encoder])
def test_the_head_of_a_pre_trained_encoder_must_be_there(pretrained: Path, tmp_path: Path, load: Any) -> None:
    folder = shutil.copytree(pretrained, tmp_path / "copy")
    (folder / "span_head.safetensors").unlink()
    with pytest.raises(InputError, match=r"span_head\.safetensors is missing, although .* --reinit_head true"):
        MrcModel.begin(str(folder), MrcConfig(), seed=0, load_encoder=load)
    assert MrcModel.begin(str(folder), MrcConfig(), seed=0, reinit_head=True, load_encoder=load).head_origin == "new"
    assert MrcModel.begin(str(folder), MrcConfig(use_que=False), seed=0, load_encoder=load).head_origin == "new"


def test_an_inspected_model_has_the_parts_of_a_loaded_one(pretrained: Path, tmp_path: Path) -> None:
    begun = MrcModel.begin(str(pretrained), MrcConfig(), seed=0)
    begun.save(tmp_path)
    for inspected in (
        MrcModel.begin(str(pretrained), MrcConfig(), seed=0, load_encoder=inspect_encoder),
        MrcModel.load(tmp_path, load_encoder=inspect_encoder),
    ):
        assert {n: w.shape for n, w in inspected.state_dict().items()} == {
            n: w.shape for n, w in begun.state_dict().items()
        }


@pytest.mark.parametrize("content", ["", "[1]", "{", "version https://git-lfs.github.com/spec/v1"])
def test_a_damaged_task_file_is_rejected(xlmr: str, tmp_path: Path, content: str) -> None:
    MrcModel.begin(xlmr, MrcConfig(), seed=0).save(tmp_path)
    (tmp_path / "task.json").write_text(content)
    with pytest.raises(InputError, match=r"task\.json: damaged, not"):
        MrcModel.load(tmp_path)


@pytest.mark.parametrize(
    ("use_que", "head"),
    [
        pytest.param(True, "span_head.safetensors", id="que"),
        pytest.param(False, "linear_span_head.safetensors", id="linear"),
    ],
)
def test_a_saved_model_predicts_the_same(folder: Path, use_que: bool, head: str, tmp_path: Path) -> None:
    config = MrcConfig(use_que=use_que, max_length=60, stride=10, max_question_length=20, max_answer_length=7)
    model = MrcModel.begin(str(folder), config, seed=5)
    model.save(tmp_path)
    assert {"config.json", "model.safetensors", "task.json", "tokenizer_config.json", head} <= {
        file.name for file in tmp_path.iterdir()
    }
    again = MrcModel.load(str(tmp_path))
    assert again.config == config
    records = [{"question": question, "context": PASSAGE * 3} for question in QUESTIONS]
    assert MrcPredictor(again)(records, n_best=5) == MrcPredictor(model)(records, n_best=5)


def test_a_folder_without_its_head_is_rejected(xlmr: str, tmp_path: Path) -> None:
    MrcModel.begin(xlmr, MrcConfig(), seed=0).save(tmp_path)
    (tmp_path / "span_head.safetensors").unlink()
    with pytest.raises(InputError, match=r"span_head\.safetensors is missing"):
        MrcModel.load(str(tmp_path))


def test_a_model_for_another_task_is_rejected(xlmr: str, tmp_path: Path) -> None:
    MrcModel.begin(xlmr, MrcConfig(), seed=0).save(tmp_path)
    write_task(tmp_path, NerConfig())
    with pytest.raises(InputError, match="the model is for task ner, not mrc"):
        MrcModel.load(str(tmp_path))


@pytest.mark.parametrize("use_que", [True, False], ids=["que", "linear"])
def test_the_model_overfits_four_questions(xlmr: str, use_que: bool) -> None:
    model = MrcModel.begin(xlmr, MrcConfig(use_que=use_que, max_length=120, stride=10), seed=0)
    batch = make_batch(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(300):
        found = result(model, batch)
        optimizer.zero_grad()
        found.loss_sum.backward()
        optimizer.step()
        if float(found.loss_sum.detach()) < 0.5:  # so that every answer has a probability above 1/2
            break
    assert int(found.metric_sums["exact_match"]) == 4
    records = [{"question": q, "context": context} for q, context in zip(QUESTIONS, CONTEXTS, strict=True)]
    predictions = MrcPredictor(model)(records)
    assert [prediction["answer"] for prediction in predictions] == list(QUESTIONS.values())
    assert model.training
