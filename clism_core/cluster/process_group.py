"""Process group of torch whose processes listen on one address: loopback if all workers are on one node.

torch's store accepts anybody who can connect to it, and Ray Train's configuration makes it listen on all interfaces.
"""

import logging
import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psutil
import ray
from ray.train.backend import BackendConfig
from ray.train.torch import TorchConfig
from ray.train.torch.config import _set_torch_distributed_env_vars, _TorchBackend
from torch import distributed as dist
from torch._C._distributed_c10d import TCPStore

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_stores: list[TCPStore] = []  # of worker 0, from its start until the process group takes it over


@dataclass
class OneAddressTorchConfig(TorchConfig):
    """`TorchConfig` that connects the workers by `open_store` and `join`; its `init_method` is not used."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """The backend, which Ray Train's controller calls when it starts workers."""
        return _OneAddressBackend


class _OneAddressBackend(_TorchBackend):
    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        assert isinstance(backend_config, TorchConfig)
        nodes: list[tuple[str, str]] = worker_group.execute(_node)
        is_one_node = len(set(nodes)) == 1
        addresses = [LOOPBACK if is_one_node else address for _, address in nodes]
        port: int = worker_group.execute_single(0, open_store, addresses[0])
        worker_group.execute(_set_torch_distributed_env_vars)
        joining = [
            worker_group.execute_single_async(
                rank,
                join,
                own_rank=rank,
                address=address,
                store=(addresses[0], port),
                workers=len(nodes),
                backend=backend_config.backend,
                timeout=timedelta(seconds=backend_config.timeout_s),
            )
            for rank, address in enumerate(addresses)
        ]
        ray.get(joining)


def open_store(address: str) -> int:
    """Start the store of the process group in this process, and return its port; it listens on `address` only."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    own = address
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError as error:  # the node's address belongs to a router in front of it
        logger.warning("torch's store cannot listen on %s (%s): it listens on all interfaces", address, error)
        own, listening = "localhost", socket.create_server(("", 0), family=family)
    port = int(listening.getsockname()[1])
    descriptor = listening.detach()  # now owned by the store
    _stores.append(TCPStore(own, port, is_master=True, wait_for_workers=False, master_listen_fd=descriptor))
    return port


def join(
    *, own_rank: int, address: str, store: tuple[str, int], workers: int, backend: str, timeout: timedelta
) -> None:
    """Initialise the process group in this process; returns once all workers have called it.

    Args:
        own_rank: rank of this worker; worker 0 has called `open_store`.
        address: address of this node, by which other workers reach it.
        store: address and port of the store.
        workers: number of workers.
        backend: `gloo` or `nccl`.
        timeout: limit of a collective operation.
    """
    # Over several nodes, NCCL chooses among their networks itself.
    variables = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if address == LOOPBACK else ("GLOO_SOCKET_IFNAME",)
    if (interface := _interface(address)) is not None:
        for name in variables:
            os.environ.setdefault(name, interface)
    opened = _stores.pop() if own_rank == 0 else TCPStore(*store, is_master=False)
    opened.set_timeout(timeout)
    dist.init_process_group(backend, store=opened, rank=own_rank, world_size=workers, timeout=timeout)


def _node() -> tuple[str, str]:
    """Return the id and the address of this worker's node."""
    return ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address()


def _interface(address: str) -> str | None:
    """Return the name of the network interface with this address; None if there is none."""
    interfaces = psutil.net_if_addrs().items()
    return next((name for name, entries in interfaces if any(entry.address == address for entry in entries)), None)
