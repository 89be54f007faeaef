"""Small tokenizers of real kinds whose offsets miss characters, or cut them."""

from functools import cache

from tiny import TEXTS
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from clism_core.model.tokenizer import QUE

KINDS = ("bytes", "bytes-of-words", "sentencepiece", "accents-stripped", "decomposed", "no-unknown")
_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@cache
def lossy_tokenizer(kind: str) -> PreTrainedTokenizerBase:
    """Return a tokenizer with `[QUE]` and the template `<s> a </s> b </s>`.

    `bytes` is RoBERTa's kind, `bytes-of-words` adds spaces that are not in the text, `sentencepiece` composes
    characters, `accents-stripped` is mBERT's uncased kind, `decomposed` splits accents off, and `no-unknown` leaves out
    letters that do not occur in `TEXTS`.
    """
    tokenizer = {
        "bytes": _bytes,
        "bytes-of-words": _bytes_of_words,
        "sentencepiece": _sentencepiece,
        "accents-stripped": _accents_stripped,
        "decomposed": _decomposed,
        "no-unknown": _no_unknown,
    }[kind]()
    template = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    own = [] if tokenizer.post_processor is None else [tokenizer.post_processor]
    tokenizer.post_processor = processors.Sequence([*own, template])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",
        pad_token="<pad>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    wrapped.add_special_tokens({"extra_special_tokens": [QUE]})
    wrapped.add_tokens([AddedToken("Potsdam", single_word=True)])
    return wrapped


def _bytes() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return _trained(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=_SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )


def _bytes_of_words() -> Tokenizer:
    tokenizer = _bytes()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Punctuation()]
    )
    return tokenizer


def _sentencepiece() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return _trained(
        tokenizer,
        trainers.UnigramTrainer(vocab_size=300, special_tokens=_SPECIAL, unk_token="<unk>", show_progress=False),
    )


def _accents_stripped() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    return _word_pieces(tokenizer)


def _decomposed() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFD()
    return _word_pieces(tokenizer)


def _word_pieces(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _trained(tokenizer, trainers.WordPieceTrainer(vocab_size=300, special_tokens=_SPECIAL, show_progress=False))


def _no_unknown() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return _trained(tokenizer, trainers.BpeTrainer(vocab_size=300, special_tokens=_SPECIAL, show_progress=False))


def _trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> Tokenizer:
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer
