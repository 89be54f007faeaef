"""Peak memory and time of `prepare` on increasing parts of the same corpora.

    python benchmarks/prepare_memory.py --pairs 20000 200000 \\
        --corpora '[{path: en-ar.tsv.gz, source_lang: en, target_lang: ar}]'

Each size is a run of the job with its own Ray cluster. Twice per second, the memory of all its processes is summed,
counting shared memory (Ray's object store) once.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

JOB = Path(__file__).parents[1] / "jobs" / "prepare.py"


def main() -> None:
    """Run all sizes in sequence, and print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", required=True, help="corpora as for `prepare`, in YAML")
    parser.add_argument(
        "--pairs", required=True, type=int, nargs="+", help="number of sentence pairs of each run, over all corpora"
    )
    parser.add_argument("--keep", help="folder in which to keep the prepared data")
    parser.add_argument("options", nargs="*", help="further options of `prepare`, after --")
    given = parser.parse_args()
    corpora = yaml.safe_load(given.corpora)
    print("     pairs   seconds  pairs/s   peak memory of all processes   of the largest", flush=True)
    for pairs in given.pairs:
        capped = [corpus | {"max_pairs": pairs // len(corpora)} for corpus in corpora]
        with tempfile.TemporaryDirectory() as folder:
            output = Path(given.keep or folder, str(pairs))
            options = ["--corpora", json.dumps(capped), "--output", str(output), *given.options]
            began = time.monotonic()
            total, largest = peak_memory([sys.executable, str(JOB), *options])
            seconds = time.monotonic() - began
            rows = read_rows(output / "manifest.json")
        print(
            f"{rows:10,} {seconds:9.0f} {rows / seconds:8.1f} {total / 2**30:26.2f} GiB {largest / 2**30:12.2f} GiB",
            flush=True,
        )


def read_rows(manifest: Path) -> int:
    """Return the number of rows read."""
    content = json.loads(manifest.read_text())
    return int(content["samples"] + content["rejects"])


def peak_memory(command: list[str]) -> tuple[int, int]:
    """Run `command`; return the peak memory of all its processes together, and of the largest one, in bytes.

    Raises `subprocess.CalledProcessError` if it fails.
    """
    total = largest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            together = 0
            for member in [root, *root.children(recursive=True)]:
                try:
                    memory = member.memory_full_info()
                except (psutil.NoSuchProcess, psutil.AccessDenied):  # the process has just ended
                    continue
                together += memory.pss  # shared pages are divided among the processes that share them
                largest = max(largest, memory.uss)
            total = max(total, together)
            time.sleep(0.5)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return total, largest


if __name__ == "__main__":
    main()
