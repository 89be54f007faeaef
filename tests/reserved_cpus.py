"""CPUs of the session's Ray cluster that are still reserved."""

import gc
import time


def wait_for_free_cpus() -> float:
    """Return the CPUs still reserved after Ray has had time to release those of ended processes."""
    import ray

    gc.collect()  # actors of a failed stage live as long as its exception, which is part of a cycle
    reserved = 0.0
    for _ in range(60):
        reserved = ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0.0)
        if reserved == 0:
            break
        time.sleep(0.5)
    return reserved
