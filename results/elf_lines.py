"""The electron localization function along bonds and in planes of a molecule."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..structures.errors import InputError, RunError
from .records import Floats, Run
from .requests import ElfLineRequest
from .values import Value

_POINTS = 61  # along a bond
_MIDDLE = (0.3, 0.7)  # of a bond: clear of the cores, where the function has other shells
_PIXEL = 0.1  # Angstrom, of a slice
_MARGIN = 2.0  # Angstrom around the atoms of the plane
_NEAR = 0.8  # Angstrom: atoms this near a slice are drawn on it


def elf_line_values(run: Run, request: ElfLineRequest) -> list[Value]:
    """Return the lowest ELF in the middle of each bond; the whole line is in the detail.

    A covalent bond has 0.5 or more all along its middle, a broken one drops to near 0.

    Raises
    ------
    RunError
        The run has no ELF of a molecule.
    InputError
        An atom is not there, or is named twice.
    """
    values = []
    for name, pair in request.bonds.items():
        share, line, length = elf_line(run, pair)
        middle = (share >= _MIDDLE[0]) & (share <= _MIDDLE[1])
        values.append(
            Value(
                quantity=f"lowest ELF between {name}",
                unit="",
                value=float(line[middle].min()),
                detail={
                    "length": length,
                    "line": [round(float(v), 4) for v in line],
                    "plane": list(request.plane),
                    "bond": name,
                },
                notes=(f"over the middle {_MIDDLE[1] - _MIDDLE[0]:.0%} of {length:.3f} Angstrom",),
            )
        )
    return values


def elf_line(run: Run, pair: tuple[int, int]) -> tuple[Floats, Floats, float]:
    """Return share of the way (0 to 1), ELF there, and length in Angstrom between two atoms."""
    _check_atoms(run, pair)
    structure = run.structure
    length, image = structure[pair[0]].distance_and_image(structure[pair[1]])
    ends = structure.frac_coords[pair[0]], structure.frac_coords[pair[1]] + image
    share = np.linspace(0.0, 1.0, _POINTS)
    return share, elf_at(run, ends[0] + share[:, None] * (ends[1] - ends[0])), float(length)


def elf_at(run: Run, fractions: Floats) -> Floats:
    """Return the ELF at fractional coordinates, (..., 3); linear between the stored points."""
    from scipy.ndimage import map_coordinates  # slow to import

    if run.elf is None or run.elf.coarse is None:
        raise RunError(
            f"{run.folder} has no ELF of a molecule in a box: run it as task elf, with 6 Angstrom "
            "of vacuum on all sides."
        )
    grid = run.elf.coarse
    places = np.moveaxis(fractions * np.array(grid.shape), -1, 0)
    found: Floats = map_coordinates(grid, places, order=1, mode="grid-wrap")
    return found


def _check_atoms(run: Run, atoms: tuple[int, ...]) -> None:
    n = len(run.structure)
    if len(set(atoms)) < len(atoms) or not all(0 <= i < n for i in atoms):
        raise InputError(f"{atoms} are not different atoms of {run.folder}, which has 0 to {n - 1}")


@dataclass(frozen=True, kw_only=True)
class ElfSlice:
    """The function in a plane through three atoms."""

    across: Floats  # (n,) Angstrom from the first atom, towards the second
    up: Floats  # (m,) Angstrom, towards the third
    values: Floats  # (m, n)
    atoms: pd.DataFrame  # symbol, across, up of the atoms near the plane

    def frame(self) -> pd.DataFrame:
        """Return the sampled points: columns across, up, elf."""
        across, up = np.meshgrid(self.across, self.up)
        columns = {"across": across.ravel(), "up": up.ravel(), "elf": self.values.ravel()}
        return pd.DataFrame(columns)


def elf_slice(run: Run, plane: tuple[int, int, int], half_width: float | None = None) -> ElfSlice:
    """Return the ELF in the plane of three atoms.

    Parameters
    ----------
    run
        With the ELF of a molecule in a box.
    plane
        Atoms; the plane's axes run from the first to the second, and towards the third.
    half_width
        Of the square that is shown, around the middle of the three; Angstrom. By default as
        much as holds them and a margin.

    Raises
    ------
    RunError
        The run has no ELF, or the atoms are on a line.
    """
    _check_atoms(run, plane)
    matrix = np.asarray(run.structure.lattice.matrix)
    positions = _around(run, plane[0])
    first, second, third = (positions[i] for i in plane)
    e1 = (second - first) / np.linalg.norm(second - first)
    e2 = (third - first) - ((third - first) @ e1) * e1
    if np.linalg.norm(e2) < 0.05:
        raise RunError(f"{run.folder}: atoms {plane} are on a line, which makes no plane")
    e2 /= np.linalg.norm(e2)
    flat = np.stack([(positions - first) @ e1, (positions - first) @ e2], axis=1)
    middle = (flat[list(plane)].min(axis=0) + flat[list(plane)].max(axis=0)) / 2
    reach = float(np.abs(flat[list(plane)] - middle).max()) + _MARGIN
    side = np.arange(-(half_width or reach), (half_width or reach) + _PIXEL / 2, _PIXEL)
    across, up = middle[0] + side, middle[1] + side
    points = first + across[None, :, None] * e1 + up[:, None, None] * e2
    values = elf_at(run, points @ np.linalg.inv(matrix))
    near = np.abs((positions - first) @ np.cross(e1, e2)) < _NEAR
    return ElfSlice(
        across=across, up=up, values=values, atoms=_atoms_in(run, flat, near, (across, up))
    )


def _around(run: Run, centre: int) -> Floats:
    """Return Cartesian positions, each atom at its image nearest to one of them."""
    fractions = run.structure.frac_coords
    away = fractions - fractions[centre]
    positions: Floats = (fractions[centre] + away - np.round(away)) @ np.asarray(
        run.structure.lattice.matrix
    )
    return positions


def _atoms_in(
    run: Run, flat: Floats, near: NDArray[np.bool_], sides: tuple[Floats, Floats]
) -> pd.DataFrame:
    inside = near.copy()
    for column, side in enumerate(sides):
        inside &= (flat[:, column] >= side[0]) & (flat[:, column] <= side[-1])
    rows = [
        {"symbol": run.structure[int(i)].specie.symbol, "across": flat[i, 0], "up": flat[i, 1]}
        for i in np.flatnonzero(inside)
    ]
    return pd.DataFrame(rows, columns=["symbol", "across", "up"])
