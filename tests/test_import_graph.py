"""The direction of dependencies: every import statement, those in functions and below TYPE_CHECKING included."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("utils",),
    ("cluster", "model", "tracking"),
    ("preparation", "training"),
    ("pretraining", "tasks"),
    ("inference",),
    ("clism_core", "evaluation"),
    ("demo", "experiments", "report"),
    ("cli",),
    ("command_line", "tune_spaces"),
    ("jobs",),
)
"""Packages of clism_core, and those beside it, lowest first. A module imports its own package and lower layers.
`clism_core` is the package's own file, with `load`, which imports nothing before it is called."""
HEIGHT = {package: height for height, packages in enumerate(LAYERS) for package in packages}
MAX_JOB_LINES = 120

WITHOUT_RAY = ("utils", "model", "tracking", "tasks.mrc", "tasks.ner", "pretraining.objectives")
"""Packages whose modules load no Ray: scripts and served models import them where it may not be installed."""
ENTRY_MODULES = (
    "clism_core",
    "clism_core.cli",
    "clism_core.inference.predictor",
    "clism_core.inference.served_model",
    "clism_core.pretraining.served_model",
    "clism_core.model.encoder",
    "clism_core.model.resolve",
    "clism_core.model.trainable",
    "clism_core.tracking.registry",
    "clism_core.tracking.lifecycle",
    "clism_core.tracking.run",
)


def read_modules(root: Path) -> dict[str, Path]:
    """Return the file of each module of clism_core, tune_spaces and jobs, by its dotted name."""
    files = [file for top in ("clism_core", "tune_spaces", "jobs") for file in (root / top).rglob("*.py")]
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imported(file: Path, modules: Mapping[str, Path], *, at_import: bool = False) -> Iterator[str]:
    """Yield which modules of the project, and `ray`, a file imports; with `at_import`, none that it loads later."""
    tree = ast.parse(file.read_text())
    for node in _loaded(tree) if at_import else ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{file}:{node.lineno}: relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else node.module for name in full]
        for name in names:
            if name.split(".")[0] == "ray":
                yield "ray"
            elif name in modules:
                yield name
            elif f"jobs.{name}" in modules:  # a job's folder is on its path
                yield f"jobs.{name}"


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        type_checking = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not type_checking and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _loaded(child)


def import_graph(root: Path, *, at_import: bool = False) -> dict[str, set[str]]:
    """Return what each module imports; the package clism_core itself, which every import loads, is left out."""
    modules = read_modules(root)
    return {
        module: set(imported(file, modules, at_import=at_import)) - {"clism_core"} for module, file in modules.items()
    }


def package_of(module: str) -> str:
    """Return the package of a module that LAYERS names."""
    return module.removeprefix("clism_core.").split(".")[0]


def upward(graph: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """Return the imports between packages that do not lead to a lower layer, and those of one job by another."""
    return {
        (module, each)
        for module, imports in graph.items()
        for each in imports - {"ray", module}
        if (package_of(module) != package_of(each) or package_of(each) == "jobs")
        and HEIGHT[package_of(each)] >= HEIGHT[package_of(module)]
    }


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of an import cycle, the first one again at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(ROOT)


def test_every_package_has_a_layer() -> None:
    assert {package_of(module) for module in read_modules(ROOT)} == HEIGHT.keys()


def test_imports_lead_to_lower_layers(graph: dict[str, set[str]]) -> None:
    assert upward(graph) == set(), "these imports run against LAYERS"


def test_modules_form_no_cycle(graph: dict[str, set[str]]) -> None:
    assert " -> ".join(cycle(graph)) == ""


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        pytest.param(
            "clism_core/model/a.py",
            "from clism_core.tasks.mrc import model",
            {("clism_core.model.a", "clism_core.tasks.mrc.model")},
            id="higher-layer",
        ),
        pytest.param(
            "clism_core/preparation/a.py",
            "def f():\n    import clism_core.training.step",
            {("clism_core.preparation.a", "clism_core.training.step")},
            id="same-layer-in-a-function",
        ),
        pytest.param(
            "clism_core/pretraining/a.py",
            "if TYPE_CHECKING:\n    from clism_core.tasks.mrc.model import X",
            {("clism_core.pretraining.a", "clism_core.tasks.mrc.model")},
            id="type-checking",
        ),
        pytest.param("jobs/a.py", "from predict import main", {("jobs.a", "jobs.predict")}, id="job-of-a-job"),
        pytest.param(
            "tune_spaces/a.py",
            "from clism_core.command_line import run_job",
            {("tune_spaces.a", "clism_core.command_line")},
            id="space-of-a-command-line",
        ),
        pytest.param("clism_core/tasks/mrc/a.py", "from clism_core.training.step import x", set(), id="lower-layer"),
        pytest.param("clism_core/tasks/ner/a.py", "import clism_core.tasks.mrc.model", set(), id="own-package"),
    ],
)
def test_an_import_against_the_layers_is_found(
    tmp_path: Path, file: str, text: str, found: set[tuple[str, str]]
) -> None:
    others = [
        "clism_core/tasks/mrc/model.py",
        "clism_core/training/step.py",
        "clism_core/command_line.py",
        "jobs/predict.py",
    ]
    root = write(tmp_path, {**dict.fromkeys(others, ""), file: text})
    assert upward(import_graph(root)) == found


def test_a_cycle_through_a_function_is_found(tmp_path: Path) -> None:
    files = {
        "clism_core/model/a.py": "from clism_core.model import b",
        "clism_core/model/b.py": "def f():\n    from clism_core.model.a import g",
        "clism_core/model/c.py": "from clism_core.model import a, b",
    }
    assert set(cycle(import_graph(write(tmp_path, files)))) == {"clism_core.model.a", "clism_core.model.b"}


def test_modules_below_ray_do_not_load_it() -> None:
    graph = import_graph(ROOT, at_import=True)
    below = {module for module in graph if module.removeprefix("clism_core.").startswith(WITHOUT_RAY)}
    for start in below.union(ENTRY_MODULES):
        seen, waiting = {start}, [start]
        while waiting:
            module = waiting.pop()
            assert "ray" not in graph[module], f"{start} loads {module}, which imports ray"
            waiting += graph[module] - seen
            seen |= graph[module]


def test_entry_modules_run_without_ray() -> None:
    code = f"import sys, {', '.join(ENTRY_MODULES)}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_list_of_commands_loads_no_library() -> None:
    code = "import sys, clism_core.cli; sys.exit(str({'torch', 'ray', 'mlflow', 'jsonargparse'} & {*sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stderr.strip() == "set()"


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        ("clism_core.cluster.stop_request", {"torch", "transformers", "mlflow", "ray.train", "ray.data"}),
        ("clism_core.training.failures", {"transformers", "mlflow"}),
        ("clism_core.training.outcome", {"torch", "transformers", "mlflow", "ray"}),
        ("clism_core.cluster.process_group", {"transformers", "mlflow"}),
    ],
)
def test_what_rays_own_processes_load_is_light(module: str, libraries: set[str]) -> None:
    """A training starts several processes, and each library costs each of them seconds."""
    code = f"import sys, {module}; sys.exit(str({libraries!r} & {{*sys.modules}} or ''))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("job", [pytest.param(file, id=file.stem) for file in sorted((ROOT / "jobs").glob("*.py"))])
def test_job_files_are_short(job: Path) -> None:
    assert len(job.read_text().splitlines()) < MAX_JOB_LINES
