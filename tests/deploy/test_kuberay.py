"""The manifest for KubeRay, against the schema of its custom resource."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from packaging.requirements import Requirement

from clism_core.command_line import build_parser
from clism_core.pretraining.training import PRETRAINING

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(Path(__file__).with_name("rayjob.schema.json").read_text())


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kuberay.yaml").read_text())
    return loaded


def problems(manifest: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(manifest)]


def pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = manifest["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_kuberay_accepts_it(manifest: dict[str, Any]) -> None:
    assert not problems(manifest)


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        pytest.param("spec", "backoffLimits", 3, id="unknown"),
        pytest.param("spec", "backoffLimit", "3", id="type"),
        pytest.param("spec", "rayClusterSpec", {"authOptions": {"mode": "tokens"}}, id="value"),
    ],
)
def test_schema_finds_mistakes(manifest: dict[str, Any], group: str, field: str, value: Any) -> None:
    assert problems(manifest | {group: manifest[group] | {field: value}})


def test_entrypoint_is_a_command_of_the_image(manifest: dict[str, Any]) -> None:
    program, job, *arguments = manifest["spec"]["entrypoint"].split()
    assert (program, job) == ("clism", "pretrain")
    in_checkout = [argument.replace("/app/", f"{ROOT}/") for argument in arguments]
    values = build_parser(PRETRAINING.config_class, None).parse_args(in_checkout)
    (_, worker) = pods(manifest)
    gpus = int(worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
    replicas = manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"]
    assert values["workers.number"] == gpus * replicas


def test_ray_has_the_version_of_the_image(manifest: dict[str, Any]) -> None:
    pins = map(Requirement, (ROOT / "constraints.txt").read_text().splitlines())
    (version,) = [str(pin.specifier) for pin in pins if pin.name == "ray"]
    assert version == f"=={manifest['spec']['rayClusterSpec']['rayVersion']}"


def test_pods_are_not_privileged_and_contain_no_secrets(manifest: dict[str, Any]) -> None:
    for pod in pods(manifest):
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        values = {variable["name"] for variable in container["env"] if "value" in variable}
        assert values == {"MLFLOW_TRACKING_URI", "CLISM_HOME"}


def test_clients_need_a_token(manifest: dict[str, Any]) -> None:
    assert manifest["spec"]["rayClusterSpec"]["authOptions"]["mode"] == "token"
