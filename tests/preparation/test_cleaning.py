import unicodedata

import pytest

from clism_core.preparation.cleaning import CleaningConfig, clean, is_too_long, text_reason
from clism_core.preparation.schema import RejectReason
from clism_core.utils.words import segment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("  a \t b\u00a0c\u2028d\r", "a b c d", id="white-space"),
        pytest.param(" two  spaces ", "two spaces", id="spaces"),
        pytest.param(" one space ", "one space", id="spaces-around"),
        pytest.param("Bo\u0302\u0300", "Bồ", id="nfc"),
        pytest.param("\ufeffa\u00adb\u200bc\u200e", "abc", id="invisible"),
        pytest.param("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष", id="joiners-stay"),
        pytest.param("\u0661\u06dd", "\u0661\u06dd", id="visible-format-character-stays"),
        pytest.param("👩‍🔬 🏴\U000e0067\U000e007f", "👩‍🔬 🏴\U000e0067\U000e007f", id="emoji-stay"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_cleaning_keeps_the_number_of_space_separated_words() -> None:
    text = "\ufeffa\u00a0\u200eb\u200b , c\u0301\u2003d"
    assert len(clean(text).split()) == len(text.split()) == 5


def test_no_character_removed_by_cleaning_is_printable() -> None:
    # Assumption of the fast path of `clean`, checked for every character.
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    printable = "".join(filter(str.isprintable, every))
    assert clean(f"a{printable}a") == unicodedata.normalize("NFC", f"a{printable}a")
    assert clean("\n".join(filter(lambda c: c.isspace() or c in "\u00ad\u200b\ufeff\u2060", every))) == ""


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        pytest.param("yes", "ja", None, id="fit"),
        pytest.param(" \u200b", "ja", RejectReason.EMPTY_SOURCE, id="source-of-nothing-visible"),
        pytest.param("yes", "", RejectReason.EMPTY_TARGET, id="empty-target"),
        pytest.param("Berlin", "BERLIN ", RejectReason.UNTRANSLATED, id="same-but-for-case"),
        pytest.param("Straße 5", "STRASSE 5", RejectReason.UNTRANSLATED, id="same-when-case-is-folded"),
        pytest.param("ﬁn", "FIN", RejectReason.UNTRANSLATED, id="ligature-at-the-start"),
        pytest.param("Berlin", "Berlin?", None, id="another-mark"),
        pytest.param("yes", "j\ufffd", RejectReason.INVALID_UTF8, id="failed-conversion"),
        pytest.param("y\x00es", "ja", RejectReason.CONTROL_CHARACTERS, id="nul"),
        pytest.param("yes", "j\x1ba", RejectReason.CONTROL_CHARACTERS, id="escape"),
        pytest.param("yes\r", "ja\t", None, id="white-space-is-no-control-character"),
    ],
)
def test_reasons(source: str, target: str, expected: RejectReason | None) -> None:
    assert text_reason(source, target, cleaned_source=clean(source), cleaned_target=clean(target)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a b c", False, id="at-both-limits"),
        pytest.param("a b cd", True, id="characters"),
        pytest.param("a,b,", True, id="words"),
    ],
)
def test_too_long(text: str, expected: bool) -> None:
    assert is_too_long(text, segment(text), CleaningConfig(max_characters=5, max_words=3)) is expected
