"""Effect of pre-training in the demo: its encoder, fine-tuned equally with and without it, on few and many questions.

    python benchmarks/demo_ablation.py --output ablation --seed 0

Runs the demo's own jobs, one after the other: jobs/pretrain.py; jobs/finetune.py on 128 and on 3,200 English questions,
each time from the pre-trained encoder with its span head, and from the encoder as it was, with a standard head;
jobs/evaluate.py on the test questions of six languages about new names, with a paired test. To resume after an
interruption, run the same command.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENCODER = "$CLISM_HOME/demo/encoder"
QUESTIONS = {"few": ["--examples=128", "--steps=60"], "many": []}
"""Options of fine-tuning by number of questions."""


def main() -> None:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=Path, help="folder for all runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of all runs, and of the draw of 128 questions")
    given = parser.parse_args()
    output, seed, draw = given.output.absolute(), f"--seed={given.seed}", f"--sample_seed={given.seed}"
    run("pretrain", "demo.yaml", output / "pretrained", seed, "--register=false")
    starts = {
        "ours": [f"--model={output / 'pretrained' / 'model'}"],
        "plain": [f"--model={ENCODER}", "--mrc.use_que=false"],
    }
    for size, options in QUESTIONS.items():
        for name, start in starts.items():
            draw = f"--sample_seed={given.seed}"
            run(
                "finetune", "demo-mrc.yaml", output / f"{name}-{size}", seed, draw, "--register=false", *start, *options
            )
        run(
            "evaluate",
            "evaluate.yaml",
            output / f"evaluation-{size}",
            f"--model={output / f'ours-{size}' / 'model'}",
            f"--compare={output / f'plain-{size}' / 'model'}",
            "--tests=[{dataset: new-names, path: $CLISM_HOME/demo/questions/new-names}]",
        )


def run(job: str, preset: str, output: Path, *arguments: str) -> None:
    """Run a job from the command line; stop if it fails."""
    command = [sys.executable, f"jobs/{job}.py", f"--config=jobs/configs/{preset}", f"--output={output}", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
