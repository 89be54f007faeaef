from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clism_core.utils.errors import InputError
from clism_core.utils.records import read_record


@dataclass(frozen=True)
class Result:
    step: int
    model: str
    metrics: dict[str, float] = field(default_factory=dict)


def test_a_record_is_read(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"step": 3, "model": "m", "metrics": {"f1": NaN}, "of_a_later_version": 1}')
    record = read_record(str(tmp_path / "r.json"), Result)
    assert (record.step, record.model, list(record.metrics)) == (3, "m", ["f1"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "not JSON (empty)", id="empty"),
        pytest.param('{"step": 3, "mod', "not JSON (Unterminated string", id="truncated"),
        pytest.param("\0\0\0", "not JSON (", id="zeros"),
        pytest.param("[" * 100_000, "not JSON (", id="deep"),
        pytest.param("[3]", "not a JSON object but a list", id="list"),
        pytest.param("null", "not a JSON object but a NoneType", id="null"),
        pytest.param('{"step": 3}', "model: field required", id="missing-key"),
        pytest.param('{"step": "x", "model": "m"}', "step: input should be a valid integer", id="other-type"),
        pytest.param('{"step": 1, "model": "m", "metrics": []}', "metrics: input should be", id="other-container"),
    ],
)
def test_a_damaged_record_is_one_line_with_its_path_and_what_to_do(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(text)
    with pytest.raises(InputError) as found:
        read_record(str(file), Result, advice="delete it")
    message = str(found.value)
    assert message.startswith(f"{file}: damaged, {reason}")
    assert message.endswith("; delete it")
    assert "\n" not in message


def test_a_record_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="damaged, not JSON"):
        read_record(str(tmp_path / "r.json"), Result)
