"""Removal of what markup and tokenizers leave behind in corpora: escapes, tags and marks of split words.

Many published corpora have such residue, which would become a part of spans and answers: `Nora &apos;s`.
"""

import html
import re

_SIGN = re.compile("[&<{@]")
"""Characters of which every residue has one, for a fast path."""
_ESCAPE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MAX_ESCAPED = 3  # times: `&amp;amp;quot;`

_PAIRED = "a abbr b big center code em ept font bpt g h hi i mark mrk q s small span strike strong sub sup tt u"
"""Elements that may mark a part of a word, such as a bold letter."""
_SEPARATING = (
    "blockquote br bx dd div dl dt ex h1 h2 h3 h4 h5 h6 hr img it li ol p ph pre table tbody td tfoot th thead tr ul "
    "ut x"
)
"""Elements that separate the words before and after them."""
_ATTRIBUTES = r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=]+))*\s*"""


def _tags(names: str) -> str:
    return rf"</?(?:{'|'.join(names.split())}){_ATTRIBUTES}/?>"


_INLINE_TAG = re.compile(_tags(_PAIRED), flags=re.IGNORECASE)
_SEPARATING_TAG = re.compile(rf"{_tags(_SEPARATING)}|<!--.*?-->", flags=re.IGNORECASE | re.DOTALL)
_SUBTITLE_CODE = re.compile(r"\{(?:\\(?:an?\d{1,2}|[ibus][01]|pos\([\d.,\s]*\)|fad\([\d,\s]*\)))+\}")
_SPLIT_ESCAPE = re.compile(r"& ?(quot|apos|amp|lt|gt|nbsp|# ?\d{2,5}) ?;")
_SPLIT_HYPHEN = re.compile(r" @([-/.,])@ ")
_SPLIT_WORD = re.compile(r"(?<=\S)@@(?: +|$)")


def without_markup(text: str, *, keep_words: bool = False) -> str:
    """Return `text` without the residue of markup and tokenizers.

    Escapes of HTML and Moses (`&quot;`, `&#124;`) become their characters, also if they are escaped again. Tags of
    HTML, XLIFF and TMX and codes of subtitles are deleted; those that separate words become a space. Words that Moses
    (`well @-@ known`) or subword-nmt (`Lind@@ qvist`) has split are joined again.

    Args:
        text: sentence.
        keep_words: whether words keep their numbers, to which a given alignment refers: escapes within them only.
    """
    if _SIGN.search(text) is None:
        return text
    if not keep_words:
        text = _SEPARATING_TAG.sub(" ", _INLINE_TAG.sub("", _SUBTITLE_CODE.sub("", text)))
        text = _SPLIT_ESCAPE.sub(lambda match: f"&{match[1].replace(' ', '')};", text)
    for _ in range(_MAX_ESCAPED):
        unescaped = _ESCAPE.sub(lambda match: html.unescape(match[0]), text)
        if unescaped == text:
            break
        text = unescaped
    return text if keep_words else _SPLIT_WORD.sub("", _SPLIT_HYPHEN.sub(r"\1", text))
