"""TMX, the format of translation memories (1.4b and before), parsed as a stream: files may hold gigabytes."""

from collections.abc import Generator, Iterator
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from clism_core.preparation.corpus.config import CorpusConfig, RawRow
from clism_core.preparation.corpus.lines import MAX_TEXT, open_stream
from clism_core.preparation.schema import Reason
from clism_core.utils.errors import InputError

_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Elements in a sentence that hold code of the document from which it comes, and no text."""
_SUBFLOW = "sub"
"""The element in such code that holds text after all."""
_APART = frozenset({"it", "ph", "ut", _SUBFLOW})
"""Elements that part the words before and after them, as a line break does. Paired codes do not: they may stand within
a word, of which a part is bold."""
_BLOCK = 1 << 20  # bytes read at once


def read(path: str, config: CorpusConfig, limit: int | None) -> Generator[RawRow, None, int]:
    """Yield the first `limit` translation units of a file; return how many it has.

    A unit that lacks a side is a row with the reason `empty_source` or `empty_target`. Raises `InputError` where the
    file cannot be read to its end, is no XML, or is XML of another kind.
    """
    units = _Units(path, config, limit)
    for _ in _parse(path, units):
        yield from units.rows
        units.rows.clear()
    return units.count


def languages(path: str, config: CorpusConfig, count: int) -> list[str]:
    """Return the language codes in the first `count` units of a file, or a few more, in lower case and sorted."""
    units = _Units(path, config, limit=0)
    for _ in _parse(path, units):
        if units.count >= count:
            break
    return sorted(units.languages)


def _parse(path: str, units: "_Units") -> Iterator[None]:
    """Show `units` the file, and yield after each block of it."""
    # References to outside files are let through because DOCTYPE is one; the parser reads none of them.
    parser = create_parser(forbid_external=False)
    parser.setContentHandler(units)
    try:
        with open_stream(path) as stream:
            while chunk := stream.read(_BLOCK):
                parser.feed(chunk)
                yield
        parser.close()
    except SAXParseException as error:
        raise InputError(
            f"corpora: {path}, line {error.getLineNumber()}: no well-formed XML: {error.getMessage()}; correct the file"
        ) from error
    except DefusedXmlException as error:
        raise InputError(f"corpora: {path} declares XML entities, which can be made to harm; remove them") from error
    yield


class _Units(ContentHandler):
    """Makes rows of the elements of a TMX file; `rows` holds those that were made and not yet taken."""

    def __init__(self, path: str, config: CorpusConfig, limit: int | None) -> None:
        super().__init__()
        self.rows: list[RawRow] = []
        self.count = 0
        self.languages: set[str] = set()
        self._path = path
        self._limit = limit
        self._wanted = (_language(config.source_lang), _language(config.target_lang))
        self._texts: dict[str, str | None] = {}  # of the languages that have one that is not blank; None if overlong
        self._seen: set[str] = set()  # the languages of the unit, with text or without
        self._lang: str | None = None
        self._parts: list[str] = []
        self._length = 0
        self._keeps: list[bool] = []  # of each open element from `seg` on: whether what it holds is text
        self._has_root = False

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX names it
        """Enter an element."""
        if self._keeps:
            self._part_words(name)
            self._keeps.append(name not in _CODES and (self._keeps[-1] or name == _SUBFLOW))
        elif name == "seg":
            if self._lang is not None and self._lang not in self._texts:
                self._keeps, self._parts, self._length = [True], [], 0
        elif name == "tuv":
            lang = _language(attrs.get("xml:lang") or attrs.get("lang") or "")
            self.languages.add(lang)
            self._lang = lang if any(_matches(lang, wanted) for wanted in self._wanted) else None
        elif name == "tu":
            self.count += 1
            self._texts, self._seen = {}, set()
        elif not self._has_root and name != "tmx":
            raise InputError(f"corpora: {self._path} is no TMX file: its root element is <{name}>, not <tmx>")
        self._has_root = True

    def characters(self, content: str) -> None:
        """Take text."""
        if self._keeps and self._keeps[-1]:
            self._length += len(content)
            if self._length <= MAX_TEXT:
                self._parts.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802
        """Leave an element."""
        if self._keeps:
            self._part_words(name)
            self._keeps.pop()
            if not self._keeps and self._lang is not None:
                self._take("".join(self._parts), self._lang)
        elif name == "tu" and (self._limit is None or self.count <= self._limit):
            self.rows.append(self._row())

    def _part_words(self, name: str) -> None:
        """Put a space where an element named `name` begins or ends, if it parts words and there is none."""
        if name in _APART and self._parts and not self._parts[-1][-1].isspace():
            self._parts.append(" ")

    def _take(self, text: str, lang: str) -> None:
        """Take the text of a variant. A blank one leaves its place to a later one of the same language."""
        self._seen.add(lang)
        if self._length > MAX_TEXT:
            self._texts[lang] = None
        elif text.strip():
            self._texts[lang] = text

    def _row(self) -> RawRow:
        (has_source, source), (has_target, target) = (self._side(wanted) for wanted in self._wanted)
        reason = None
        if not has_source:
            reason = Reason.EMPTY_SOURCE
        elif not has_target:
            reason = Reason.EMPTY_TARGET
        elif source is None or target is None:
            reason = Reason.TOO_LONG
        return RawRow(self._path, self.count, source, target, reason=reason)

    def _side(self, wanted: str) -> tuple[bool, str | None]:
        """Tell whether the unit has a language, and in which text: None where that is too long, or there is none."""
        lang = _find(self._texts, wanted)
        if lang is not None:
            return True, self._texts[lang]
        is_seen = any(_matches(other, wanted) for other in self._seen)
        return is_seen, "" if is_seen else None


def _language(code: str) -> str:
    return code.strip().lower().replace("_", "-")


def _matches(lang: str, wanted: str) -> bool:
    return lang == wanted or lang.startswith(f"{wanted}-")


def _find(texts: dict[str, str | None], wanted: str) -> str | None:
    """Return the language among those of a unit that is the wanted one, or else the first that is a kind of it."""
    if wanted in texts:
        return wanted
    return next((lang for lang in texts if _matches(lang, wanted)), None)
