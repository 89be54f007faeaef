"""What a finished run notes in its output folder, and how it is found again."""

import dataclasses
import json
from dataclasses import dataclass

from clism_core.storage import exists, join, read_bytes, write_bytes

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Delivered:
    """A finished run: what was made and where it is."""

    model: str
    """The model folder."""
    registry_uri: str
    """The version in the registry, such as models:/clism-encoder/3; empty if it was not registered."""
    tracking_uri: str
    run_id: str
    export: str
    step: int
    """Of the checkpoint that became the model, the last or the best as `export` says."""
    samples: int
    """What it was trained on."""
    table: str
    """The evaluation of that checkpoint, as Markdown."""

    def write(self, output: str) -> None:
        """Note in the folder `output` that its run is finished, and what it has made."""
        write_bytes(join(output, RESULT_FILE), json.dumps(dataclasses.asdict(self), indent=2).encode())

    def is_wanted(self, *, export: str, register: bool) -> bool:
        """Whether nothing is left to do; else the model is to be another checkpoint, or to be registered."""
        return self.export == export and bool(self.registry_uri or not register)


def read_delivered(output: str) -> Delivered | None:
    """Return what `Delivered.write` has noted in the folder `output`; None where no run is finished."""
    file = join(output, RESULT_FILE)
    return Delivered(**json.loads(read_bytes(file))) if exists(file) else None
