"""What ``heterofire bader`` does."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..results.bader import ALGORITHMS
from ..results.bader_folder import charges_of, load_bader_input
from ..results.bader_tables import bader_frame, format_acf
from ..results.records import BaderCharges
from ..results.tables import to_text
from ..structures.errors import InputError
from ..structures.files import write_atomic

_UNITS = (
    "electrons in e; gained: electrons gained, positive; net charge in e = -gained; volume in "
    "Angstrom^3; distance: nucleus to surface in Angstrom; moment in Bohr magnetons"
)


def print_bader(
    folder: Path,
    algorithms: Sequence[str],
    *,
    reference: Path | None,
    vacuum: float | None,
    acf: Path | None,
    as_json: bool,
) -> None:
    """Print the Bader charges of a run folder, and write ACF.dat where asked."""
    if acf is not None and len(algorithms) > 1:
        raise InputError("ACF.dat holds one algorithm: name one with --algorithm")
    for name in algorithms:
        if name not in ALGORITHMS:
            raise InputError(f"no Bader algorithm {name!r}: choose of {', '.join(ALGORITHMS)}")
    found = load_bader_input(folder, reference=reference)
    results = charges_of(found, algorithms, vacuum_density=vacuum)
    structure = found.structure
    frame = bader_frame(structure, results)
    first = results[0]
    about = {
        "folder": str(folder),
        "reference": first.reference,
        "grid": list(first.grid),
        "vacuum": {r.algorithm: [r.vacuum_electrons, r.vacuum_volume] for r in results},
        "notes": {r.algorithm: list(r.notes) for r in results},
        "electrons": {r.algorithm: float(r.electrons.sum() + r.vacuum_electrons) for r in results},
    }
    if as_json:
        rows = json.loads(frame.to_json(orient="records", double_precision=10))
        print(json.dumps({**about, "units": _UNITS, "atoms": rows}, indent=1))
    else:
        print(to_text(frame.dropna(axis="columns", how="all")))
        print("\n".join(_remarks(results)))
    if acf is not None:
        print(f"written: {write_atomic(acf, format_acf(structure, first))}", file=sys.stderr)


def _remarks(results: Sequence[BaderCharges]) -> list[str]:
    """Return what the table cannot say: units, totals, where the volumes come from, doubts."""
    first = results[0]
    lines = [_UNITS, f"volumes of {first.reference} on {'x'.join(map(str, first.grid))} points"]
    if first.net is None:
        lines.append("no gained and net charges: nothing in the folder gives ZVAL")
    for result in results:
        total = result.electrons.sum() + result.vacuum_electrons
        lines.append(
            f"{result.algorithm}: {total:.4f} electrons, of which {result.vacuum_electrons:.4f} "
            f"in {result.vacuum_volume:.2f} Angstrom^3 of vacuum"
        )
        lines += [f"{result.algorithm}: {note}" for note in result.notes]
    return lines
