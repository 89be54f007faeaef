"""The code blocks of docs/extending.md, as modules."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

GUIDE = Path(__file__).parents[1] / "docs" / "extending.md"


def example_code(heading: str) -> str:
    """Return the first Python block below a heading of the guide."""
    section = GUIDE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block, f"{heading} has no example"
    return block[1]


def load_example(heading: str) -> Any:
    """Return the first Python block below a heading of the guide as a module."""
    module = ModuleType(f"example_{heading.replace(' ', '_').lower()}")
    sys.modules[module.__name__] = module  # where dataclasses and annotations are looked up
    exec(compile(example_code(heading), str(GUIDE), "exec"), vars(module))
    return module
