"""Densities written in the format of CHGCAR, which VESTA, pymatgen and Bader programs read."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from pymatgen.core import Site, Structure

from ..structures.errors import RunError
from ..structures.files import atomic_stream
from .records import Floats

_PER_LINE = 5
_CHUNK = 200_000  # values formatted at a time; a multiple of the line
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
                stream.write(text.encode())
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


def _lines(values: Floats) -> Iterator[str]:
    """Yield the values, first index fastest, five in a line, each 17 characters wide.

    Some readers count characters: a negative number gives a digit for its sign, as in VASP, and
    what needs three digits in the exponent is 0.
    """
    flat = values.ravel(order="F")
    for start in range(0, len(flat), _CHUNK):
        chunk = flat[start : start + _CHUNK]
        chunk = np.where(np.abs(chunk) < _TINY, 0.0, chunk)
        cells = np.where(chunk < 0, " %.10E", " %.11E").tolist()
        rows = ("".join(cells[i : i + _PER_LINE]) for i in range(0, len(cells), _PER_LINE))
        yield ("\n".join(rows) + "\n") % tuple(chunk.tolist())
