"""Each architecture from pre-training to prediction, and the table of docs/encoders.md that these tests generate.

After an intended change, `PYTHONPATH=.:tests .venv/bin/python tests/model/test_architectures.py` writes the table anew.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import ARCHITECTURES, build_tokenizer, write_architecture
from tiny import TEXTS
from transformers import AutoModel, AutoModelForQuestionAnswering, AutoModelForTokenClassification, AutoTokenizer

from clism_core.inference.predictor import load_predictor
from clism_core.model.encoder import encode, inspect_encoder, load_encoder
from clism_core.model.tokenizer import TextTokenizer, add_que
from clism_core.model.trainable import TrainedModel, freeze_unused
from clism_core.pretraining.batches import BatchBuilder, MaskingConfig
from clism_core.pretraining.encoding import EncodedSample, encode_row
from clism_core.pretraining.model import PretrainingModel
from clism_core.pretraining.objectives.build import ObjectivesConfig, build_objectives
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel
from clism_core.tasks.mrc.squad_format import Answer, Question
from clism_core.tasks.ner.config import NerConfig
from clism_core.tasks.ner.conll_format import Sentence
from clism_core.tasks.ner.model import NerModel
from clism_core.tasks.ner.windows import SentenceEncoder
from clism_core.tasks.registry import TASKS
from clism_core.utils.errors import InputError
from clism_core.utils.markdown import markdown_table

PAGE = Path(__file__).parents[2] / "docs" / "encoders.md"
HEADER = ["encoder", "`model_type`", "models", "tokenizer", "NER in transformers", "QA in transformers"]
SENTENCE = Sentence(("Mary", "Smith", "lives", "in", "Berlin"), ("B-PER", "I-PER", "O", "O", "B-LOC"))
QUESTION = Question("1", "Where was Mary Smith born?", TEXTS[0], (Answer("Paris", TEXTS[0].index("Paris")),))
QUICK = ("XLM-R", "mmBERT", "ELECTRA")
"""Architectures that `make test` runs, too: of one MLM head and of several, with narrower embeddings."""
ALONE = "encoder only"
NOT_TRAINED = re.compile(r"pooler|lang_embeddings|embedding_hidden_mapping_in_never")
"""Weights of encoders that no objective uses."""
PAIR = {
    "sample_id": "en-de/00/000000001",
    "source_lang": "en",
    "target_lang": "de",
    "source": TEXTS[0],
    "target": TEXTS[1],
    "spans": [{"source_start": 0, "source_end": 10, "target_start": 0, "target_end": 10}],
}


def step(model: TrainedModel[Any], batch: Any) -> None:
    """Take an optimiser step, which must change every weight in use and leave finite values."""
    assert not [name for name in freeze_unused(model, batch) if not NOT_TRAINED.search(name)]
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=1e-3)
    torch.stack([result.loss_sum for result in model.results(batch).values()]).sum().backward()
    optimizer.step()
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def pretrain(encoder: Path, folder: Path) -> None:
    """Pre-train for one step with CLISM and MLM, and save."""
    model = PretrainingModel(load_encoder(str(encoder), seed=0), seed=0)
    model.use(build_objectives(model, ObjectivesConfig(w_cacr=0.0)))
    sample = EncodedSample.from_row(encode_row(TextTokenizer(model.tokenizer), PAIR))
    assert sample.spans, "the tokenizer cuts the name"
    batch = BatchBuilder(model.tokenizer, MaskingConfig(max_length=120, mlm_probability=0.3), seed=0)([[sample]] * 2)
    assert len(batch.mlm_label) > 0
    step(model, batch)
    model.eval().save(folder)
    check_reloaded(model, batch, folder)


@torch.inference_mode()
def check_reloaded(model: PretrainingModel, batch: Any, folder: Path) -> None:
    """Check that transformers loads the encoder and computes the same states, and that we load the same heads."""
    plain, info = AutoModel.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert [name for found in info.values() for name in found if "pooler" not in str(name)] == []
    inputs = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    states = encode(model.encoder, *inputs)
    attended = batch.attention_mask.bool()
    torch.testing.assert_close(encode(plain.eval(), *inputs)[attended], states[attended])
    again = PretrainingModel(load_encoder(str(folder), seed=1), seed=1).eval()
    torch.testing.assert_close(again.mlm_head(states), model.mlm_head(states))
    assert AutoTokenizer.from_pretrained(folder).get_vocab()["[QUE]"] == plain.config.que_token_id
    inspected = inspect_encoder(str(folder))
    assert {n: w.shape for n, w in inspected.mlm_head.state_dict().items()} == {
        n: w.shape for n, w in model.mlm_head.state_dict().items()
    }


def fine_tune(kind: str, encoder: Path, folder: Path, *, use_que: bool) -> None:
    """Fine-tune for one step, save, load and predict, with our predictor and with transformers' class."""
    task = TASKS[kind]
    lengths: Any = {"max_length": 100, "stride": 8, "use_que": use_que}
    options: Any = NerConfig(**lengths) if kind == "ner" else MrcConfig(**lengths, max_question_length=40)
    model = (NerModel if kind == "ner" else MrcModel).begin(str(encoder), options, seed=0)
    rows, _ = task.encoder(model.tokenizer, options)(SENTENCE if kind == "ner" else QUESTION)
    step(model, task.collator(model.tokenizer)(rows))
    model.save(folder)
    record = {"text": TEXTS[0]} if kind == "ner" else {"question": QUESTION.question, "context": TEXTS[0]}
    predictor = load_predictor(str(folder))
    (prediction,) = predictor([record])
    for found in prediction["entities"] if kind == "ner" else [{**prediction, "text": prediction["answer"]}]:
        assert found["text"] == TEXTS[0][found["start"] : found["end"]]
        assert 0 < found["score"] <= 1
    check_plain(kind, predictor.model, folder)


