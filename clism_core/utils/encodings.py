"""Encodings of text files: the configured one, checked against the content of the files.

A few invalid bytes occur in any web corpus, so the corpora's readers replace them by U+FFFD and reject their rows. A
whole file in another encoding is an error: all rows with accents would be lost.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import IO

import regex

from clism_core.utils.errors import InputError
from clism_core.utils.text import printable
from clism_core.utils.words import base_language, script_subtag

CHECKED = 1 << 20
"""Number of bytes checked at the beginning of a file."""

_MIN_INVALID = 3  # characters: fewer may be damage
_MAX_NUL_SHARE = 0.002  # of bytes; every line of UTF-16 has one beside its line feed
_MAX_CR_SHARE = 0.1  # of line feeds
_MIN_LETTER_SHARE = 0.5  # of the characters beyond ASCII in correctly decoded text
_UNICODE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_LEGACY = {
    "ar fa ur ps ug": ["cp1256", "iso8859_6"],
    "be bg kk ky mk mn ru sr tg tt uk": ["cp1251", "koi8_u", "iso8859_5", "cp866", "mac_cyrillic"],
    "bs cs hr hu pl ro sk sl sq": ["cp1250", "iso8859_2", "cp852"],
    "el": ["cp1253", "iso8859_7"],
    "et lt lv": ["cp1257", "iso8859_13"],
    "az ku tr": ["cp1254"],
    "he yi": ["cp1255"],
    "ja": ["cp932", "euc_jp"],
    "ko": ["cp949"],
    "th": ["cp874"],
    "vi": ["cp1258"],
    "zh": ["gb18030", "big5hkscs"],
}
"""Encodings by language, the usual one first: those that browsers assume in the WHATWG's HTML standard, and others."""
_WESTERN = ["cp1252", "mac_roman", "cp850"]

