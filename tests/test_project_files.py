"""The files that describe the project agree with it."""

import importlib.util
import os
import re
import stat
import subprocess
import sys
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


@pytest.mark.parametrize("file", ["README.md", "Makefile", "cluster.yaml"])
def test_commands_check_the_hash_of_the_pipeline(file: str) -> None:
    text = (ROOT / file).read_text()
    checked = re.search(r"pip install --no-deps --require-hashes -r \S*spacy_pipeline\.txt", text)
    installed = re.search(r"pip install -e '[^']*\[align\]'", text)
    assert checked is not None
    assert installed is not None
    assert checked.start() < installed.start()


def test_commands_create_a_token_that_only_the_user_can_read(tmp_path: Path) -> None:
    commands = {
        command
        for file in ("README.md", "cluster.yaml")
        for command in re.findall(r"^[# ]*(.*?ray get-auth-token[^)\n]*\)?)", (ROOT / file).read_text(), re.MULTILINE)
    }
    (command,) = commands  # the same everywhere
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", f"umask 022; {command}"], env=environment, check=True)
    token = tmp_path / ".ray" / "auth_token"
    assert token.read_text()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
