"""`predict` of a registered encoder: sentences to vectors. MLflow stores this file and runs it on its own."""

from typing import Any

import mlflow
import torch
from mlflow.pyfunc import PythonModel, PythonModelContext
from transformers import AutoModel, AutoTokenizer

MAX_LENGTH, BATCH_SIZE = 256, 32


class EncoderModel(PythonModel):
    """Mean-pooled sentence vectors of an encoder folder written by `save_pretrained`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load encoder and tokenizer from the artefact `model`."""
        folder = context.artifacts["model"]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        safe = {"local_files_only": True, "trust_remote_code": False}
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        self.encoder, info = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_kernels=False, attn_implementation=None, output_loading_info=True, **safe
        )
        missing = sorted(name for name in info["missing_keys"] if not name.startswith("pooler."))
        if missing:
            raise ValueError(f"{folder}: weights are missing: {', '.join(missing)}; register the model again")
        self.encoder.eval().to(self.device)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: list[str],
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[list[float]]:
        """Return one vector per sentence: the mean state of its own tokens, without template tokens."""
        vectors: list[list[float]] = []
        for start in range(0, len(model_input), BATCH_SIZE):
            vectors += self._embed(model_input[start : start + BATCH_SIZE]).tolist()
        return vectors

    @torch.inference_mode()
    def _embed(self, sentences: list[str]) -> torch.Tensor:
        inputs = self.tokenizer(
            sentences, truncation=True, max_length=MAX_LENGTH, padding=True, split_special_tokens=True,
            return_tensors="pt",
        )  # fmt: skip
        own_BL = torch.tensor([[i == 0 for i in inputs.sequence_ids(row)] for row in range(len(sentences))])
        own_BL1 = own_BL.unsqueeze(-1).to(self.device)
        h_BLD = self.encoder(**inputs.to(self.device)).last_hidden_state
        r_BD: torch.Tensor = (h_BLD * own_BL1).sum(1) / own_BL1.sum(1).clamp(min=1)
        return r_BD


mlflow.models.set_model(EncoderModel())