@torch.inference_mode()
def check_plain(kind: str, model: Any, folder: Path) -> None:
    """Check that transformers' class for the task, if the folder is one for it, computes the same logits."""
    config = json.loads((folder / "config.json").read_text())
    if plain_class(folder) == ALONE:
        assert config["architectures"] == [type(model.encoder).__name__]
        return
    auto_class: Any = AutoModelForTokenClassification if kind == "ner" else AutoModelForQuestionAnswering
    plain, info = auto_class.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert not any(info.values())
    ids = torch.tensor([model.tokenizer(TEXTS[0], TEXTS[1])["input_ids"]])
    h_BLD = encode(model.encoder, ids, torch.ones_like(ids), None)
    found = plain.eval()(input_ids=ids, attention_mask=torch.ones_like(ids))
    if kind == "ner":
        torch.testing.assert_close(found.logits, model.head(h_BLD))
    else:
        torch.testing.assert_close(torch.stack((found.start_logits, found.end_logits), -1), model.head.scores(h_BLD))


def plain_class(folder: Path) -> str:
    """Return transformers' class of a task model, or that its folder holds only an encoder for transformers."""
    (name,) = json.loads((folder / "config.json").read_text())["architectures"]
    return name if "For" in name else ALONE


def run(name: str, folder: Path) -> list[str]:
    """Run an encoder from pre-training to prediction; return its row of the table."""
    architecture = ARCHITECTURES[name]
    encoder = write_architecture(architecture, folder / "encoder")
    inspect_encoder(str(encoder))  # what the driver of a job does before workers start
    pretrain(encoder, folder / "pretrained")
    for kind in ("ner", "mrc"):
        fine_tune(kind, folder / "pretrained", folder / kind, use_que=True)
        fine_tune(kind, folder / "pretrained", folder / f"{kind}-without", use_que=False)
    plain = [plain_class(folder / f"{kind}-without") for kind in ("ner", "mrc")]
    return [name, f"`{architecture.model_type}`", architecture.models, architecture.tokenizer, *plain]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_an_architecture_runs_from_pre_training_to_prediction(name: str, tmp_path: Path) -> None:
    row = run(name, tmp_path)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    assert row in cells, "docs/encoders.md is not that of these tests; see above how to write it anew"


