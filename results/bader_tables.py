"""Bader charges as a table, as JSON rows, and as Henkelman's ACF.dat."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pymatgen.core import Structure

from .records import BaderCharges


def bader_frame(structure: Structure, results: Sequence[BaderCharges]) -> pd.DataFrame:
    """Return one row per atom and algorithm.

    Returns
    -------
    pandas.DataFrame
        Columns atom, algorithm, electrons, gained (e, electrons gained positive), net (e, its
        negative), volume (Angstrom^3), distance (Angstrom, nucleus to surface) and moment (Bohr
        magnetons, NaN without spin).
    """
    rows: list[dict[str, Any]] = []
    for result in results:
        for i, site in enumerate(structure):
            net = None if result.net is None else float(result.net[i])
            rows.append(
                {
                    "atom": f"{site.specie}{i + 1}",
                    "algorithm": result.algorithm,
                    "electrons": float(result.electrons[i]),
                    "gained": None if net is None else -net,
                    "net": net,
                    "volume": float(result.volumes[i]),
                    "distance": float(result.distances[i]),
                    "moment": None if result.moments is None else float(result.moments[i]),
                }
            )
    numbers = ["electrons", "gained", "net", "volume", "distance", "moment"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, "float64"))


def format_acf(structure: Structure, result: BaderCharges) -> str:
    """Return the text of an ACF.dat, column by column like that of Henkelman's program."""
    line = "-" * 80
    rows = [
        f"{i:5d}" + "".join(f" {x:11.4f}" for x in site.coords) + f" {e:12.6f} {d:11.6f} {v:12.6f}"
        for i, (site, e, d, v) in enumerate(
            zip(structure, result.electrons, result.distances, result.volumes, strict=True),
            start=1,
        )
    ]
    total = float(result.electrons.sum()) + result.vacuum_electrons
    return "\n".join(
        [
            "    #         X           Y           Z       CHARGE      MIN DIST   ATOMIC VOL",
            f" {line}",
            *rows,
            f" {line}",
            f"    VACUUM CHARGE:     {result.vacuum_electrons:14.4f}",
            f"    VACUUM VOLUME:     {result.vacuum_volume:14.4f}",
            f"    NUMBER OF ELECTRONS: {total:12.4f}",
            "",
        ]
    )
