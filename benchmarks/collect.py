"""``heterofire collect`` of a folder of VASP runs beside pymatgen alone on the same files.

    python benchmarks/collect.py $HETEROFIRE_VASP_CORPUS

pymatgen reads each vasprun.xml and OUTCAR of the runs that collect takes in (Vasprun and Outcar,
defaults), one after the other in one process, and keeps nothing. collect finds them, hashes, reads,
checks the two files against each other, encodes and stores them in a new SQLite file: in the same
process (j 0), and with the processes of -j. MB are those of the unpacked files. Every round runs
all ways; the fastest of each counts. Ratios above 1 are in our favour.
"""

import argparse
import gzip
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from pymatgen.io.vasp.outputs import Outcar, Vasprun

from heterofire.launchers.ingesting import collect_folders
from heterofire.results.run_discovery import Candidate, find_runs
from heterofire.results.store import ResultStore


def taken_files(folder: Path) -> list[Path]:
    """Return every vasprun.xml and OUTCAR of the runs that collect takes in."""
    with tempfile.TemporaryDirectory() as scratch, ResultStore.open(f"{scratch}/r.db") as store:
        taken = {item.name for item in collect_folders(store, [folder]).taken}
    found = [item for item in find_runs([folder]) if isinstance(item, Candidate)]
    files = [path for item in found if item.name in taken for path in item.files]
    return [path for path in files if path.name.startswith(("vasprun", "OUTCAR"))]


def unpacked(path: Path) -> int:
    """Return the bytes of a file without its compression."""
    data = path.read_bytes()
    return len(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


def by_pymatgen(files: Sequence[Path]) -> None:
    """Read every file; what pymatgen cannot read takes the time until it says so."""
    for path in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                if path.name.startswith("OUTCAR"):
                    Outcar(str(path))
                else:
                    Vasprun(str(path), parse_potcar_file=False)
            except Exception as error:
                print(f"pymatgen: {path}: {type(error).__name__}: {error}", file=sys.stderr)


def by_collect(folder: Path, n_workers: int) -> None:
    """Collect into a new database."""
    with tempfile.TemporaryDirectory() as scratch, ResultStore.open(f"{scratch}/r.db") as store:
        collect_folders(store, [folder], n_workers=n_workers)


def seconds_of(work: Callable[[], None]) -> float:
    """Return the wall time of a piece of work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    """Print one line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    corpus = os.environ.get("HETEROFIRE_VASP_CORPUS")
    parser.add_argument("folder", type=Path, nargs="?" if corpus else None, default=corpus)
    parser.add_argument("-j", type=int, default=2, help="processes")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    folder = Path(args.folder)
    files = taken_files(folder)
    megabytes = sum(unpacked(path) for path in files) / 1e6
    ways: dict[str, Callable[[], None]] = {
        "pymatgen alone": lambda: by_pymatgen(files),
        "collect, j 0": lambda: by_collect(folder, 0),
        f"collect, j {args.j}": lambda: by_collect(folder, args.j),
    }
    seconds = {way: float("inf") for way in ways}
    for _ in range(args.rounds):
        for way, work in ways.items():
            seconds[way] = min(seconds[way], seconds_of(work))
    print(f"{len(files)} files of runs that were taken in, {megabytes:.1f} MB unpacked")
    for way, least in seconds.items():
        ratio = seconds["pymatgen alone"] / least
        print(f"{way:16s} {least:7.2f} s  {megabytes / least:6.1f} MB/s  ratio {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