def test_the_table_has_a_row_for_each_architecture() -> None:
    rows = re.findall(r"^\| ([^|]*?) *\| `", PAGE.read_text(), re.MULTILINE)
    assert rows == ["encoder", *ARCHITECTURES]


# Names of real folders whose model_type transformers does not have, with code of their own for it.
@pytest.mark.parametrize("model_type", ["new", "nomic_bert_moe", "xlm_roberta_flash"])
def test_an_encoder_with_code_of_its_own_is_refused(model_type: str, tmp_path: Path) -> None:
    folder = write_architecture(ARCHITECTURES["XLM-R"], tmp_path)
    change_config(folder, model_type=model_type, auto_map={"AutoModelForMaskedLM": "modeling.NewForMaskedLM"})
    (folder / "modeling.py").write_text("raise SystemExit('the code was run')")
    for load in (load_encoder, inspect_encoder):
        with pytest.raises(InputError, match="its auto_map names code in its folder, which is never run"):
            load(str(folder), seed=0)


def test_weights_of_another_implementation_are_refused(tmp_path: Path) -> None:
    """As in folders that name a known model_type, but whose weights are named as their own code does."""
    folder = write_architecture(ARCHITECTURES["Jina v3"], tmp_path)
    change_config(folder, model_type="xlm-roberta")
    with pytest.raises(InputError, match=r"its weights do not fit its config\.json"):
        inspect_encoder(str(folder))


def test_a_head_that_transformers_cannot_extend_is_refused(tmp_path: Path) -> None:
    folder = write_architecture(ARCHITECTURES["DeBERTa-v3"], tmp_path, legacy=False)
    for load in (load_encoder, inspect_encoder):
        with pytest.raises(InputError, match=r"cannot be extended by \[QUE\].* for DeBERTa, set legacy: true"):
            load(str(folder), seed=0)
    change_config(folder, legacy=True)
    inspect_encoder(str(folder))


def change_config(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def words_as_in_running_text(name: str, prefix: str | None) -> tuple[int, int]:
    """Return how many words of NER inputs have the sub-words that they have in running text, and how many there are.

    Args:
        name: architecture.
        prefix: text that NER puts before each word; None: what it puts itself.
    """
    tokenizer = build_tokenizer(ARCHITECTURES[name])
    add_que(tokenizer)
    tokenize, encoder = TextTokenizer(tokenizer), SentenceEncoder(tokenizer, NerConfig())
    equal = total = 0
    for text in (text for text in TEXTS if text.isascii()):
        ids, offsets = tokenize(text)
        for match in re.finditer(r"\S+", text):
            first, last = match.span()
            own = [token for token, (start, end) in zip(ids, offsets, strict=True) if first <= start < end <= last]
            given = encoder._sub_words(match[0]) if prefix is None else tokenize(prefix + match[0]).ids
            equal += given == own
            total += 1
    return equal, total


@pytest.mark.parametrize("name", ["mmBERT"])
def test_words_of_ner_are_those_of_running_text(name: str) -> None:
    (without, words), (with_space, _) = (words_as_in_running_text(name, prefix) for prefix in ("", " "))
    assert (without, with_space, words) == (2, 21, 23)  # all but the first word of each of the two sentences
    assert words_as_in_running_text(name, None) == (with_space, words)


def write_page() -> None:
    """Write the table of the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [run(name, Path(folder, str(number))) for number, name in enumerate(ARCHITECTURES)]
    table = markdown_table(HEADER, rows, left=len(HEADER))
    before, after = re.split(r"<!-- table -->\n.*<!-- end of the table -->\n", PAGE.read_text(), flags=re.DOTALL)
    PAGE.write_text(f"{before}<!-- table -->\n{table}\n<!-- end of the table -->\n{after}")


if __name__ == "__main__":
    write_page()
