"""Levels and densities of states in vasprun.xml."""

import numpy as np

from .doscar import format_rows
from .levels import Dos, columns_of
from .potentials import ORBITALS, Evaluation, FloatArray

_L_NAMES = ("s", "p", "d")


def format_eigenvalues(evaluation: Evaluation) -> str:
    """Return levels (eV) with occupations between 0 and 1."""
    sets = ""
    for spin, (levels, filled) in enumerate(
        zip(evaluation.eigenvalues, evaluation.occupations, strict=True), 1
    ):
        sets += f'     <set comment="spin {spin}">\n'
        for k in range(len(levels)):
            table = np.column_stack([levels[k], filled[k]])
            sets += f'      <set comment="kpoint {k + 1}">\n'
            sets += format_rows(table, "       <r>", " </r>\n") + "      </set>\n"
        sets += "     </set>\n"
    return (
        '  <eigenvalues>\n   <array>\n    <dimension dim="1">band</dimension>\n'
        '    <dimension dim="2">kpoint</dimension>\n    <dimension dim="3">spin</dimension>\n'
        f"    <field>eigene</field>\n    <field>occ</field>\n    <set>\n{sets}    </set>\n"
        "   </array>\n  </eigenvalues>\n"
    )


def format_projected(evaluation: Evaluation, lorbit: int) -> str:
    """Return the weight of each atom and orbital in each level, what VASP has in PROCAR.

    VASP repeats the eigenvalues in this element; they are left out here.

    Parameters
    ----------
    evaluation
        With weights (n_spins, n_kpoints, n_atoms, 9, n_bands).
    lorbit
        10 gives s, p and d, 11 and above the nine orbitals, less nothing at all.
    """
    if lorbit < 10:
        return ""
    names = _L_NAMES if lorbit == 10 else ORBITALS
    fields = "".join(f"    <field>{name:>5}</field>\n" for name in names)
    axes = "".join(
        f'    <dimension dim="{i}">{name}</dimension>\n'
        for i, name in enumerate(("ion", "band", "kpoint", "spin"), 1)
    )
    pieces = []
    for spin, of_spin in enumerate(evaluation.weights, 1):
        pieces.append(f'     <set comment="spin{spin}">\n')
        for k, weights in enumerate(of_spin, 1):
            pieces.append(f'      <set comment="kpoint {k}">\n')
            pieces.append(_projected_bands(columns_of(weights, lorbit)))
            pieces.append("      </set>\n")
        pieces.append("     </set>\n")
    return (
        f"  <projected>\n   <array>\n{axes}{fields}    <set>\n{''.join(pieces)}    </set>\n"
        "   </array>\n  </projected>\n"
    )


def _projected_bands(weights: FloatArray) -> str:
    """Return one row per atom for each band of weights (n_atoms, n_columns, n_bands)."""
    row = "        <r>" + "%9.4f" * weights.shape[1] + " </r>\n"
    bands = [
        f'       <set comment="band {band}">\n'
        + "".join([row % tuple(atom) for atom in table])
        + "       </set>\n"
        for band, table in enumerate(weights.transpose(2, 0, 1).tolist(), 1)
    ]
    return "".join(bands)


def format_dos(dos: Dos) -> str:
    """Return total and projected densities of states."""
    total = ""
    for spin in range(len(dos.total)):
        table = np.column_stack([dos.energies, dos.total[spin], dos.integrated[spin]])
        total += f'      <set comment="spin {spin + 1}">\n'
        total += format_rows(table, "       <r>", " </r>\n") + "      </set>\n"
    return (
        f'  <dos>\n   <i name="efermi">{dos.fermi_level:16.8f} </i>\n   <total>\n    <array>\n'
        '     <dimension dim="1">gridpoints</dimension>\n     <dimension dim="2">spin</dimension>\n'
        "     <field>energy</field>\n     <field>total</field>\n     <field>integrated</field>\n"
        f"     <set>\n{total}     </set>\n    </array>\n   </total>\n{_partial(dos)}  </dos>\n"
    )


def _partial(dos: Dos) -> str:
    """Return the projections on each atom, or nothing."""
    if dos.projected is None:
        return ""
    n_columns = dos.projected.shape[2]
    names = _L_NAMES if n_columns == len(_L_NAMES) else ORBITALS
    fields = "".join(f"     <field>{name:>5}</field>\n" for name in names)
    pieces = []
    for atom in range(dos.projected.shape[1]):
        pieces.append(f'      <set comment="ion {atom + 1}">\n')
        for spin in range(len(dos.projected)):
            table = np.column_stack([dos.energies, dos.projected[spin, atom].T])
            pieces.append(f'       <set comment="spin {spin + 1}">\n')
            pieces.append(format_rows(table, "        <r>", " </r>\n"))
            pieces.append("       </set>\n")
        pieces.append("      </set>\n")
    return (
        '   <partial>\n    <array>\n     <dimension dim="1">gridpoints</dimension>\n'
        '     <dimension dim="2">spin</dimension>\n     <dimension dim="3">ion</dimension>\n'
        f"     <field>energy</field>\n{fields}     <set>\n{''.join(pieces)}     </set>\n"
        "    </array>\n   </partial>\n"
    )
