"""Structure files: POSCAR, CIF and extended XYZ."""

import io
import os
from pathlib import Path

from pymatgen.core import Structure

from .errors import InputError
from .files import write_atomic

FORMATS = ("poscar", "cif", "extxyz")
_SUFFIXES = {
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".cif": "cif",
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
}
# What the readers of ASE and pymatgen raise on a file that is not what its name says.
_UNREADABLE = (
    ValueError,
    LookupError,
    AssertionError,
    OSError,
    StopIteration,
    AttributeError,
    TypeError,
    RuntimeError,
)
_NAMES = {"vasp": "poscar", "xyz": "extxyz"}


_FLAT = 1e-6  # of the product of the edges: a cell of less volume is none
_FULL = 1e-3  # occupancies of a site add up to 1 within this


def format_of(path: str | os.PathLike[str], fmt: str | None = None) -> str:
    """Return the format for a file, by its name unless one is given.

    Examples
    --------
    >>> format_of("runs/POSCAR"), format_of("a.cif"), format_of("a.vasp")
    ('poscar', 'cif', 'poscar')
    """
    name = Path(path).name
    if fmt is None:
        if name.upper().startswith(("POSCAR", "CONTCAR")):
            return "poscar"
        found = _SUFFIXES.get(Path(name).suffix.lower())
    else:
        found = _NAMES.get(fmt.lower(), fmt.lower())
    if found not in FORMATS:
        wanted = f"format {fmt!r}" if fmt else f"file name {name!r}"
        raise InputError(
            f"cannot tell a structure format from {wanted}; there are {', '.join(FORMATS)}: name "
            "the file POSCAR, *.vasp, *.cif or *.xyz, or give the format"
        )
    return found


def write_structure(
    structure: Structure, path: str | os.PathLike[str], fmt: str | None = None
) -> Path:
    """Write a structure file, whole or not at all, in the order of the atoms.

    Parameters
    ----------
    path
        The file; its name tells the format unless `fmt` is given.
    fmt
        ``poscar`` (or ``vasp``), ``cif``, ``extxyz`` (or ``xyz``).

    Raises
    ------
    InputError
        The format is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from heterofire.structures.layers import graphene
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(write_structure(graphene(), folder + "/POSCAR").read_text().splitlines()[5])
    C
    """
    writers = {"poscar": _poscar, "cif": _cif, "extxyz": _extxyz}
    return write_atomic(path, writers[format_of(path, fmt)](structure))


def read_structure(path: str | os.PathLike[str], fmt: str | None = None) -> Structure:
    """Read a structure file in one of the formats that `write_structure` writes.

    Raises
    ------
    InputError
        The file is missing or cannot be read as that format.
    """
    chosen = format_of(path, fmt)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    try:
        structure = _parse(text, chosen)
    except _UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a readable {chosen} file: {reason}") from error
    lattice = structure.lattice
    if not abs(lattice.volume) > _FLAT * lattice.a * lattice.b * lattice.c:
        raise InputError(
            f"{path}: the cell has no volume: its vectors are {lattice.matrix.tolist()} Angstrom. "
            "Give three that do not lie in one plane."
        )
    return structure


def _poscar(structure: Structure) -> str:
    """Return a POSCAR with 16 digits."""
    from pymatgen.io.vasp.inputs import Poscar  # slow to import

    return str(Poscar(structure).get_str(direct=True, significant_figures=16))


def _cif(structure: Structure) -> str:
    """Return a CIF in P1, so that it keeps every atom and their order."""
    from pymatgen.io.cif import CifWriter  # slow to import

    return str(CifWriter(structure, significant_figures=10))


def _extxyz(structure: Structure) -> str:
    """Return one frame of extended XYZ."""
    from ase.io import write  # slow to import
    from pymatgen.io.ase import AseAtomsAdaptor

    stream = io.StringIO()
    write(stream, AseAtomsAdaptor.get_atoms(structure, msonable=False), format="extxyz")
    return stream.getvalue()


def _parse(text: str, fmt: str) -> Structure:
    """Return the structure in a text, its atoms in the order of the file."""
    if fmt == "poscar":
        return Structure.from_str(text, fmt="poscar")
    # pymatgen's CIF reader sorts the atoms and rounds coordinates near 1/3; ASE's does neither.
    from ase.io import read  # slow to import
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = read(io.StringIO(text), format=fmt)
    # ASE keeps one species of a mixed site and goes on; the shares stand in `info` only.
    shares = atoms.info.get("occupancy", {})
    mixed = {
        number: " + ".join(f"{symbol} {share:g}" for symbol, share in site.items())
        for number, site in shares.items()
        if len(site) > 1 or abs(sum(site.values()) - 1) > _FULL
    }
    if mixed:
        shown = "; ".join(f"atom {int(n) + 1}: {site}" for n, site in list(mixed.items())[:3])
        raise ValueError(
            f"{len(mixed)} of the {len(shares)} atoms that it lists are partly there ({shown}): "
            "it has partially occupied sites. Order them first, for instance with pymatgen's "
            "OrderDisorderedStructureTransformation, or keep one of the alternatives, and give "
            "that file"
        )
    return AseAtomsAdaptor.get_structure(atoms)
