"""The image's instructions, against the files and versions of this project."""

import fnmatch
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def copied() -> list[str]:
    """Return the paths that the image copies from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [path for line in lines for path in line.split()]


def test_copied_files_exist_and_are_in_the_build_context() -> None:
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    included = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert ignore[1] == "*"
    for path in copied():
        assert (ROOT / path).exists()
        assert any(fnmatch.fnmatch(path, f"{name}*") for name in included), path


def test_all_that_the_build_needs_is_copied() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], *wheel["only-include"]}
    assert needed <= set(copied())


def test_torch_is_the_pinned_one() -> None:
    (pin,) = [each for each in map(Requirement, PROJECT["dependencies"]) if each.name == "torch"]
    assert re.findall(r"torch==\S+", DOCKERFILE) == [str(pin)]
    assert "TORCH_BUILD=cu126" in DOCKERFILE


def test_python_is_supported() -> None:
    versions = set(re.findall(r"FROM python:(\S+)-slim", DOCKERFILE))
    assert len(versions) == 1
    assert f"Programming Language :: Python :: {versions.pop()}" in PROJECT["classifiers"]


def test_extras_exist() -> None:
    (extras,) = re.findall(r"pip install '\.\[(\S+)\]'", DOCKERFILE)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_it_does_not_run_as_root() -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["1000"]
    assert "useradd --create-home --uid 1000" in DOCKERFILE
