"""Tiny encoders of real architectures with real tokenizers, and samples in token ids."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    XLMConfig,
    XLMModel,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMTokenizer,
    set_seed,
)

from clism_core.preparation.manifest import ListedFile, Manifest, finish_output
from clism_core.preparation.schema import SAMPLE_SCHEMA
from clism_core.pretraining.encoding import EncodedSample, Span

TEXTS = [
    "Mary Smith was born in Paris in 1984 and lives in Berlin.",
    "Mary Smith wurde 1984 in Paris geboren und lebt in Berlin.",
    "ولدت ماري سميث في باريس عام 1984 وتعيش في برلين.",
    "मैरी स्मिथ का जन्म 1984 में पेरिस में हुआ था और वह बर्लिन में रहती हैं।",
    "玛丽·史密斯1984年出生于巴黎，现居柏林。",
    "メアリー・スミスは1984年にパリで生まれ、ベルリンに住んでいる。",
    "แมรี่ สมิธ เกิดที่ปารีสในปี 1984 และอาศัยอยู่ในเบอร์ลิน",
]


def write_encoder(kind: str, folder: Path) -> Path:
    """Write a tiny randomly initialised encoder of `kind` (xlmr, bert or xlm) and its tokenizer into `folder`."""
    set_seed(0)
    {"xlmr": _write_xlmr, "bert": _write_bert, "xlm": _write_xlm}[kind](folder)
    return folder


def _write_xlmr(folder: Path) -> None:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        TEXTS, trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    _wrap(tokenizer, cls="<s>", sep="</s>", pad="<pad>", unk="<unk>", mask="<mask>").save_pretrained(folder)
    XLMRobertaModel(
        XLMRobertaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=130,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    ).save_pretrained(folder)


def _write_bert(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    _wrap(tokenizer, cls="[CLS]", sep="[SEP]", pad="[PAD]", unk="[UNK]", mask="[MASK]").save_pretrained(folder)
    BertModel(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=128,
        )
    ).save_pretrained(folder)


def _wrap(tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    named = {f"{name}_token": token for name, token in special.items()}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **named)


def _write_xlm(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted({letter for text in TEXTS for letter in text.lower() if not letter.isspace()})
    tokens = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{i}>" for i in range(10))]
    tokens += [*letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("")
    XLMTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    XLMModel(
        XLMConfig(vocab_size=len(tokens), emb_dim=16, n_layers=2, n_heads=2, max_position_embeddings=256, n_langs=2)
    ).save_pretrained(folder)


def sample(
    *,
    source: list[int],
    target: list[int],
    spans: list[tuple[int, int, int, int]],
    ordinal: int = 0,
    visit: int = 0,
) -> EncodedSample:
    """Return an encoded sample; equal ids are equal texts."""
    return EncodedSample(
        source_ids=source,
        target_ids=target,
        spans=[Span(*span) for span in spans],
        source_key=hash(tuple(source)),
        target_key=hash(tuple(target)),
        ordinal=ordinal,
        visit=visit,
    )


def make_sample(target: str, spans: list[tuple[str, str]], *, source: str = "", alignment: str = "") -> dict[str, Any]:
    """A sample whose words are separated by single spaces; spans are given by their texts."""

    def words(text: str) -> list[dict[str, int]]:
        ranges, at = [], 0
        for word in text.split():
            ranges.append({"start": at, "end": at + len(word)})
            at += len(word) + 1
        return ranges

    return {
        "source": source,
        "target": target,
        "source_words": words(source),
        "target_words": words(target),
        "alignment": alignment,
        "spans": [
            {
                "source_start": source.find(question),
                "source_end": source.find(question) + len(question),
                "target_start": target.index(answer),
                "target_end": target.index(answer) + len(answer),
            }
            for question, answer in spans
        ],
    }


NAMES = ["Mary", "Smith", "Paris", "Berlin", "1984", "Mary Smith"]


def write_prepared(folder: Path, *, samples: int = 40, languages: tuple[str, ...] = ("de", "es")) -> Path:
    """Write prepared data: for each language, `samples` pairs of different sentences, one span each."""
    rows = []
    for language in languages:
        for number in range(samples):
            name, place = NAMES[number % len(NAMES)], NAMES[2 + number // len(NAMES) % 3]
            source, target = f"{name} was born in {place} {number}", f"{number} wurde {name} in {place} geboren"
            rows.append(
                make_sample(target, [(name, name)], source=source, alignment="1-1 3-3")
                | {"sample_id": f"en-{language}/00/{number:09d}", "source_lang": "en", "target_lang": language}
                | {"origin": None}
            )
    for row in rows:
        row["spans"] = [span | {"label": "PERSON"} for span in row["spans"]]
    (folder / "samples").mkdir(parents=True)
    for part in range(3):
        pq.write_table(
            pa.Table.from_pylist(rows[part::3], schema=SAMPLE_SCHEMA), folder / "samples" / f"{part}.parquet"
        )
    finish_output(
        str(folder),
        Manifest(
            samples=len(rows),
            rejects=0,
            pairs={},
            config={},
            versions={},
            fingerprint="0123456789abcdef",
            content="fedcba9876543210",
            files=sample_listing(folder),
        ),
    )
    return folder


def sample_listing(folder: Path) -> dict[str, ListedFile]:
    """Return the files of samples in a folder, as its manifest lists them."""
    listing = {}
    for file in sorted((folder / "samples").glob("*.parquet")):
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        rows = pq.read_metadata(file).num_rows
        listing[f"samples/{file.name}"] = ListedFile(rows=rows, bytes=len(content), sha256=digest)
    return listing


def change_manifest(folder: Path, **changes: Any) -> None:
    """Change fields of the manifest of prepared data, and list the files of samples as they are."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"files": sample_listing(folder)} | changes))
