"""A tokenizer whose sub-words are letters, so that windows can be worked out by hand."""

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from clism_core.model.tokenizer import QUE

CLS, SEP, UNK, PAD, QUE_ID = 0, 1, 2, 3, 4 + 2 * 26
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letter_ids(words: str) -> list[int]:
    """Return the ids of white-space separated words: 4 to 29 for first letters, 30 to 55 for others."""
    return [
        (4 if place == 0 else 30) + _LETTERS.index(letter)
        for word in words.split()
        for place, letter in enumerate(word)
    ]


def letter_tokenizer() -> PreTrainedTokenizerBase:
    """Return a WordPiece tokenizer with the template `[CLS] s [SEP]` that leaves zero-width spaces out."""
    tokens = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({token: n for n, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Replace("\u200b", "")
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )
    wrapped.add_special_tokens({"extra_special_tokens": [QUE]})
    return wrapped
