"""The page as a file: its content, and that no text of a corpus becomes HTML."""

import base64
import copy
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_data import ARABIC, ORIGIN, SCRIPT, examples, manifest

from clism_core.preparation.report.page import direction, render_report, write_report


class Page(HTMLParser):
    """Parser that collects elements with their attributes, and the content of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.raw.append((self._inside, data))
        elif data.strip():
            self.texts.append(data.strip())

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(manifest(), examples=examples())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def embedded(page: Page) -> list[dict[str, Any]]:
    (_, text), _ = [entry for entry in page.raw if entry[0] == "script"]
    pairs: list[dict[str, Any]] = json.loads(text)
    return pairs


def test_texts_round_trip_through_the_embedded_json(page: Page) -> None:
    arabic, _, harmful = embedded(page)
    shown = {row["sample_id"]: row for row in arabic["samples"]}["en-ar/00/000000001"]
    assert (shown["source"], shown["target"]) == (ARABIC[0]["source"], ARABIC[0]["target"])
    assert shown["spans"] == [[2, 7, 0, 4, "PERSON"], [17, 21, 13, 17, "GPE"]]
    assert shown["target_words"] == [[0, 4], [5, 9], [10, 12], [13, 17]]
    assert (arabic["target"], arabic["sample_count"]) == ({"lang": "ar", "dir": "rtl"}, 2)
    assert arabic["reject_counts"] == {"no_span": 2, "too_long": 1, "wrong_column_count": 1}
    assert harmful["samples"][0]["source"] == harmful["rejects"]["no_span"][0]["source"] == SCRIPT
    assert harmful["samples"][0]["target"] == "a\u202eb\u2028c"


def test_no_text_of_a_corpus_is_html(page: Page, html: str) -> None:
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert not {"img", "i", "u", "iframe", "object", "link"} & set(tags)
    assert ORIGIN in "".join(page.texts)
    assert "\u202e" not in html.replace(json.dumps("\u202e")[1:-1], "").split('id="data"')[0]


def test_policy_allows_only_the_own_script_and_style(page: Page) -> None:
    (policy,) = [
        attributes["content"]
        for attributes in page.attributes("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style, (_, _), script = page.raw
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for _, text in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on") or name == "src"], tag
        assert (attributes.get("href") or "#").startswith("#"), tag


def test_counts_are_on_the_page(page: Page) -> None:
    texts = " ".join(page.texts)
    assert "samples 48 90.6% of the rows" in texts
    assert "spans with an answer 49 1.02 per sample" in texts
    assert "no_span 2 33.3%" in texts
    assert "1,000 more rows are beyond max_pairs" in " ".join(texts.split())
    assert "ab" * 32 in texts


def test_charts_have_descriptions(page: Page) -> None:
    labels = [attributes["aria-label"] for attributes in page.attributes("svg") if attributes.get("role") == "img"]
    assert labels[:2] == [
        "Spans per sample: spans: mean 1.5, median 1, 90% at most 2, max 2",
        "Length of spans: span: mean 1.0, median 1, 90% at most 1, max 1; "
        "answer: mean 1.0, median 1, 90% at most 1, max 1",
    ]
    assert len(labels) == 12


def test_language_pair_without_samples_has_no_charts() -> None:
    empty = copy.deepcopy(manifest())
    counts = empty["pairs"]["en-vi"]
    nothing = copy.deepcopy(counts["statistics"]) | {"labels": {}, "origins": {}}
    for histogram in ("spans_per_sample", "span_words", "answer_words", "source_words", "target_words"):
        nothing[histogram] = {"width": 1, "counts": [], "sum": 0, "max": 0}
    empty["pairs"]["en-vi"] = counts | {"rows": 0, "samples": 0, "spans": 0, "statistics": nothing}
    shown = Page(render_report(empty, examples={}))
    assert sum(attributes.get("role") == "img" for attributes in shown.attributes("svg")) == 8
    assert [pair["samples"] for pair in embedded(shown)] == [[], [], []]


def test_page_is_written_to_the_file(tmp_path: Path, html: str) -> None:
    path = write_report(manifest(), examples=examples(), folder=str(tmp_path))
    assert path == str(tmp_path / "report.html")
    assert Path(path).read_text("utf-8") == html


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        pytest.param("ar", "rtl", id="arabic"),
        pytest.param("ur-PK", "rtl", id="with_region"),
        pytest.param("vi", "ltr", id="vietnamese"),
        pytest.param("uz-Arab", "rtl", id="script_from_right_to_left"),
        pytest.param("pa_arab_PK", "rtl", id="script_and_region"),
        pytest.param("ar-Latn", "ltr", id="script_from_left_to_right"),
        pytest.param("uz", "ltr", id="without_script"),
        pytest.param("ara", "rtl", id="three_letters"),
        pytest.param("x1", "auto", id="unknown"),
    ],
)
def test_direction_of_a_language(language: str, expected: str) -> None:
    assert direction(language) == expected


def test_page_explains_which_origins_are_counted_separately() -> None:
    note = "Only 200 origins are counted separately, selected by a hash of their names"
    many = copy.deepcopy(manifest())
    statistics: Any = many["pairs"]["en-vi"]["statistics"]
    statistics["origins"] = {f"site {i}": {"samples": i, "spans": i, "rejects": {}} for i in range(200)}
    assert note not in " ".join(Page(render_report(many, examples={})).texts)
    statistics["other_origins"] = {"samples": 7, "spans": 7, "rejects": {}}
    texts = " ".join(Page(render_report(many, examples={})).texts)
    assert note in texts
    assert "(other origins) 7 of 7" in texts
    assert "188 more origins are in the manifest" in texts  # 12 are on the page


@pytest.mark.parametrize(
    ("source", "target", "directions"),
    [
        pytest.param("zh-tw", "he", ("ltr", "rtl"), id="lower-case region of the source"),
        pytest.param("en-us", "ar", ("ltr", "rtl"), id="lower-case region, target in Arabic"),
        pytest.param("ur-Latn", "ug", ("ltr", "rtl"), id="script"),
    ],
)
def test_languages_of_a_pair_are_those_of_its_corpus(source: str, target: str, directions: tuple[str, str]) -> None:
    prepared = manifest()
    prepared["pairs"] = {f"{source}-{target}": prepared["pairs"]["en-ar"]}
    prepared["config"]["corpora"] = [{"source_lang": source, "target_lang": target}]
    (data,) = embedded(Page(render_report(prepared, examples={})))
    assert (data["source"], data["target"]) == (
        {"lang": source, "dir": directions[0]},
        {"lang": target, "dir": directions[1]},
    )
