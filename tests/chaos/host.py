"""Script: a worker without Ray, which sums over the process group until that fails, and says what it does.

    python host.py RANK ADDRESS ADDRESS_OF_RANK_0 TIMEOUT

Rank 0 prints the port of its store; each rank then reads it from its input.
"""

import sys
from datetime import timedelta

import torch
from torch import distributed as dist

from clism_core.cluster.collectives import is_communication_error
from clism_core.cluster.process_group import join, open_store


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(own_rank: int, address: str, first: str, timeout: float) -> None:
    say(f"port {open_store(address) if own_rank == 0 else 0}")
    store = (first, int(sys.stdin.readline()))
    join(own_rank=own_rank, address=address, store=store, workers=2, backend="gloo", timeout=timedelta(seconds=timeout))
    step = 0
    while True:
        try:
            dist.all_reduce(torch.ones(1))
        except Exception as error:
            say(f"failed {is_communication_error(error)} {' '.join(str(error).split())}")
            return
        step += 1
        if step % 100 == 0:
            say(f"step {step}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
