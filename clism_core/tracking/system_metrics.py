"""Use of CPU, memory, disk, network and GPUs, as metrics of a run."""

import time
from collections.abc import Callable, Mapping

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


class SystemMetrics(SystemMetricsMonitor):
    """MLflow's monitor, which logs like all other metrics instead of ending when the server does not answer.

    The step of a point is the number of sampling intervals since the run was created, so that it increases on all
    nodes and after restarts.

    Args:
        run_id: id of the MLflow run.
        created: when the run was created, in seconds since 1970.
        log: called with the metrics and the step.
        node: name of the node in the metrics, as in `system/node-1/cpu_utilization_percentage`; empty: none.
    """

    def __init__(
        self, run_id: str, *, created: float, log: Callable[[Mapping[str, float], int], None], node: str = ""
    ) -> None:
        super().__init__(run_id, node_id=node or None)  # type: ignore[no-untyped-call]
        self._created = created
        self._log = log

    def monitor(self) -> None:
        """Log the means of the samples of each interval until `finish`; called in a thread."""
        while not self._shutdown_event.is_set():
            for _ in range(self.samples_before_logging):
                self.collect_metrics()  # type: ignore[no-untyped-call]
                if self._shutdown_event.wait(self.sampling_interval):
                    break
            self.publish_metrics(self.aggregate_metrics())  # type: ignore[no-untyped-call]

    def publish_metrics(self, metrics: dict[str, float]) -> None:
        """Log metrics."""
        prefix = f"system/{self.node_id}/" if self.node_id else "system/"
        interval = self.sampling_interval * self.samples_before_logging
        step = int((time.time() - self._created) / interval)
        self._log({f"{prefix}{name}": value for name, value in metrics.items()}, step)
        for monitor in self.monitors:
            monitor.clear_metrics()

    def finish(self) -> None:
        """Stop, after a last point."""
        self._shutdown_event.set()
        if self._process is not None:
            self._process.join()
            self._process = None
