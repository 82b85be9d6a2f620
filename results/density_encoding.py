"""What was taken from densities, as database columns and arrays, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pymatgen.core import Structure

from .records import BaderCharges, DensityDifference, ElfProfile, Floats, Run

Arrays = dict[str, Floats]

_BADER_ARRAYS = ("electrons", "net", "volumes", "distances", "moments")
_DIFFERENCE_ARRAYS = ("z", "joint", "delta", "integrated", "coarse")


def encode_charges(run: Run) -> tuple[dict[str, Any], Arrays]:
    """Return details and arrays of a run's Bader charges and electron localization function."""
    arrays: Arrays = {}
    details: dict[str, Any] = {}
    if run.bader:
        details["bader"] = [_plain_fields(bader) for bader in run.bader]
    for bader in run.bader:
        for name in _BADER_ARRAYS:
            if getattr(bader, name) is not None:
                arrays[f"bader.{bader.algorithm}.{name}"] = getattr(bader, name)
    if run.elf is not None:
        details["elf"] = {"grid": list(run.elf.grid)}
        arrays |= {f"elf.{name}": getattr(run.elf, name) for name in ("z", "mean", "largest")}
        if run.elf.coarse is not None:
            arrays["elf.coarse"] = run.elf.coarse
    return details, arrays


def _plain_fields(bader: BaderCharges) -> dict[str, Any]:
    """Return everything of Bader charges that is not an array."""
    return {f.name: getattr(bader, f.name) for f in fields(bader) if f.name not in _BADER_ARRAYS}


def decode_bader(
    details: Mapping[str, Any], arrays: Mapping[str, Floats]
) -> tuple[BaderCharges, ...]:
    """Return the Bader charges that `encode_charges` put away."""
    found = []
    for plain in details.get("bader", ()):
        values = {name: arrays.get(f"bader.{plain['algorithm']}.{name}") for name in _BADER_ARRAYS}
        tuples = {name: tuple(plain[name]) for name in ("grid", "notes")}
        found.append(BaderCharges(**{**plain, **tuples, **values}))
    return tuple(found)


def decode_elf(details: Mapping[str, Any], arrays: Mapping[str, Floats]) -> ElfProfile | None:
    """Return the electron localization function that `encode_charges` put away."""
    if "elf" not in details:
        return None
    values = {name: arrays[f"elf.{name}"] for name in ("z", "mean", "largest")}
    n1, n2, n3 = details["elf"]["grid"]
    return ElfProfile(grid=(n1, n2, n3), coarse=arrays.get("elf.coarse"), **values)


def encode_difference(record: DensityDifference) -> tuple[dict[str, Any], Arrays]:
    """Return details and arrays of a density difference."""
    details = {
        "fragments": {name: list(atoms) for name, atoms in record.fragments.items()},
        "planes": list(record.planes),
        "grid": list(record.grid),
    }
    return details, {f"difference.{name}": getattr(record, name) for name in _DIFFERENCE_ARRAYS}


def decode_difference(
    shared: Mapping[str, Any],
    structure: Structure,
    details: Mapping[str, Any],
    arrays: Mapping[str, Floats],
) -> DensityDifference:
    """Return the density difference that `encode_difference` put away."""
    n1, n2, n3 = details["grid"]
    values: dict[str, Any] = {name: arrays[f"difference.{name}"] for name in _DIFFERENCE_ARRAYS}
    return DensityDifference(
        **shared,
        structure=structure,
        fragments={name: tuple(atoms) for name, atoms in details["fragments"].items()},
        planes=tuple(details["planes"]),
        grid=(n1, n2, n3),
        **values,
    )
