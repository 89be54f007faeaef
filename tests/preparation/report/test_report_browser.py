"""The page in a real browser: the output of its script, and an empty console."""

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
from markupsafe import Markup
from report_data import SCRIPT, examples, manifest

from clism_core.preparation.report import page as report_page
from clism_core.preparation.report.page import render_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed"),
    pytest.mark.slow,
]


class Node(NamedTuple):
    """Name, attributes and text of an element."""

    name: str
    attributes: dict[str, str | None]
    text: list[str]


class Document(HTMLParser):
    """Elements of a document after its script has run in a browser."""

    VOID = frozenset({"meta", "input", "link", "br", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._open: list[Node] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs), [])
        self.nodes.append(node)
        if tag not in self.VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        for node in self._open:
            node.text.append(data)

    def texts(self, name: str, css_class: str) -> list[str]:
        return ["".join(node.text) for node in self.find(name, css_class)]

    def find(self, name: str, css_class: str) -> list[Node]:
        return [
            node
            for node in self.nodes
            if node.name == name and css_class in (node.attributes.get("class") or "").split()
        ]

    def by_id(self, name: str) -> Node:
        (node,) = [node for node in self.nodes if node.attributes.get("id") == name]
        return node


Opened = tuple[Document, str]


def visit(file: Path, fragment: str, profile: Path) -> Opened:
    """Return the document after its script has run, and the output on the browser's console."""
    assert BROWSER is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
    options += ["--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom"]
    address = file.as_uri() + (f"#{fragment}" if fragment else "")
    done = subprocess.run([BROWSER, *options, address], capture_output=True, text=True, timeout=120, check=True)
    return Document(done.stdout), "\n".join(re.findall(r"^.*CONSOLE.*$", done.stderr, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Document]:
    """Return a function that opens the report at a URL fragment and checks that the console is empty."""
    folder = tmp_path_factory.mktemp("report")
    file = folder / "report.html"
    file.write_text(render_report(manifest(), examples=examples()), "utf-8")

    def opened(fragment: str) -> Document:
        document, console = visit(file, fragment, folder / "profile")
        assert console == ""
        return document

    return opened


def test_filters_spans_and_direction(show: Callable[[str], Document]) -> None:
    document = show("tab=samples&pair=en-ar&label=PERSON")
    (card,) = document.find("article", "sample")
    assert card.attributes["aria-label"] == "en-ar/00/000000001"
    marks = document.find("mark", "hue0") + document.find("mark", "hue1")
    assert [("".join(mark.text), mark.attributes["data-side"]) for mark in marks] == [
        ("HenryPERSON 1", "source"),
        ("هنريPERSON 1", "target"),
        ("RomeGPE 2", "source"),
        ("روماGPE 2", "target"),
    ]
    source, target = document.find("p", "text")
    assert (source.attributes["dir"], source.attributes["lang"]) == ("ltr", "en")
    assert (target.attributes["dir"], target.attributes["lang"]) == ("rtl", "ar")
    assert "".join(document.by_id("found").text) == "1 of 48 samples, selected at random from 48"
    assert "hidden" in document.by_id("overview").attributes
    assert "hidden" not in document.by_id("samples").attributes


def test_masked_form(show: Callable[[str], Document]) -> None:
    document = show("tab=samples&pair=en-ar&masked=1&text=HENRY")
    assert document.texts("p", "text") == [
        "😀 [QUE]PERSON 1 lives in [QUE]GPE 2",
        "هنريPERSON 1 يعيش في روماGPE 2",
    ]


def test_pages(show: Callable[[str], Document]) -> None:
    document = show("tab=samples&pair=en-vi&origin=news&page=3")
    assert len(document.find("article", "sample")) == 5  # of 45, with 20 per page
    assert "".join(document.by_id("page").text) == "page 3 of 3"


def test_rejects_by_reason(show: Callable[[str], Document]) -> None:
    document = show("tab=rejects&pair=en-ar")
    headings = ["".join(node.text) for node in document.nodes if node.name == "h2"]
    assert [heading for heading in headings if heading.endswith((" rows", " row"))] == [
        "no_span 2 rows",
        "too_long 1 row",
        "wrong_column_count 1 row",
    ]
    assert document.texts("p", "text")[-4:] == [
        "x" * 1000 + " … and 234 more characters",
        "empty",
        "not read",
        "not read",
    ]


def test_malicious_texts_are_shown_and_have_no_effect(show: Callable[[str], Document]) -> None:
    document = show("tab=samples&pair=en-%3Ci%3E")
    assert "".join(node.text[0] for node in document.nodes if node.name == "title") == "Prepared data: 48 samples"
    source, target = document.texts("p", "text")
    assert source == SCRIPT[:9] + "<u> 1" + SCRIPT[9:]
    assert target == "a<u> 1U+202EbU+2028c"
    assert document.texts("span", "control") == ["U+202E", "U+2028"]


def test_hovering_over_a_word_highlights_its_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hover = """
    for (const word of document.querySelectorAll('.word[data-side="target"]'))
      if (word.textContent === "يعيش") word.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
    """
    document, console = visit(
        _with_script(hover, tmp_path, monkeypatch), "tab=samples&pair=en-ar", tmp_path / "profile"
    )
    assert console == ""
    assert document.texts("span", "lit") == ["lives", "يعيش"]


def test_keys_navigate_samples_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = """
    for (const key of ["j", "ArrowRight", "ArrowRight", "ArrowRight"])
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    """
    file = _with_script(keys, tmp_path, monkeypatch)
    document, console = visit(file, "tab=samples&pair=en-ar&label=PERSON", tmp_path / "profile")
    assert console == ""
    assert document.texts("span", "here") == ["lives"]
    assert document.texts("span", "lit") == ["lives", "يعيش"]


def test_page_works_in_a_sandboxed_frame_as_in_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    click = """
    document.getElementById("tab-samples").click();
    document.querySelector('[data-page="1"]').click();
    const shown = document.querySelectorAll("#cards article").length;
    console.log(`shown: ${shown}, ${document.getElementById("page").textContent}`);
    """
    inner = _with_script(click, tmp_path, monkeypatch).read_text("utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(f'<meta charset="utf-8"><iframe sandbox="allow-scripts" srcdoc="{html.escape(inner)}"></iframe>')
    _, console = visit(outer, "", tmp_path / "profile")
    (line,) = console.splitlines()
    assert "shown: 20, page 2 of 3" in line


def _with_script(more: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the report with `more` appended to its script, and return the file."""
    asset = report_page._asset
    monkeypatch.setattr(report_page, "_asset", lambda name: asset(name) + Markup(more if name == "page.js" else ""))
    file = folder / "report.html"
    file.write_text(render_report(manifest(), examples=examples()), "utf-8")
    return file
