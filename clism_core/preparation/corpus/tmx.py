"""Streaming reader of TMX, the format of translation memories (1.4b and earlier), whose files may be gigabytes."""

from collections.abc import Generator, Iterator
from html.entities import html5
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.format import ROWS_CHECKED, Format
from clism_core.preparation.corpus.lines import MAX_TEXT, open_stream
from clism_core.preparation.schema import RejectReason
from clism_core.utils.errors import InputError
from clism_core.utils.text import listed
from clism_core.utils.words import base_language

_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Inline elements that hold markup of the original document instead of text."""
_SUBFLOW = "sub"
"""Element within such markup that does hold text."""
_SEPARATORS = frozenset({"it", "ph", "ut", _SUBFLOW})
"""Elements that separate the words before and after them, like a line break. Paired codes do not, since they may mark a
part of a word, such as bold letters."""
_BLOCK = 1 << 18  # bytes per read


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` translation units of a file and return its number of units.

    A unit that lacks a language becomes a row with the reason `empty_source` or `empty_target`. Raises `InputError` if
    the file cannot be read to its end, or is not well-formed XML or not TMX.
    """
    units = _Units(path, config, limit)
    for _ in _parse(path, units):
        yield from units.rows
        units.rows.clear()
    return units.count


def languages(path: str, config: CorpusConfig, count: int) -> list[str]:
    """Return the language codes in at least the first `count` units of a file, in lower case and sorted."""
    units = _Units(path, config, limit=0)
    for _ in _parse(path, units):
        if units.count >= count:
            break
    return sorted(units.languages)


def _parse(path: str, units: "_Units") -> Iterator[None]:
    """Parse the file with `units` as handler, and yield after each block."""
    # External references are allowed because DOCTYPE is one; the parser does not follow them.
    parser = create_parser(forbid_external=False)
    parser.setContentHandler(units)
    units.setDocumentLocator(parser)
    try:
        with open_stream(path) as stream:
            while chunk := stream.read(_BLOCK):
                parser.feed(chunk)
                yield
        parser.close()
    except SAXParseException as error:
        raise InputError(
            f"corpora: {path}, line {error.getLineNumber()}: not well-formed XML: {error.getMessage()}; fix the file"
        ) from error
    except DefusedXmlException as error:
        raise InputError(f"corpora: {path} declares XML entities, which are a security risk; remove them") from error
    except InputError:
        raise
    except (LookupError, ValueError) as error:  # which the parser raises for encodings that it does not know
        raise InputError(
            f"corpora: {path}: the encoding that it declares cannot be read: {error}; convert the file to UTF-8"
        ) from error
    yield


