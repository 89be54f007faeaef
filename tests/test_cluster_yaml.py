from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).parents[1] / "cluster.yaml"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    prepared = prepare_config(config)  # fills in the defaults, as `ray up` does
    validate_config(prepared)
    assert {name: node["max_workers"] for name, node in prepared["available_node_types"].items()} == {
        "head": 0,
        "cpu": 2,
        "v100_16gb": 2,
        "v100_32gb": 1,
    }


def test_ray_refuses_a_misspelt_field(config: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="max_wokers"):
        validate_config(prepare_config({**config, "max_wokers": 2}))


def test_every_node_names_its_image(config: dict[str, Any]) -> None:
    for node in config["available_node_types"].values():
        assert "/ubuntu/server/24.04/" in node["node_config"]["ImageId"]


def test_nodes_offer_what_the_instances_have(config: dict[str, Any]) -> None:
    nodes = config["available_node_types"]
    found = {node["node_config"]["InstanceType"]: node["resources"] for node in nodes.values()}
    assert found == {
        "m5.2xlarge": {"CPU": 8},
        "m5.4xlarge": {"CPU": 16},
        "p3.16xlarge": {"CPU": 64, "GPU": 8},
        "p3dn.24xlarge": {"CPU": 96, "GPU": 8},
    }


@pytest.mark.parametrize("commands", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_every_node_asks_for_the_token(config: dict[str, Any], commands: str) -> None:
    (start,) = (command for command in config[commands] if "ray start" in command)
    assert "RAY_AUTH_MODE=token" in start
    assert any(path.endswith("/.ray/auth_token") for path in config["file_mounts"])
