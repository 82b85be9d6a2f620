"""All figures of all studies, redrawn from the database alone.

    python benchmarks/figures.py playground/results.db other/results.db

Each database is copied into an empty folder, so that no run folder is near. One process draws
all figures of a study, as a user would; a second one draws them again, and the bytes have to agree.
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HETEROFIRE = [sys.executable, "-m", "heterofire.launchers.cli"]
LIMIT_S = 20.0  # for all of them


def copy_of(database: Path, folder: Path) -> Path:
    """Return a copy of a database that others may be writing to."""
    folder.mkdir()
    target = folder / "results.db"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as source:
        with sqlite3.connect(target) as copy:
            source.backup(copy)
        copy.close()
    source.close()
    return target


def studies(database: Path) -> list[tuple[str, str, str]]:
    """Return study, profile and engine of all properties."""
    with sqlite3.connect(database) as connection:
        query = "SELECT DISTINCT study, profile, engine FROM properties ORDER BY 1, 2, 3"
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def draw(folder: Path, about: tuple[str, str, str], output: str) -> tuple[float, float]:
    """Return the wall and processor time of drawing all figures of a study."""
    study, profile, engine = about
    command = [*HETEROFIRE, "figure", study, "--profile", profile, "--engine", engine, "-o", output]
    begin, before = time.monotonic(), processor_s()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - begin, processor_s() - before


def processor_s() -> float:
    """Return the processor time of all processes that this one has started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "HETEROFIRE_DB"}


def rows(databases: list[Path], scratch: Path) -> Iterator[dict[str, object]]:
    """Draw each study twice and return what it took."""
    for i, database in enumerate(databases):
        folder = scratch / str(i)
        copy = copy_of(database, folder)
        for about in studies(copy):
            times = [draw(folder, about, output) for output in ("first", "second")]
            files = sorted(path.name for path in (folder / "first").iterdir())
            same = [(folder / k / name).read_bytes() for name in files for k in ("first", "second")]
            yield {
                "study": about[0],
                "figures": len({name.split(".")[0] for name in files}),
                "seconds": [round(wall, 2) for wall, _ in times],
                "of a processor": [round(cpu, 2) for _, cpu in times],
                "same bytes": same[::2] == same[1::2],
                "MB of database": round(copy.stat().st_size / 1e6, 1),
            }


def main() -> int:
    """Print one line for each study, the sum last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("databases", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="heterofire-figures-") as scratch:
        found = []
        for row in rows(args.databases, Path(scratch)):
            found.append(row)
            print(json.dumps(row), file=sys.stderr if args.json else sys.stdout, flush=True)
    total = sum(max(row["seconds"]) for row in found)
    good = total < LIMIT_S and all(row["same bytes"] for row in found)
    if args.json:
        print(json.dumps({"studies": found, "total_s": total, "limit_s": LIMIT_S, "good": good}))
    else:
        print(f"all figures in {total:.1f} s (at most {LIMIT_S:g} s): {'good' if good else 'BAD'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