class _Units(ContentHandler):
    """Handler that builds rows from the elements of a TMX file; `rows` holds finished rows until they are consumed."""

    _locator: Locator

    def __init__(self, path: str, config: CorpusConfig, limit: int | None) -> None:
        super().__init__()
        self.rows: list[RawRow] = []
        self.count = 0
        self.languages: set[str] = set()
        self._path = path
        self._limit = limit
        source, target = _language(config.source_lang), _language(config.target_lang)
        self._sides = ((source, target), (target, source))  # the language of a side, and that of the other
        self._texts: dict[str, str | None] = {}  # by language, if not blank; None if too long
        self._seen: set[str] = set()  # languages of the unit, with or without text
        self._lang: str | None = None
        self._parts: list[str] = []
        self._length = 0
        self._is_text: list[bool] = []  # for each open element from `seg` on: whether its content is text
        self._has_root = False

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - name given by SAX
        """Handle the start of an element."""
        if self._is_text:
            self._separate_words(name)
            self._is_text.append(name not in _CODES and (self._is_text[-1] or name == _SUBFLOW))
        elif name == "seg":
            if self._lang is not None and self._lang not in self._texts:
                self._is_text, self._parts, self._length = [True], [], 0
        elif name == "tuv":
            lang = _language(attrs.get("xml:lang") or attrs.get("lang") or "")
            self.languages.add(lang)
            self._lang = lang if any(_matches(lang, *sides) for sides in self._sides) else None
        elif name == "tu":
            self.count += 1
            self._texts, self._seen = {}, set()
        elif not self._has_root and name != "tmx":
            raise InputError(f"corpora: {self._path} is not a TMX file: its root element is <{name}>, not <tmx>")
        self._has_root = True

    def characters(self, content: str) -> None:
        """Handle text."""
        if self._is_text and self._is_text[-1]:
            self._length += len(content)
            if self._length <= MAX_TEXT:
                self._parts.append(content)

    def skippedEntity(self, name: str) -> None:  # noqa: N802
        """Handle an entity that the document refers to but does not define: resolve the names of HTML.

        A parser may only skip it, since the external DTD, which is not read, might define it.
        """
        if not (self._is_text and self._is_text[-1]):
            return
        if f"{name};" not in html5:
            raise InputError(
                f"corpora: {self._path}, line {self._locator.getLineNumber()}: undefined entity &{name};; replace it "
                "with its text"
            )
        self.characters(html5[f"{name};"])

    def endElement(self, name: str) -> None:  # noqa: N802
        """Handle the end of an element."""
        if self._is_text:
            self._separate_words(name)
            self._is_text.pop()
            if not self._is_text and self._lang is not None:
                self._add_variant("".join(self._parts), self._lang)
        elif name == "tu" and (self._limit is None or self.count <= self._limit):
            self.rows.append(self._row())

    def _separate_words(self, name: str) -> None:
        """Insert a space at the start or end of element `name` if it separates words and there is none yet."""
        if name in _SEPARATORS and self._parts and not self._parts[-1][-1].isspace():
            self._parts.append(" ")

    def _add_variant(self, text: str, lang: str) -> None:
        """Store the text of a language variant, unless it is blank: a later one of the same language may replace it."""
        self._seen.add(lang)
        if self._length > MAX_TEXT:
            self._texts[lang] = None
        elif text.strip():
            self._texts[lang] = text

    def _row(self) -> RawRow:
        (has_source, source), (has_target, target) = (self._side(*sides) for sides in self._sides)
        reason = None
        if not has_source:
            reason = RejectReason.EMPTY_SOURCE
        elif not has_target:
            reason = RejectReason.EMPTY_TARGET
        elif source is None or target is None:
            reason = RejectReason.TOO_LONG
        return RawRow(self._path, self.count, source, target, reason=reason)

    def _side(self, wanted: str, other: str) -> tuple[bool, str | None]:
        """Return whether the unit has a language, and its text: None if it is too long or missing."""
        lang = _find(self._texts, wanted, other)
        if lang is not None:
            return True, self._texts[lang]
        is_seen = any(_matches(seen, wanted, other) for seen in self._seen)
        return is_seen, "" if is_seen else None


def _language(code: str) -> str:
    """Return a code in lower case, with the shortest code of its language: `en-us` for `EN_US` and `eng-US`."""
    _, *rest = code.strip().lower().replace("_", "-").split("-")
    return "-".join([base_language(code.strip()), *rest])


def _matches(lang: str, wanted: str, other: str) -> bool:
    """Return whether `lang` is the wanted language, or a variant of it that is not the `other` language."""
    return lang == wanted or (_is_variant(lang, wanted) and not (_is_variant(other, wanted) and _covers(other, lang)))


def _is_variant(lang: str, wanted: str) -> bool:
    return lang.startswith(f"{wanted}-")


def _covers(wanted: str, lang: str) -> bool:
    return lang == wanted or _is_variant(lang, wanted)


def _find(texts: dict[str, str | None], wanted: str, other: str) -> str | None:
    """Return the language of a unit that equals `wanted`, or else its first regional variant; None if there is none."""
    if wanted in texts:
        return wanted
    return next((lang for lang in texts if _matches(lang, wanted, other)), None)


def _missing_language(path: str, config: CorpusConfig) -> str:
    found = listed(languages(path, config, ROWS_CHECKED))
    return f"lack {config.source_lang} or {config.target_lang}; the languages of the file are {found}"


FORMAT = Format(
    read=read,
    file_type="XML",
    places="the languages of its tuv elements",
    describe={RejectReason.EMPTY_SOURCE: _missing_language, RejectReason.EMPTY_TARGET: _missing_language},
)
