"""DOSCAR as VASP writes it, with more digits."""

import numpy as np

from .levels import Dos
from .poscars import Poscar
from .potentials import FloatArray


def format_doscar(dos: Dos, poscar: Poscar, title: str) -> str:
    """Return the text of DOSCAR: header, total, then one block per atom if projected."""
    n_atoms = len(poscar.symbols)
    lengths = np.linalg.norm(poscar.lattice, axis=1) * 1e-10
    has_parts = int(dos.projected is not None)
    lines = [
        f"{n_atoms:4d}{n_atoms:4d}{has_parts:4d}   0",
        "".join(f"{x:15.7E}" for x in (poscar.volume / n_atoms, *lengths, 0.5e-15)),
        "  1.000000000000000E-004",
        "  CAR ",
        f" {title}",
    ]
    block = (
        f"{dos.emax:16.8f}{dos.emin:16.8f}{len(dos.energies):5d}{dos.fermi_level:16.8f}{1:16.8f}"
    )
    table = np.column_stack([dos.energies, dos.total.T, dos.integrated.T])
    text = "\n".join(lines) + "\n" + block + "\n" + format_rows(table)
    if dos.projected is not None:
        for atom in range(n_atoms):
            # columns: s up, s down, py up, py down ...
            parts = dos.projected[:, atom].transpose(1, 0, 2).reshape(-1, len(dos.energies))
            text += block + "\n" + format_rows(np.column_stack([dos.energies, parts.T]))
    return text


def format_rows(table: FloatArray, prefix: str = "", suffix: str = "\n") -> str:
    """Return rows of numbers: the first column in eV, the others with six decimals."""
    pattern = prefix + "%14.6f" + "%14.6f" * (table.shape[1] - 1) + suffix
    return "".join([pattern % tuple(row) for row in table.tolist()])
