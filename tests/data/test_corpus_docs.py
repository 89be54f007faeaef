import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from clism_core.data.corpus import CorpusConfig, check_corpus
from clism_core.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "corpora.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
EXAMPLES = [CorpusConfig(**yaml.safe_load(block)[0]) for block in BLOCKS]
FORMATS = get_args(get_type_hints(CorpusConfig)["format"])


def test_every_format_has_an_example() -> None:
    assert {example.format for example in EXAMPLES} == set(FORMATS)


@pytest.mark.parametrize(
    "example", [example for example in EXAMPLES if "://" not in example.path], ids=lambda example: example.path
)
def test_examples_lack_nothing_but_their_files(
    example: CorpusConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"{example.path}\S* cannot be read"):
        check_corpus(example)
