"""Start a study's relaxations and bands where those of another result database ended.

    python benchmarks/start_from.py OTHER.db PROJECT

For what OTHER has and PROJECT/results.db lacks, PROJECT/runs gets folders that look like those of a
run that was interrupted with these positions; `heterofire run` goes on from them. The numbers are
all computed anew. Used where the engine's grid was made finer after most geometries were known.
"""

import argparse
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

CALCULATIONS = "SELECT key, folder, structure, initial_structure, incar FROM calculations"


def rows(path: Path, query: str) -> list[tuple]:
    """Return what a query finds in a database that is only read."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def places(folder: Path, ends: dict | list, starts: dict | list | None) -> Iterator[tuple]:
    """Yield each folder that needs positions, with its first and last structure."""
    if isinstance(ends, dict):
        yield folder, starts or ends, ends
        return
    for i, end in enumerate(ends):
        if 0 < i < len(ends) - 1:  # the end points of a band are relaxed runs of their own
            yield folder / f"{i:02d}", (starts or ends)[i], end


def main() -> None:
    """Write the folders and say how many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("project", type=Path)
    arguments = parser.parse_args()
    results = arguments.project / "results.db"
    known = set(rows(results, "SELECT key FROM calculations")) if results.exists() else set()
    n_written = 0
    for key, name, ends, starts, incar in rows(arguments.other, CALCULATIONS):
        folder = arguments.project / "runs" / Path(name).name
        if (key,) in known or folder.exists() or not json.loads(incar).get("NSW"):
            continue
        for place, first, last in places(folder, json.loads(ends), json.loads(starts or "null")):
            place.mkdir(parents=True)
            for file, structure in (("POSCAR", first), ("CONTCAR", last)):
                text = Poscar(Structure.from_dict(structure)).get_str(significant_figures=16)
                (place / file).write_text(text)
        n_written += 1
    print(f"{n_written} folders in {arguments.project / 'runs'}")


if __name__ == "__main__":
    main()
