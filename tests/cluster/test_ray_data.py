import time
from typing import Any

import pyarrow as pa
import pytest
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.exceptions import ExecutionTimeoutError

from clism_core.cluster.ray_data import map_with_retries


@pytest.mark.ray
@pytest.mark.parametrize("as_actor", [False, True])
def test_slow_stages_do_not_time_out(ray_cluster: None, monkeypatch: pytest.MonkeyPatch, as_actor: bool) -> None:
    def wait(batch: pa.Table) -> pa.Table:
        time.sleep(4)
        return batch

    class Waiting:
        def __call__(self, batch: pa.Table) -> pa.Table:
            return wait(batch)

    stage: Any = wait
    options: dict[str, Any] = {}
    if as_actor:
        stage, options = Waiting, {"compute": ActorPoolStrategy(size=1)}
    monkeypatch.setattr(DataContext.get_current(), "execution_no_progress_timeout_s", 1)
    rows = pa.table({"a": [1]})
    assert map_with_retries(ray.data.from_blocks([rows]), stage, **options).take_all() == [{"a": 1}]
    with pytest.raises(ExecutionTimeoutError):  # Ray's own limit
        ray.data.from_blocks([rows]).map_batches(stage, **options).take_all()
