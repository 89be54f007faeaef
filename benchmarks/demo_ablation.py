"""Effect of CLISM in the demo: the same encoder, pre-trained equally long with and without it, and fine-tuned equally.

    python benchmarks/demo_ablation.py --output ablation

Runs the demo's own jobs, one after the other: twice jobs/pretrain.py (the second time CACR and MLM alone), twice
jobs/finetune.py on the English questions, then jobs/evaluate.py on the test questions of six languages with a paired
test, whose table it prints. To resume after an interruption, run the same command. It took 13 minutes on two cores.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENCODERS = {"clism": [], "no-clism": ["--objectives.w_clism=0"]}


def main() -> None:
    """Train both and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=Path, help="folder for all runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of all runs")
    given = parser.parse_args()
    output, seed = given.output.absolute(), f"--seed={given.seed}"
    for name, arguments in ENCODERS.items():
        run("pretrain", "demo.yaml", output / name, seed, "--register=false", *arguments)
        model = f"--model={output / name / 'model'}"
        run("finetune", "demo-mrc.yaml", output / f"{name}-mrc", seed, "--register=false", model)
    run(
        "evaluate",
        "evaluate.yaml",
        output / "evaluation",
        f"--model={output / 'clism-mrc' / 'model'}",
        f"--compare={output / 'no-clism-mrc' / 'model'}",
        "--tests=[{dataset: known-names, path: $CLISM_HOME/demo/questions/known-names}, "
        "{dataset: new-names, path: $CLISM_HOME/demo/questions/new-names}]",
    )


def run(job: str, preset: str, output: Path, *arguments: str) -> None:
    """Run a job from the command line; stop if it fails."""
    command = [sys.executable, f"jobs/{job}.py", f"--config=jobs/configs/{preset}", f"--output={output}", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
