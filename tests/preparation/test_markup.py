import pytest

from clism_core.preparation.markup import without_markup


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Nora &apos;s &amp; Oskar &#124; &#91; &lt; &gt; &#93; &quot; Geneva",
            "Nora 's & Oskar | [ < > ] \" Geneva",
            id="moses",
        ),
        pytest.param("K&ouml;ln&nbsp;&mdash; 5&#8239;&#x20AC;", "Köln\u00a0— 5\u202f€", id="html"),
        pytest.param("caf&#233;&#146;s", "café\u2019s", id="code-points-of-cp1252"),
        pytest.param("&amp;quot;x&amp;amp;#39;", "\"x'", id="escaped-twice-and-three-times"),
        pytest.param("He said & quot ; yes & # 39 ;", "He said \" yes '", id="escapes-that-a-tokenizer-has-split"),
        pytest.param("<i>The</i> <b class='x'>h</b>ouse<BR/>is<br >old", "The house is old", id="tags"),
        pytest.param('Click <g id="1">here</g><x id="2"/>now', "Click here now", id="xliff"),
        pytest.param("<p>One</p><p>Two</p>", " One  Two ", id="paragraphs"),
        pytest.param('<a href="http://x.org/?a=1&amp;b=2">x</a><!-- a\nb -->y', "x y", id="link-and-comment"),
        pytest.param("{\\an8}{\\i1}Stop!{\\i0}", "Stop!", id="subtitle"),
        pytest.param("well @-@ known 1 @,@ 000 and @/@ or", "well-known 1,000 and/or", id="split-hyphens"),
        pytest.param("Lind@@ qv@@ ist is Nor@@", "Lindqvist is Nor", id="subwords"),
    ],
)
def test_residue(text: str, expected: str) -> None:
    assert without_markup(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "AT&T; R&D, Q&A; &c. &unknown; & amp",
        "if a < b and c > d",
        "Write to a@b.org or @nora: {x} {\\em y}",
        "List<String> and <stdio.h> <b and c>",
        "@@ -1,2 @@",
        "plain",
        "",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_markup(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Nora &apos;s &amp; Oskar", "Nora 's & Oskar", id="escapes"),
        pytest.param("<b> well @-@ known </b>", "<b> well @-@ known </b>", id="tags-and-hyphens-are-words"),
        pytest.param("Lind@@ qvist & quot ;", "Lind@@ qvist & quot ;", id="parts-of-words-are-words"),
    ],
)
def test_words_of_a_given_alignment_keep_their_numbers(text: str, expected: str) -> None:
    assert without_markup(text, keep_words=True) == expected
