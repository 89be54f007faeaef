"""Tiny encoders of the architectures and kinds of tokenizers that the well-known multilingual models have."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny import TEXTS, write_encoder
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedTokenizerFast, set_seed

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Roles:
    """Special tokens of a tokenizer; `sep` twice between the sentences of a pair, as in RoBERTa, if `double` is set."""

    cls: str = "<s>"
    sep: str = "</s>"
    pad: str = "<pad>"
    mask: str = "<mask>"
    unk: str | None = "<unk>"
    double: bool = False
    types: bool = False

    def tokens(self) -> list[str]:
        """Return the tokens in the order of their ids."""
        named = (self.cls, self.pad, self.sep, self.unk, self.mask)
        return list(dict.fromkeys(token for token in named if token is not None))


BERT = Roles("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", types=True)
BERT_WITHOUT_TYPES = Roles("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]")
ROBERTA = Roles(double=True)
GEMMA = Roles("<bos>", "<eos>", "<pad>", "<mask>", "<unk>")
LLAMA = Roles("<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|mask|>", unk=None)


@dataclass(frozen=True)
class Architecture:
    """A model type of transformers with the tokenizer of its best-known models."""

    model_type: str
    models: str
    """Models that have this architecture and kind of tokenizer."""
    tokenizer: str
    """Kind of tokenizer: sentencepiece, wordpiece, bytes, gemma or xlm."""
    roles: Roles
    values: Values
    """Values of the configuration that make it tiny, beyond `SIZES`."""


SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 130,
}
_DISENTANGLED = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": "p2c|c2p",
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
}
_DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 130}
_MODERN = {"global_attn_every_n_layers": 2, "local_attention": 32}

ARCHITECTURES = {
    "XLM-R": Architecture("xlm-roberta", "XLM-R, InfoXLM, XLM-V", "sentencepiece", ROBERTA, SIZES),
    "XLM-R XL": Architecture("xlm-roberta-xl", "XLM-R XL and XXL", "sentencepiece", ROBERTA, SIZES),
    "BERT": Architecture("bert", "mBERT, LaBSE", "wordpiece", BERT, SIZES),
    "DistilBERT": Architecture("distilbert", "distilmBERT", "wordpiece", BERT_WITHOUT_TYPES, _DISTIL),
    "RoBERTa": Architecture("roberta", "RoBERTa", "bytes", ROBERTA, SIZES),
    "XLM": Architecture("xlm", "xlm-mlm-100-1280", "xlm", ROBERTA, {}),
    "DeBERTa-v3": Architecture("deberta-v2", "mDeBERTa-v3", "sentencepiece", BERT, {**SIZES, **_DISENTANGLED}),
    "RemBERT": Architecture(
        "rembert", "RemBERT", "sentencepiece", BERT, {**SIZES, "input_embedding_size": 8, "output_embedding_size": 24}
    ),
    "ModernBERT": Architecture("modernbert", "ModernBERT", "bytes", BERT_WITHOUT_TYPES, {**SIZES, **_MODERN}),
    "mmBERT": Architecture("modernbert", "mmBERT", "gemma", GEMMA, {**SIZES, **_MODERN}),
    "EuroBERT": Architecture("eurobert", "EuroBERT", "bytes", LLAMA, {**SIZES, "num_key_value_heads": 2}),
    "ELECTRA": Architecture("electra", "ELECTRA", "wordpiece", BERT, {**SIZES, "embedding_size": 8}),
    "ALBERT": Architecture("albert", "ALBERT", "sentencepiece", BERT, {**SIZES, "embedding_size": 8}),
    "MPNet": Architecture("mpnet", "MPNet", "wordpiece", ROBERTA, SIZES),
    "CamemBERT": Architecture("camembert", "CamemBERT", "sentencepiece", ROBERTA, SIZES),
    "Nomic": Architecture("nomic_bert", "nomic-embed-text v1 and v1.5", "wordpiece", BERT, SIZES),
    "GTE": Architecture("gte", "GTE in transformers' format", "sentencepiece", ROBERTA, SIZES),
    "Jina v3": Architecture("jina_embeddings_v3", "Jina v3 in transformers' format", "sentencepiece", ROBERTA, SIZES),
}


def write_architecture(architecture: Architecture, folder: Path, **values: Any) -> Path:
    """Write a tiny encoder with random weights and its tokenizer; `values` replace those of its configuration."""
    if architecture.tokenizer == "xlm":
        return write_encoder("xlm", folder)
    tokenizer = build_tokenizer(architecture)
    tokenizer.save_pretrained(folder)
    names = [f"{role}_token_id" for role in ("pad", "bos", "eos", "cls", "sep", "mask")]
    roles = {name: getattr(tokenizer, name) for name in names}
    config_class: Any = CONFIG_MAPPING[architecture.model_type]
    config = config_class(vocab_size=len(tokenizer), **{**architecture.values, **roles, **values})
    set_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def build_tokenizer(architecture: Architecture) -> PreTrainedTokenizerFast:
    """Train a tokenizer of the architecture's kind on `TEXTS`."""
    roles = architecture.roles
    build = {"sentencepiece": _sentencepiece, "wordpiece": _wordpiece, "bytes": _bytes, "gemma": _gemma}
    tokenizer = build[architecture.tokenizer](roles)
    second = "$B:1" if roles.types else "$B"
    between = f"{roles.sep} {roles.sep}" if roles.double else roles.sep
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{roles.cls} $A {roles.sep}",
        pair=f"{roles.cls} $A {between} {second} {roles.sep}{':1' if roles.types else ''}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (roles.cls, roles.sep)],
    )
    inputs = ["input_ids", *(["token_type_ids"] if roles.types else []), "attention_mask"]
    named = {"cls": roles.cls, "sep": roles.sep, "pad": roles.pad, "mask": roles.mask, "unk": roles.unk}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=inputs,
        bos_token=roles.cls,
        eos_token=roles.sep,
        **{f"{name}_token": token for name, token in named.items() if token is not None},
    )


def _sentencepiece(roles: Roles) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=roles.tokens(), unk_token=roles.unk, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _wordpiece(roles: Roles) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=roles.unk))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=roles.tokens(), show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _bytes(roles: Roles) -> Tokenizer:
    """Byte-level BPE without a space before the text, as in ModernBERT; RoBERTa's is the same but for its offsets."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=roles.tokens(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _gemma(roles: Roles) -> Tokenizer:
    """BPE of characters and, for unknown ones, bytes; spaces are letters of words, and none is before the text."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=roles.unk, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    special = [*roles.tokens(), *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    words = [word for text in TEXTS for word in text.replace(" ", " ▁").split(" ")]  # merges do not cross spaces
    tokenizer.train_from_iterator(words, trainer)
    return tokenizer
