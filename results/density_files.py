"""Densities written in the format of CHGCAR, which VESTA, pymatgen and Bader programs read."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Site, Structure

from ..structures.errors import RunError
from ..structures.files import atomic_stream
from .records import Floats

_PER_LINE = 5
_WIDTH, _DIGITS = 18, 12  # characters of a value, and digits of a positive one
_CHUNK = 50_000  # values formatted at a time; a multiple of the line
_TINY = 1e-99


def write_density(path: str | Path, head: str, *blocks: Floats) -> Path:
    r"""Write a density, and a spin density after it where one is given.

    Parameters
    ----------
    path
        CHGCAR, AECCAR0, ELFCAR, CHGDIFF.vasp ...; it is there whole or not at all.
    head
        Text of a POSCAR without selective dynamics: comment, cell, atoms.
    *blocks
        (n1, n2, n3) each: density times cell volume in electrons (the ELF as it is). The second
        one is up minus down.

    Raises
    ------
    RunError
        A value is not finite.
    HeteroError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> head = "H\n1.0\n4 0 0\n0 4 0\n0 0 4\nH\n1\nDirect\n0 0 0\n"
    >>> path = write_density(tempfile.mkdtemp() + "/CHGCAR", head, np.ones((2, 1, 1)))
    >>> path.read_text().splitlines()[-2:]
    ['    2    1    1', ' 1.00000000000E+00 1.00000000000E+00']
    """
    path = Path(path)
    for values in blocks:
        if not np.isfinite(values).all():
            raise RunError(f"{path}: NaN or infinity in the density; it was not written.")
    with atomic_stream(path) as stream:
        stream.write(head.rstrip("\n").encode() + b"\n\n")
        for values in blocks:
            stream.write("".join(f"{n:5d}" for n in values.shape).encode() + b"\n")
            for text in _lines(values):
                stream.write(text)
    return path


def poscar_head(structure: Structure, comment: str) -> str:
    """Return a structure as VASP heads its densities: no labels, no selective dynamics.

    Atoms of one element that do not follow each other make blocks of their own.
    """
    blocks = [(symbol, len(list(group))) for symbol, group in groupby(structure, _symbol)]
    lines = [comment.replace("\n", " "), "   1.00000000000000"]
    lines += ["".join(f" {x:21.16f}" for x in vector) for vector in structure.lattice.matrix]
    lines.append(" ".join(f"{symbol:>5}" for symbol, _ in blocks))
    lines.append(" ".join(f"{n:>5}" for _, n in blocks))
    lines.append("Direct")
    lines += ["".join(f" {x:19.16f}" for x in site.frac_coords) for site in structure]
    return "\n".join(lines) + "\n"


def _symbol(site: Site) -> str:
    return str(site.specie.symbol)


def _lines(values: Floats) -> Iterator[bytes]:
    """Yield the values, first index fastest, five in a line, each 18 characters wide.

    Some readers count characters: a negative number gives a digit for its sign, as in VASP, and
    what needs three digits in the exponent is 0.
    """
    flat = values.ravel(order="F")
    for start in range(0, len(flat), _CHUNK):
        cells = _cells(flat[start : start + _CHUNK])
        n_whole = len(cells) // _PER_LINE * _PER_LINE
        rows = cells[:n_whole].reshape(-1, _PER_LINE * _WIDTH)
        yield np.column_stack([rows, np.full(len(rows), ord("\n"), np.uint8)]).tobytes()
        if n_whole < len(cells):
            yield cells[n_whole:].tobytes() + b"\n"


def _cells(values: Floats) -> NDArray[np.uint8]:
    """Return values (n,) as text (n, 18): " 1.23456789012E-03" or " -1.2345678901E-03".

    Digit by digit for all values at once, a fifth of the time of Python's own formatting.
    """
    is_zero = np.abs(values) < _TINY
    sizes = np.where(is_zero, 1.0, np.abs(values))
    is_negative = (values < 0) & ~is_zero
    whole, exponents = _mantissas(sizes, _DIGITS - is_negative)
    whole[is_zero] = 0
    cells = np.empty((len(values), _WIDTH), np.uint8)
    cells[:] = np.frombuffer(b" 0.00000000000E+00", np.uint8)
    for column in range(_WIDTH - 5, 3, -1):  # the digits at the same place for both signs
        whole, cells[:, column] = _last_digit(whole)
    whole, third = _last_digit(whole)
    first = _last_digit(whole)[1]
    cells[:, 1] = np.where(is_negative, ord("-"), first)
    cells[:, 2] = np.where(is_negative, third, ord("."))
    cells[:, 3] = np.where(is_negative, ord("."), third)
    cells[:, -3] = np.where(exponents < 0, ord("-"), ord("+"))
    tens, cells[:, -1] = _last_digit(np.abs(exponents))
    cells[:, -2] = _last_digit(tens)[1]
    return cells


def _mantissas(
    sizes: Floats, n_digits: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the leading digits of positive numbers as whole numbers, and their exponents."""
    exponents = np.floor(np.log10(sizes)).astype(np.int64)
    scaled = sizes * 10.0 ** (n_digits - 1 - exponents)
    exponents += (np.rint(scaled) >= 10.0**n_digits).astype(np.int64)  # 9.99... becomes 10
    exponents -= (np.rint(scaled) < 10.0 ** (n_digits - 1)).astype(np.int64)
    return np.rint(sizes * 10.0 ** (n_digits - 1 - exponents)).astype(np.int64), exponents


def _last_digit(whole: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what is before the last digit, and that digit's character."""
    before = whole // 10
    return before, whole - 10 * before + ord("0")
