from typing import Any

import pytest
import spacy


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a spaCy pipeline that knows four names."""
    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    names = {"Anna": "PERSON", "Tim": "PERSON", "Rome": "GPE", "Bonn": "GPE"}
    ruler.add_patterns([{"label": label, "pattern": name} for name, label in names.items()])
    folder = tmp_path_factory.mktemp("pipeline")
    nlp.to_disk(folder)
    return str(folder)
