"""POSCAR and CONTCAR with VASP's own atom order, flags and unwrapped coordinates.

pymatgen reads these files as well, but needs 0.8 s to start: longer than many runs take.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...structures.errors import InputError
from .potentials import FloatArray


@dataclass(frozen=True, kw_only=True)
class Poscar:
    """A cell with atoms in the order of the file."""

    comment: str
    lattice: FloatArray  # (3, 3) rows, Angstrom
    symbols: tuple[str, ...]  # one per atom
    fractional: FloatArray  # (n_atoms, 3), not wrapped
    movable: NDArray[np.bool_] | None  # (n_atoms, 3) along the lattice vectors; None: all free

    @property
    def positions(self) -> FloatArray:
        """Return Cartesian positions (n_atoms, 3) in Angstrom."""
        return self.fractional @ self.lattice

    @property
    def species(self) -> list[tuple[str, int]]:
        """Return the blocks of the file: element and number of atoms."""
        return [(symbol, len(list(block))) for symbol, block in groupby(self.symbols)]

    @property
    def volume(self) -> float:
        """Return the volume of the cell in Angstrom^3."""
        return float(abs(np.linalg.det(self.lattice)))


def read_poscar(path: Path) -> Poscar:
    """Return the cell of a POSCAR in VASP 5 format.

    Raises
    ------
    InputError
        The file is missing or a line of it is not what the format wants; names the line.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    numbered = iter(enumerate(lines, start=1))
    where = 0
    try:
        where, comment = next(numbered)
        where, scale = next(numbered)
        lattice = np.empty((3, 3))
        for i in range(3):
            where, line = next(numbered)
            lattice[i] = [float(word) for word in line.split()[:3]]
        factor = _scale(scale, lattice)
        where, symbols = next(numbered)
        where, counts = next(numbered)
        atoms = _atoms(symbols.split(), [int(word) for word in counts.split()])
        return _read_sites(numbered, comment, lattice, factor, atoms)
    except StopIteration:
        raise InputError(f"{path} ends too early, after line {where}") from None
    except (ValueError, IndexError, np.linalg.LinAlgError) as error:
        raise InputError(f"{path} is not a VASP 5 POSCAR near line {where}: {error}") from error


def _read_sites(
    numbered: Iterator[tuple[int, str]],
    comment: str,
    lattice: FloatArray,
    factor: float,
    atoms: list[str],
) -> Poscar:
    """Return the cell with the block of coordinates read; the factor scales Cartesian ones too."""
    _, mode = next(numbered)
    selective = mode.strip()[:1].lower() == "s"
    if selective:
        _, mode = next(numbered)
    cartesian = mode.strip()[:1].lower() in {"c", "k"}
    sites = np.empty((len(atoms), 3))
    movable = np.ones((len(atoms), 3), dtype=bool)
    for i in range(len(atoms)):
        number, line = next(numbered)
        words = line.split()
        try:
            sites[i] = [float(word) for word in words[:3]]
            if selective:
                movable[i] = [_flag(word) for word in words[3:6]]
        except ValueError as error:
            raise ValueError(f"line {number}: {line.strip()!r} ({error})") from error
    if not np.isfinite(sites).all():
        raise ValueError("a coordinate is not a finite number")
    return Poscar(
        comment=comment.strip(),
        lattice=lattice * factor,
        symbols=tuple(atoms),
        fractional=sites @ np.asarray(np.linalg.inv(lattice)) if cartesian else sites,
        movable=movable if selective else None,
    )


def _scale(text: str, lattice: FloatArray) -> float:
    """Return the factor on the lattice; a negative number in the file is the volume."""
    value = float(text.split(maxsplit=1)[0])
    if value > 0:
        return value
    return float((-value / abs(np.linalg.det(lattice))) ** (1 / 3))


def _atoms(symbols: list[str], counts: list[int]) -> list[str]:
    """Return one element per atom."""
    if len(symbols) != len(counts) or any(not s[:1].isalpha() for s in symbols):
        raise ValueError(f"elements {symbols} do not fit the counts {counts}")
    # VASP 6 appends a hash of the POTCAR to the element: Mo_pv/0123
    names = [symbol.split("/")[0].split("_")[0] for symbol in symbols]
    return [name for name, n in zip(names, counts, strict=True) for _ in range(n)]


def _flag(word: str) -> bool:
    """Return a Fortran logical."""
    letter = word.strip(".").upper()[:1]
    if letter not in {"T", "F"}:
        raise ValueError(f"{word!r} is neither T nor F")
    return letter == "T"


def format_poscar(poscar: Poscar, positions: FloatArray) -> str:
    """Return the text of a CONTCAR for new Cartesian positions (n_atoms, 3) in Angstrom."""
    fractional = np.linalg.solve(poscar.lattice.T, positions.T).T
    lines = [poscar.comment, "   1.00000000000000"]
    lines += ["".join(f" {x:21.16f}" for x in vector) for vector in poscar.lattice]
    lines.append(" ".join(f"{symbol:>5}" for symbol, _ in poscar.species))
    lines.append(" ".join(f"{n:>5}" for _, n in poscar.species))
    if poscar.movable is not None:
        lines.append("Selective dynamics")
    lines.append("Direct")
    for i, site in enumerate(fractional):
        flags = "" if poscar.movable is None else _flags(poscar.movable[i])
        lines.append("".join(f" {x:19.16f}" for x in site) + flags)
    return "\n".join(lines) + "\n"


def _flags(movable: NDArray[np.bool_]) -> str:
    """Return the three flags of one atom."""
    return "".join("   T" if free else "   F" for free in movable)


def unwrapped(images: Sequence[Poscar]) -> list[Poscar]:
    """Return the images with every atom followed through the cell walls.

    An atom at 0.99 in one image and 0.01 in the next moves by 0.02, not by 0.98.
    """
    result = [images[0]]
    for image in images[1:]:
        jump = np.round(image.fractional - result[-1].fractional)
        result.append(replace(image, fractional=image.fractional - jump))
    return result
