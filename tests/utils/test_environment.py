import os

import pytest

from clism_core.utils.environment import environment_variables


def test_variables_are_set_for_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST", "before")
    monkeypatch.delenv("SECOND", raising=False)
    with environment_variables({"FIRST": "1", "SECOND": "2"}):
        assert (os.environ["FIRST"], os.environ["SECOND"]) == ("1", "2")
    assert os.environ["FIRST"] == "before"
    assert "SECOND" not in os.environ
