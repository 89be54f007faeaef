"""The files that describe the project agree with it."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def moved_modules() -> list[str]:
    """Return the modules in the right column of the changelog's tables, `a.{b,c}` as `a.b` and `a.c`."""
    cells = [line.rsplit("|", 2)[1] for line in CHANGELOG.splitlines() if line.startswith("  | ")]
    names = [name.removesuffix(".*") for cell in cells for name in re.findall(r"`(clism_core[^`]+)`", cell)]
    expanded = []
    for name in names:
        before, _, last = name.partition("{")
        expanded += [before + part for part in last.removesuffix("}").split(",")]
    return expanded


@pytest.mark.parametrize("name", moved_modules())
def test_modules_are_where_the_changelog_says(name: str) -> None:
    assert importlib.util.find_spec(name) is not None


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"\n## [{version}]\n" in CHANGELOG


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_to_files(file: str) -> None:
    links = re.findall(r"\]\(([^):#]+)\)", (ROOT / file).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
