from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_sample, write_encoder

from clism_core.model.encoder import load_encoder
from clism_core.model.precision import Precision
from clism_core.pretraining.batches import TRUNCATED, BatchBuilder, MaskingConfig
from clism_core.pretraining.evaluation.held_out import HeldOutEvaluation, score
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives

SENTENCES = [
    ("Mary Smith was born in Paris", "Mary Smith wurde in Paris geboren", "Paris"),
    ("Mary Smith lives in Berlin", "Mary Smith lebt in Berlin", "Mary Smith"),
    ("in Berlin and Paris", "in Berlin und Paris", "Berlin"),
    ("was born in 1984", "wurde 1984 geboren", "1984"),
    ("Mary was in Berlin", "Mary lebt in Berlin", "Mary"),
]


def rows(pairs: tuple[str, ...] = ("de", "es")) -> list[dict[str, Any]]:
    return [
        make_sample(target, [(answer, answer)], source=source, alignment="")
        | {"sample_id": f"en-{language}/00/{number:09d}", "source_lang": "en", "target_lang": language}
        for language in pairs
        for number, (source, target, answer) in enumerate(SENTENCES)
    ]


@pytest.fixture
def model(tmp_path: Path) -> PretrainingModel:
    return PretrainingModel(load_encoder(str(write_encoder("xlmr", tmp_path)), seed=0), seed=0)


def evaluate(model: PretrainingModel, *, batch_size: int = 2, **weights: float) -> dict[str, float]:
    model.use(build_objectives(model, ObjectivesConfig(**weights)))
    builder = BatchBuilder(model.tokenizer, MaskingConfig(mlm_probability=0.3), seed=0)
    return HeldOutEvaluation(
        rows(), model=model, builder=builder, batch_size=batch_size, precision=Precision("fp32", torch.device("cpu"))
    )()


def test_every_language_pair_has_metrics(model: PretrainingModel) -> None:
    names = set(evaluate(model))
    per_pair = {
        "span_exact_match",
        "clism_loss",
        "mlm_loss",
        "mlm_accuracy",
        "random_run_exact_match",
        "longest_unaligned_run_exact_match",
        "retrieval_accuracy",
        "retrieval_accuracy_reverse",
        "random_cosine",
    }
    assert names == {f"{pair}/{name}" for pair in ("en-de", "en-es") for name in per_pair} | {
        f"gradient_norm/{name}" for name in ("clism", "cacr", "mlm")
    }


def test_metrics_are_reproducible_for_any_batch_size(model: PretrainingModel) -> None:
    one, all_at_once = evaluate(model, batch_size=1), evaluate(model, batch_size=5)
    per_pair = [name for name in one if not name.startswith("gradient_norm")]
    assert {name: one[name] for name in per_pair} == pytest.approx(
        {name: all_at_once[name] for name in per_pair}, rel=1e-4
    )
    assert evaluate(model, batch_size=5) == all_at_once


def test_disabled_objectives_are_not_evaluated(model: PretrainingModel) -> None:
    metrics = evaluate(model, w_clism=0.0, w_mlm=0.0)
    assert "en-de/span_exact_match" not in metrics
    assert "en-de/mlm_loss" not in metrics
    assert score(metrics, ["en-de"]) == metrics["en-de/retrieval_accuracy"]


def test_overfitted_model_scores_1(model: PretrainingModel) -> None:
    """Overfit the tiny encoder to the samples on which it is then evaluated."""
    model.use(build_objectives(model, ObjectivesConfig(w_mlm=0.0)))
    builder = BatchBuilder(model.tokenizer, MaskingConfig(mlm_probability=1e-9), seed=0)
    evaluation = HeldOutEvaluation(
        rows(("de",)), model=model, builder=builder, batch_size=5, precision=Precision("fp32", torch.device("cpu"))
    )
    batch = builder([[entry] for entry in evaluation.samples["en-de"]])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        model(batch)["clism"].loss_sum.backward()
        optimizer.step()
    metrics = evaluation()
    assert metrics["en-de/span_exact_match"] == 1.0
    assert score(metrics, ["en-de"]) == 1.0
    assert model.training


def test_gradient_norm_is_of_the_mean_loss(model: PretrainingModel) -> None:
    metrics = evaluate(model, batch_size=4, w_cacr=0.0, w_mlm=0.0)
    builder = BatchBuilder(model.tokenizer, MaskingConfig(mlm_probability=0.3), seed=0)
    evaluation = HeldOutEvaluation(
        rows(), model=model, builder=builder, batch_size=4, precision=Precision("fp32", torch.device("cpu"))
    )
    first = [evaluation.samples[pair][number] for number in (0, 1) for pair in ("en-de", "en-es")]
    model.eval()
    result = model(builder([[entry] for entry in first]))["clism"]
    (result.loss_sum / 4).backward()
    squares = [p.grad.square().sum() for p in model.parameters() if p.grad is not None]
    assert metrics["gradient_norm/clism"] == pytest.approx(float(torch.stack(squares).sum().sqrt()), rel=1e-4)


def test_truncated_spans_are_not_questions(model: PretrainingModel) -> None:
    model.use(build_objectives(model, ObjectivesConfig()))
    builder = BatchBuilder(model.tokenizer, MaskingConfig(max_length=12), seed=0)
    precision = Precision("fp32", torch.device("cpu"))
    held_out = HeldOutEvaluation(rows(("de",)), model=model, builder=builder, batch_size=2, precision=precision)
    batch = builder([[sample] for sample in held_out.samples["en-de"]])
    assert batch.counters[TRUNCATED] == 0
    assert 0 < int(batch.question_mask.sum()) < len(SENTENCES)

    def tokens(text: str) -> int:
        return len(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    fits = [
        tokens(source[: source.index(answer)]) < builder.side_length
        and tokens(target[: target.index(answer) + len(answer)]) <= builder.side_length
        for source, target, answer in SENTENCES
    ]
    assert [len(sample.spans) > 0 for sample in held_out.samples["en-de"]] == fits
