"""The vacuum level: the potential far from every atom, from LOCPOT or by an engine's definition."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ..structures.errors import RunError
from .records import Floats
from .run_files import find_file, read_chunks

# Angstrom from the nearest atom: densities, and with them the exchange-correlation potential, have
# died away there (LVHAR leaves it out of LOCPOT anyway); what is left is electrostatic.
_FAR = 5.0
_SOME = 3.0  # Angstrom; a cell that leaves no point farther away has no vacuum
_RIM = 0.5  # Angstrom: where no point is _FAR away, those within this of the farthest one are taken
_STEP = 0.3  # Angstrom between the points looked at; the potential is smooth out there
_SPACE = b" \t\r\n"
_BLANK_LINE = re.compile(rb"\n[ \t]*\n")


@dataclass(frozen=True, kw_only=True)
class VacuumLevel:
    """A potential energy of electrons far from all atoms, on the scale of the eigenvalues."""

    level: float  # eV
    spread: float  # eV, standard deviation over the points it is the mean of


@dataclass(frozen=True, kw_only=True)
class ThinnedPotential:
    """LOCPOT at every few grid points."""

    structure: Structure
    values: Floats  # (m1, m2, m3) in eV
    fractions: tuple[Floats, Floats, Floats]  # of the points along each lattice vector


def find_vacuum_level(
    folder: Path, report: Mapping[str, Any] | None
) -> tuple[VacuumLevel | None, tuple[str, ...]]:
    """Return the vacuum level of a run, and notes; None where nothing tells.

    Parameters
    ----------
    folder
        Searched for LOCPOT, plain or gzip (LVHAR = .TRUE.).
    report
        The engine's ``engine.json``; its ``vacuum_level_ev`` is exact.

    Returns
    -------
    tuple
        A LOCPOT that cannot be read costs the vacuum level and gives a note, not the run.

    Examples
    --------
    >>> find_vacuum_level(Path("no such folder"), {"vacuum_level_ev": 0.0})
    (VacuumLevel(level=0.0, spread=0.0), ())
    """
    if report is not None:
        found = report.get("vacuum_level_ev")
        return (None if found is None else VacuumLevel(level=float(found), spread=0.0)), ()
    path = find_file(folder, "LOCPOT")
    if path is None:
        return None, ()
    try:
        return vacuum_level(read_locpot(path)), ()
    except RunError as error:
        return None, (f"no vacuum level: {error}",)


def vacuum_level(potential: ThinnedPotential) -> VacuumLevel | None:
    """Return mean and spread of the potential far from all atoms; None in a cell without vacuum."""
    from scipy.spatial import cKDTree  # slow to import, and of few runs

    grids = np.meshgrid(*potential.fractions, indexing="ij")
    lattice = potential.structure.lattice.matrix
    points = np.stack(grids, axis=-1).reshape(-1, 3) @ lattice
    distances = np.asarray(cKDTree(_with_images(potential.structure)).query(points)[0])
    farthest = float(distances.max())
    if farthest < _SOME:
        return None
    chosen = potential.values.reshape(-1)[distances >= min(_FAR, farthest - _RIM)]
    return VacuumLevel(level=float(chosen.mean()), spread=float(chosen.std()))


def _with_images(structure: Structure) -> Floats:
    """Return the atoms and those of their images that may be the nearest, Cartesian."""
    fractions = structure.frac_coords % 1.0
    heights = 1 / np.linalg.norm(np.linalg.inv(structure.lattice.matrix), axis=0)
    margin = (_FAR + 1.0) / heights
    reach = [range(-math.ceil(m), math.ceil(m) + 1) for m in margin]
    shifts = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (fractions[None] + shifts[:, None]).reshape(-1, 3)
    near = ((images > -margin) & (images < 1 + margin)).all(axis=1)
    cartesian: Floats = images[near] @ structure.lattice.matrix
    return cartesian


def read_locpot(path: str | Path) -> ThinnedPotential:
    """Return the potential of a LOCPOT at points about 0.3 Angstrom apart.

    The file is read once from end to end and never held as a whole. Where it has two blocks
    (spin), the first is taken: without exchange and correlation they are the same.

    Raises
    ------
    RunError
        The file is cut or damaged, or holds NaN or ``****``.

    Examples
    --------
    >>> read_locpot("LOCPOT.missing")
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: LOCPOT.missing: cannot be read: No such file ...
    """
    path = Path(path)
    reader = _Reader(path)
    for chunk in read_chunks(path):
        reader.feed(chunk)
    return reader.finish()


class _Reader:
    """Takes a LOCPOT chunk by chunk and keeps every few of its values."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._structure: Structure | None = None
        self._kept: list[Floats] = []
        self._n_read = 0
        self._grid = (0, 0, 0)
        self._strides = (1, 1, 1)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        text = self._rest + chunk
        if self._structure is None:
            self._rest = text
            self._take_head()
            return
        cut = max(text.rfind(bytes([c])) for c in _SPACE) + 1
        self._rest = text[cut:]
        self._take_values(text[:cut])

    def finish(self) -> ThinnedPotential:
        """Return what was kept; the last number needs no space behind it."""
        if self._structure is None:
            self._take_head(is_whole=True)
        self._take_values(self._rest)
        wanted = math.prod(self._grid)
        if self._structure is None or not wanted or self._n_read < wanted:
            raise self._damaged(f"{self._n_read} of {wanted} values")
        kept = tuple(np.arange(0, n, s) for n, s in zip(self._grid, self._strides, strict=True))
        n1, n2, n3 = (len(axis) for axis in kept)
        values = np.concatenate(self._kept).reshape((n1, n2, n3), order="F")
        f1, f2, f3 = (axis / n for axis, n in zip(kept, self._grid, strict=True))
        return ThinnedPotential(structure=self._structure, values=values, fractions=(f1, f2, f3))

    def _take_head(self, *, is_whole: bool = False) -> None:
        """Read cell, atoms and grid once all of them have come."""
        from pymatgen.io.vasp import Poscar  # slow to import

        head, *values = _BLANK_LINE.split(self._rest.replace(b"\r", b""), maxsplit=1)
        line, newline, rest = b"".join(values).lstrip().partition(b"\n")
        if not newline and not is_whole:
            return
        try:
            structure = Poscar.from_str(head.decode("latin-1")).structure
            n1, n2, n3 = (int(word) for word in line.split())
        except (ValueError, IndexError, KeyError) as error:
            raise self._damaged(f"its head cannot be read ({error})") from error
        lengths = structure.lattice.abc
        self._structure, self._grid, self._rest = structure, (n1, n2, n3), b""
        s1, s2, s3 = (
            max(1, int(_STEP * n / length)) for n, length in zip(self._grid, lengths, strict=True)
        )
        self._strides = (s1, s2, s3)
        self.feed(rest)

    def _take_values(self, text: bytes) -> None:
        """Keep the values at every few points, first index fastest."""
        left = math.prod(self._grid) - self._n_read
        if left <= 0:
            return
        try:
            values = np.array(text.split()[:left], dtype=np.float64)
        except ValueError as error:
            raise self._damaged(f"not a number among its values ({error})") from error
        if not np.isfinite(values).all():
            raise self._damaged("NaN among its values")
        i, j, k = np.unravel_index(
            np.arange(self._n_read, self._n_read + len(values)), self._grid, order="F"
        )
        s1, s2, s3 = self._strides
        self._kept.append(values[(i % s1 == 0) & (j % s2 == 0) & (k % s3 == 0)])
        self._n_read += len(values)

    def _damaged(self, what: str) -> RunError:
        return RunError(
            f"{self._path}: the potential is cut or damaged: {what}. Run the calculation again."
        )
