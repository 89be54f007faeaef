"""The wheel, installed into an environment of its own and called from a folder outside the checkout."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tiny import TEXTS, write_encoder

from clism_core.command_line import EXIT_BAD_INPUT
from clism_core.inference.predictor import load_predictor
from clism_core.tasks.mrc.config import MrcConfig
from clism_core.tasks.mrc.model import MrcModel

CHECKOUT = Path(__file__).parents[1]
JOBS = sorted(file.stem for file in (CHECKOUT / "jobs").glob("*.py"))

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel, and a folder to call its programs from."""

    folder: Path
    elsewhere: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        hidden = {name for name in os.environ if name.startswith("PYTHON")}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.elsewhere,
            env=environment | {"COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Build the wheel and install it where the checkout cannot be imported, and this environment's packages can."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder / "dist"), str(CHECKOUT)]
    subprocess.run(build, check=True)
    venv.create(folder / "venv", with_pip=False)
    (wheel,) = (folder / "dist").glob("clism-*.whl")
    subprocess.run(
        [*pip, "--python", str(folder / "venv"), "install", "--no-deps", "--no-index", str(wheel)], check=True
    )
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Paths in a .pth file are searched, but their own .pth files, such as that of the editable install, are not read.
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(sorted(dependencies)))
    (folder / "elsewhere").mkdir()
    return Environment(folder / "venv", folder / "elsewhere")


def test_packages_are_imported_from_the_wheel(environment: Environment) -> None:
    code = "import clism_core, tune_spaces; print(clism_core.__file__, tune_spaces.__file__, sep='\\n')"
    files = [Path(line) for line in environment.run("python", "-c", code).stdout.splitlines()]
    assert len(files) == 2
    assert all(file.is_relative_to(environment.folder) for file in files)


def files_below(folder: Path) -> set[str]:
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    return {file for file in found if "__pycache__" not in file}


@pytest.mark.parametrize(
    ("folder", "package"), [("clism_core", "clism_core"), ("tune_spaces", "tune_spaces"), ("jobs", "clism_jobs")]
)
def test_all_files_are_installed(environment: Environment, folder: str, package: str) -> None:
    (packages,) = (environment.folder / "lib").glob("python*/site-packages")
    assert files_below(packages / package) == files_below(CHECKOUT / folder)


def test_help_lists_the_jobs(environment: Environment) -> None:
    done = environment.run("clism", "--help")
    assert done.returncode == 0
    listed = re.findall(r"^  (\w+) +[A-Z][\w -]+: ", done.stdout, flags=re.MULTILINE)
    assert listed == JOBS
    assert str(environment.folder) in done.stdout.partition("presets")[2]


def test_version_is_that_of_the_project(environment: Environment) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert environment.run("clism", "--version").stdout == f"clism {project['version']}\n"


def test_a_job_has_the_options_of_its_script(environment: Environment) -> None:
    done = environment.run("clism", "prepare", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: clism prepare ")
    frozen = (CHECKOUT / "tests" / "jobs" / "options" / "prepare.txt").read_text().split()
    shown = set(re.findall(r"--[\w.]+", done.stdout))
    assert {option for option in frozen if option.startswith("--") and not option.endswith("+")} <= shown


def test_presets_are_installed(environment: Environment) -> None:
    presets = Path(environment.run("clism", "--help").stdout.partition("presets for --config:\n")[2].strip())
    given = ["--config", str(presets / "short.yaml"), "--model", "m", "--loop.steps", "7", "--print_config"]
    done = environment.run("clism", "pretrain", *given)
    assert done.returncode == 0, done.stderr
    printed = yaml.safe_load(done.stdout)
    preset = yaml.safe_load((CHECKOUT / "jobs" / "configs" / "short.yaml").read_text())
    assert printed["loop"] == preset["loop"] | {"steps": 7}
    assert (printed["model"], printed["data"]) == ("m", preset["data"])


def test_bad_input_ends_with_the_exit_status_of_the_script(environment: Environment) -> None:
    done = environment.run("clism", "predict", "--model", "m", "--input", "missing.csv", "--output", "y.csv")
    assert done.returncode == EXIT_BAD_INPUT
    assert "missing.csv" in done.stderr


def test_a_model_answers(environment: Environment) -> None:
    folder = environment.elsewhere
    encoder = str(write_encoder("xlmr", folder / "encoder"))
    (folder / "model").mkdir()
    MrcModel.begin(encoder, MrcConfig(max_length=64, stride=8, max_question_length=24), seed=0).save(folder / "model")
    rows = [{"question": "Who?", "context": text} for text in TEXTS[:3]]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--input", "questions.jsonl", "--output", "answers.jsonl"]
    done = environment.run("clism", "predict", "--model", "model", *files)
    assert done.returncode == 0, done.stderr
    assert "Predicted 3 rows" in done.stdout
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert [{name: row[name] for name in ("question", "context")} for row in answers] == rows
    expected = load_predictor(str(folder / "model"))(rows)
    assert [row["answer"] for row in answers] == [each["answer"] for each in expected]
