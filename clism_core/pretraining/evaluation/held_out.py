"""Evaluation on held-out samples by all workers, per language pair."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from clism_core.cluster.collectives import gather_rows, rank, sum_over_workers, world_size
from clism_core.model.batching import batches_by_length
from clism_core.model.objective import Objective, Result
from clism_core.model.precision import Precision
from clism_core.model.tokenizer import TextTokenizer
from clism_core.pretraining.batches import Batch, BatchBuilder
from clism_core.pretraining.encoding import EncodedSample, encode_row
from clism_core.pretraining.evaluation.baselines import longest_unaligned_run_exact_match, random_run_exact_match
from clism_core.pretraining.evaluation.measures import evaluation_name
from clism_core.pretraining.evaluation.retrieval import retrieval
from clism_core.pretraining.evaluation.sentence_vectors import SentenceVectors
from clism_core.pretraining.model import PretrainingModel
from clism_core.utils.language_pair import LanguagePair


class HeldOutEvaluation:
    """Evaluation of a model on held-out samples; a sample is masked in the same way in every evaluation.

    Args:
        rows: prepared samples of all language pairs, the same on all workers.
        model: the model, not its DDP wrapper.
        builder: builder of inputs, as in training.
        batch_size: maximum number of inputs per forward pass.
        precision: precision of forward passes.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        *,
        model: PretrainingModel,
        builder: BatchBuilder,
        batch_size: int,
        precision: Precision,
    ):
        self.model = model
        self.builder = builder
        self.batch_size = batch_size
        self.precision = precision
        self._text_tokenizer = TextTokenizer(model.tokenizer)
        self.samples: dict[str, list[EncodedSample]] = {}
        self.baselines: dict[str, dict[str, float]] = {}
        for pair, selected in self._select_questions(rows).items():
            self.samples[pair] = [replace(self._encode(row), ordinal=index) for index, row in enumerate(selected)]
            n_spans = max(1, sum(len(row["spans"]) for row in selected))
            self.baselines[pair] = {
                "random_run_exact_match": sum(map(random_run_exact_match, selected)) / n_spans,
                "longest_unaligned_run_exact_match": sum(map(longest_unaligned_run_exact_match, selected)) / n_spans,
            }

    def _select_questions(self, rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """Return the samples by language pair, each with the spans that become questions, always the same ones.

        Spans that cannot become questions, because their boundaries are inside tokens or because they are truncated,
        are omitted for the model and the baselines.
        """
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            single = [(span, self.builder([[self._encode({**row, "spans": [span]})]])) for span in row["spans"]]
            spans = [span for span, batch in single if batch.question_mask.any()]
            drawn = random.Random(row["sample_id"]).sample(spans, min(self.builder.config.max_spans, len(spans)))
            groups.setdefault(str(LanguagePair.of(row)), []).append({**row, "spans": drawn})
        return groups

    def _encode(self, row: dict[str, Any]) -> EncodedSample:
        return EncodedSample.from_row(encode_row(self._text_tokenizer, row))

    def __call__(self) -> dict[str, float]:
        """Return `PAIR/METRIC` for every language pair, and `gradient_norm/OBJECTIVE` (a collective)."""
        was_training = self.model.training
        self.model.eval()
        metrics: dict[str, float] = {}
        for pair, samples in self.samples.items():
            values = {**self.baselines[pair], **self._objectives(samples), **self._retrieval(samples)}
            metrics |= {f"{pair}/{name}": value for name, value in values.items()}
        metrics |= self._gradient_norms()
        self.model.train(was_training)
        return metrics

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return next(self.model.parameters()).device

    def _batches(self, samples: Sequence[EncodedSample]) -> Iterator[list[EncodedSample]]:
        """Yield this worker's samples in batches of similar length."""
        own = samples[rank() :: world_size()]
        for places in batches_by_length([len(s.source_ids) + len(s.target_ids) for s in own], self.batch_size):
            yield [own[place] for place in places]

    def _build(self, samples: Sequence[EncodedSample]) -> Batch:
        return self.builder([[sample] for sample in samples]).to(self.device)

    @torch.no_grad()
    def _objectives(self, samples: Sequence[EncodedSample]) -> dict[str, float]:
        """Return loss and metrics of every objective that is not contrastive."""
        objectives = {n: module for n, module in self.model.objectives.items() if isinstance(module, Objective)}
        totals: dict[str, dict[str, Tensor]] = {name: {} for name in objectives}
        for chosen in self._batches(samples):
            batch = self._build(chosen)
            with self.precision.autocast():
                results = self.model.results(batch)
            for name, objective in objectives.items():
                _add(totals[name], results[name], objective.count(batch))
        metrics: dict[str, float] = {}
        for name, objective in objectives.items():
            names = {metric.name: evaluation_name(objective, metric) for metric in objective.metrics}
            names = {"loss": f"{name}_loss", **names}
            keys = ["count", *names]
            local = torch.stack([totals[name].get(key, torch.zeros(())).double().to(self.device) for key in keys])
            count, *sums = sum_over_workers(local)
            if count:
                metrics |= {each: total / count for each, total in zip(names.values(), sums, strict=True)}
        return metrics

    @torch.no_grad()
    def _retrieval(self, samples: Sequence[EncodedSample]) -> dict[str, float]:
        """Encode source and target sentences separately and retrieve their translations."""
        vectors = SentenceVectors(
            self.model.encoder,
            self.model.tokenizer,
            max_length=self.builder.config.max_length,
            precision=self.precision,
        )
        sources, targets, keys = [], [], []
        for chosen in self._batches(samples):
            sources.append(vectors([sample.source_ids for sample in chosen]))
            targets.append(vectors([sample.target_ids for sample in chosen]))
            keys.append(torch.tensor([[s.source_key, s.target_key] for s in chosen], device=self.device))
        width = self.model.hidden_size
        source = gather_rows(torch.cat([torch.empty(0, width, device=self.device), *sources]))
        target = gather_rows(torch.cat([torch.empty(0, width, device=self.device), *targets]))
        key = gather_rows(torch.cat([torch.empty(0, 2, dtype=torch.long, device=self.device), *keys]))
        result = retrieval(source, target, key[:, 0], key[:, 1])
        return {
            "retrieval_accuracy": result.accuracy,
            "retrieval_accuracy_reverse": result.reverse_accuracy,
            "random_cosine": result.random_cosine,
        }

    def _gradient_norms(self) -> dict[str, float]:
        """Return the gradient norm of each objective on one mixed batch per worker, averaged over workers.

        An objective whose norm approaches 0 no longer contributes; one whose norm is much larger dominates the others.
        """
        mixed = [sample for samples in zip(*self.samples.values(), strict=False) for sample in samples]
        batch = self._build((mixed[rank() :: world_size()] or mixed)[: self.batch_size])
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        norms = []
        for name in self.model.objectives:
            with torch.enable_grad(), self.precision.autocast():
                result = self.model(batch)[name]
            if not isinstance(result, Result):
                result = self.model.contrastive()[name].loss(result, batch.keys)
            mean = result.loss_sum / max(1, self.model.count(name, batch))
            gradients = torch.autograd.grad(mean * FP16_SCALE, parameters, allow_unused=True)
            norm = torch.stack([gradient.float().norm() for gradient in gradients if gradient is not None]).norm()
            norms.append(norm.double() / FP16_SCALE)
        means = sum_over_workers(torch.stack(norms) / world_size())
        return {f"gradient_norm/{name}": mean for name, mean in zip(self.model.objectives, means, strict=True)}


FP16_SCALE = 1024.0
"""Loss scale for gradient norms: prevents underflow of small gradients in fp16, without overflow of large ones."""


def score(metrics: dict[str, float], language_pairs: Sequence[str]) -> float:
    """Return the score by which checkpoints are compared; higher is better.

    It is the mean span exact match over the language pairs with questions or, without CLISM, the mean retrieval
    accuracy over all language pairs.
    """
    matches = [metrics[name] for name in (f"{pair}/span_exact_match" for pair in language_pairs) if name in metrics]
    values = matches or [metrics[f"{pair}/retrieval_accuracy"] for pair in language_pairs]
    return sum(values) / len(values)


def _add(totals: dict[str, Tensor], result: Result, count: int) -> None:
    for key, value in {"count": torch.tensor(count), "loss": result.loss_sum, **result.metric_sums}.items():
        totals[key] = totals.get(key, torch.zeros((), device=value.device)) + value.detach()