_BEYOND_ASCII = regex.compile(r"[^\x00-\x7f]")
_LETTER = regex.compile(r"[[\p{L}\p{M}]--[\x00-\x7f]]|[‘’“”„«»–—…¿¡、。，！？「」《》：；（）؟،]", flags=regex.VERSION1)
_MISDECODED = regex.compile(
    r"\p{Ll}\p{Lu}|[[\p{Cc}\p{Co}\p{Cn}]--[\t\n\r]]|[\uff61-\uff9f\ufffd]|\p{L}[¤¦¬±¶·¸¹º¼½¾×÷]\p{L}",
    flags=regex.VERSION1,
)
"""Signs of a wrong encoding: capitals within words, unassigned and half-width characters, symbols between letters."""
_TWICE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]")
"""A lead byte of UTF-8 and the byte after it, as cp1252 decodes them."""
_DECLARED = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([\w.-]+)""")


def check_encoding_name(encoding: str, *, title: str) -> None:
    """Raise `InputError` if Python does not know a text encoding; codecs of bytes, such as base64, are none.

    Args:
        encoding: name of the encoding.
        title: description of the file or corpus, with which the message begins.
    """
    try:
        "\n".encode(encoding)
    except (LookupError, ValueError) as error:
        raise InputError(f"{title}: encoding {encoding!r} is unknown; give one such as utf-8 or cp1252") from error


def is_utf8(encoding: str) -> bool:
    """Return whether `encoding` is a name of UTF-8."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def utf8_chunks(stream: IO[bytes], encoding: str, *, size: int) -> Iterator[bytes]:
    """Yield the content of `stream` in UTF-8, in chunks of at most `size` bytes; invalid bytes become U+FFFD."""
    if is_utf8(encoding):
        while chunk := stream.read(size):
            yield chunk
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while chunk := stream.read(size // 4):  # a byte becomes at most three, and the decoder keeps back a few
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def check_encoding(content: bytes, *, encoding: str, languages: Sequence[str], where: str) -> None:
    """Raise `InputError` if the beginning of a file shows that it is not in `encoding`, and name the likely one.

    Also refuses text that was converted to UTF-8 twice.

    Args:
        content: first bytes of the file, decompressed.
        encoding: configured encoding.
        languages: languages of the text, which tell its likely encoding; none if they are unknown.
        where: beginning of the message.
    """
    if not is_utf8(encoding):
        _check_not_utf8(content, encoding, where)
    try:
        text = _decoded(content, encoding)
    except UnicodeError as error:  # no byte order mark
        raise InputError(f"{where} is not in {encoding}: {error}; give its encoding, such as utf-16-le") from error
    if is_utf8(encoding):
        mark = next((name for bom, name in _MARKS.items() if content.startswith(bom)), None)
        if mark is not None:
            raise InputError(f"{where} is in {mark.upper()}; {_remedy(mark)}")
        _check_decoded_once(text, where)
    has_no_nuls = not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    if has_no_nuls and content.count(0) > (0 if _is_mostly_invalid(text) else _MAX_NUL_SHARE * len(content)):
        raise _unicode_error(content, where)
    if _is_mostly_invalid(text):
        raise _legacy_error(content, text, encoding=encoding, languages=languages, where=where)


def check_xml_encoding(content: bytes, *, languages: Sequence[str], where: str) -> None:
    """Raise `InputError` if an XML file that declares UTF-8, or nothing, is not in UTF-8; see `check_encoding`."""
    declared = _DECLARED.search(content[:1000])
    is_marked = any(content.startswith(bom) for bom in _MARKS) or content[:4].count(0) > 0
    if is_marked or (declared is not None and declared[1].lower() not in (b"utf-8", b"utf8")):
        return
    text = _decoded(content, "utf-8")
    if _is_mostly_invalid(text):
        guess = _guess(content, languages)
        remedy = f'declare it: <?xml version="1.0" encoding="{guess}"?>' if guess else "declare its encoding"
        raise InputError(f"{where} is not in UTF-8, the encoding of XML that declares no other; {remedy}")
    _check_decoded_once(text, where)


def check_line_ends(content: bytes, *, encoding: str, where: str) -> None:
    """Raise `InputError` if lines end in a lone carriage return in the beginning of a file."""
    text = _decoded(content, encoding)
    lone = text.count("\r") - text.count("\r\n") - text.endswith("\r")
    feeds = text.count("\n")
    if (lone >= _MIN_INVALID and lone > _MAX_CR_SHARE * feeds) or (lone and not feeds):
        raise InputError(
            f"{where} has {lone:,} carriage returns that are not followed by a line feed, in {feeds:,} lines; convert "
            "its line ends to line feeds, as mac2unix does"
        )


def _decoded(content: bytes, encoding: str) -> str:
    """Decode the beginning of a file, which may end within a character."""
    return codecs.getincrementaldecoder(encoding)(errors="replace").decode(content)


def _check_not_utf8(content: bytes, encoding: str, where: str) -> None:
    """Raise `InputError` for UTF-8: latin-1 decodes any file, and would turn "Coruña" into "CoruÃ±a".

    Text in another encoding is hardly ever valid UTF-8 by chance: its letters beyond ASCII would all have to occur in
    certain pairs.
    """
    text = _decoded(content, "utf-8")
    if "\ufffd" in text or "\0" in text or text.isascii():
        return
    number, line = next((number, line) for number, line in enumerate(text.split("\n"), 1) if not line.isascii())
    word = next((word for word in line.split() if not word.isascii()), line)
    misread = word.encode().decode(encoding, "replace")
    raise InputError(
        f"{where} is in UTF-8, not in {encoding}, which would turn {printable(word)!r} in line {number} into "
        f"{printable(misread)!r}; omit encoding, or give utf-8"
    )


def _is_mostly_invalid(text: str) -> bool:
    """Return whether most characters beyond ASCII are invalid: nearly none are in damaged text of this encoding."""
    invalid = text.count("\ufffd")
    return invalid >= _MIN_INVALID and 2 * invalid > len(_BEYOND_ASCII.findall(text))


def _unicode_error(content: bytes, where: str) -> InputError:
    """Return the error for text with NUL bytes: UTF-16 or UTF-32, or no text at all."""

    def separators(encoding: str) -> int:  # of lines and words, which have other codes in the wrong byte order
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(content)
        except UnicodeDecodeError:
            return 0
        return 0 if "\0" in text else sum(map(text.count, " \t\n"))

    best = max(_UNICODE, key=separators)
    if separators(best) == 0:
        line = content.count(b"\n", 0, content.index(0)) + 1
        return InputError(f"{where} is not a text file: it has NUL bytes, the first in line {line}; give a text file")
    return InputError(f"{where} is in {best.upper()}; {_remedy(best)}")


def _legacy_error(content: bytes, text: str, *, encoding: str, languages: Sequence[str], where: str) -> InputError:
    number = text.count("\n", 0, text.index("\ufffd")) + 1
    line = content.split(b"\n")[number - 1] if is_utf8(encoding) else b""
    word = next((word for word in line.split() if not word.isascii()), b"")
    subject = f"{where} is not in {encoding}"
    guess = _guess(content, languages)
    if guess is None or guess == codecs.lookup(encoding).name:
        return InputError(f"{subject}, as in line {number}: {str(word)[1:]}; give its encoding, or convert it to UTF-8")
    shown = f" with {printable(word.decode(guess, 'replace'))!r} in line {number}" if word else ""
    return InputError(f"{subject} but probably in {guess}{shown}; {_remedy(guess)}")


def _remedy(encoding: str) -> str:
    return f"give encoding: {encoding}, or convert it to UTF-8"


def _guess(content: bytes, languages: Sequence[str]) -> str | None:
    """Return the encoding in which most of the characters beyond ASCII are letters; None if they are in none."""
    candidates = list(dict.fromkeys(name for language in languages for name in _legacy_encodings(language)))
    if not languages:
        return None
    scores = {name: _plausibility(content, name) for name in [*candidates, *_WESTERN]}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _MIN_LETTER_SHARE else None


def _legacy_encodings(language: str) -> list[str]:
    base = base_language(language)
    names = next((names for group, names in _LEGACY.items() if base in group.split()), [])
    is_traditional = script_subtag(language) == "Hant" or re.search("-(?:TW|HK|MO)$", language, re.IGNORECASE)
    return names[::-1] if base == "zh" and is_traditional else names


def _plausibility(content: bytes, encoding: str) -> float:
    """Return the share of letters among the characters beyond ASCII, minus that of signs of a wrong encoding."""
    text = _decoded(content, encoding)
    beyond = len(_BEYOND_ASCII.findall(text))
    good, bad = len(_LETTER.findall(text)), len(_MISDECODED.findall(text))
    return (good - 2 * bad) / max(1, beyond)


def _check_decoded_once(text: str, where: str) -> None:
    """Raise `InputError` if UTF-8 was taken for cp1252 and converted again: "KÃ¶ln" for "Köln"."""
    lines = [line for line in text.split("\n")[:-1] if not line.isascii() and "\ufffd" not in line]
    repaired = [(line, again) for line in lines if (again := _decoded_twice(line)) is not None]
    if len(repaired) >= _MIN_INVALID and 2 * len(repaired) > len(lines):
        line, again = repaired[0]
        changed = zip(line.split(), again.split(), strict=False)
        word, right = next(((word, right) for word, right in changed if word != right), (line, again))
        raise InputError(
            f"{where} was converted to UTF-8 twice: it has {printable(word)!r} for {printable(right)!r}; convert it "
            "back once, from UTF-8 to cp1252"
        )


def _decoded_twice(line: str) -> str | None:
    if _TWICE.search(line) is None:
        return None
    try:
        return b"".join(_cp1252_byte(character) for character in line).decode("utf-8")
    except UnicodeError:
        return None


def _cp1252_byte(character: str) -> bytes:
    # Bytes that cp1252 leaves undefined are control characters, as in Latin-1.
    return character.encode("latin-1" if "\x80" <= character <= "\x9f" else "cp1252")
