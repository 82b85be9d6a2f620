"""What heterofire adds to the engine's own time: one study, one worker, in an empty folder.

Prints the overhead of `run` (wall time minus the engine's own, over the engine's own), the time
of a second run, which starts nothing, and the time of `--help`.

    python benchmarks/orchestration.py potassium-anode
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-P", "-m", "heterofire.launchers.cli"]


def timed(folder: Path, *arguments: str) -> float:
    """Return the wall time of one command, in seconds; its output goes to the terminal."""
    start = time.monotonic()
    subprocess.run([*COMMAND, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def engine_seconds(runs: Path) -> tuple[int, float]:
    """Return how many engine processes ran, and how long they say they did."""
    walls = [json.loads(path.read_text())["wall_s"] for path in runs.rglob("engine.json")]
    return len(walls), sum(walls)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", default="potassium-anode")
    parser.add_argument("--profile", default="quick")
    arguments = parser.parse_args()
    study = arguments.study
    if study.endswith(".yaml"):
        study = str(Path(study).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = ("run", study, "--profile", arguments.profile, "-j", "1")
        wall = timed(folder, *run)
        n_runs, engine = engine_seconds(folder / "runs")
        again = timed(folder, *run)
        help_s = min(timed(folder, "--help") for _ in range(5))
    print(f"first run, one worker   {wall:8.1f} s")
    print(f"engine, {n_runs:3d} processes   {engine:8.1f} s")
    print(f"overhead                {(wall - engine) / engine:8.1%}")
    print(f"second run              {again:8.1f} s")
    print(f"--help, best of five    {help_s:8.2f} s")


if __name__ == "__main__":
    main()
