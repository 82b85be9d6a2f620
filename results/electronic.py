"""What a density of states and a set of levels say: metal or gap, d-band centre."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..structures.errors import RunError
from .records import Bands, Dos, Floats, Run

_WINDOW = 0.05  # eV, half width over which the DOS at the Fermi level is averaged
_PARTIAL = 0.05  # a level filled between this and 1 minus this is partly filled
_EXCITED = 1e-3  # electrons per cell
_METALLIC = 0.02  # states/eV/atom between the highest filled and the lowest empty level
_D_BAND = (-10.0, 5.0)  # eV relative to the Fermi level


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Whether a system is a metal, why we say so, and the gap in eV if it is not."""

    value: float  # 0 for a metal
    is_metal: bool
    reasons: tuple[str, ...]  # of the three criteria, those that make it a metal
    valence_top: float | None  # eV, absolute; None for a metal
    conduction_bottom: float | None


def dos_at_fermi(dos: Dos, half_width: float = _WINDOW) -> float:
    """Return the total DOS at the Fermi level in states/eV/cell, both spins together.

    It is the mean over E_F +- ``half_width`` (eV): a single grid point would depend on where
    the grid happens to fall.

    Examples
    --------
    >>> import numpy as np
    >>> energies = np.linspace(-1, 1, 201)
    >>> flat = Dos(energies=energies, total=np.full((1, 201), 3.0), projected=None, orbitals=(),
    ...            efermi=0.2, projection="Mulliken")
    >>> round(dos_at_fermi(flat), 6)
    3.0
    """
    return _mean(dos, dos.efermi - half_width, dos.efermi + half_width)


def _mean(dos: Dos, low: float, high: float) -> float:
    """Return the mean of the total DOS between two energies inside the grid."""
    if not dos.energies[0] <= low < high <= dos.energies[-1]:
        raise RunError(
            f"the DOS covers {dos.energies[0]:.2f} to {dos.energies[-1]:.2f} eV, {low:.2f} to "
            f"{high:.2f} was wanted: widen EMIN and EMAX."
        )
    inside = (dos.energies > low) & (dos.energies < high)
    grid = np.concatenate([[low], dos.energies[inside], [high]])
    values = np.interp(grid, dos.energies, dos.total.sum(axis=0))
    return float(np.trapezoid(values, grid) / (high - low))


def band_gap(bands: Bands | None, dos: Dos | None, n_atoms: int) -> Gap:
    """Return the gap, 0 for a metal; any of three signs makes a metal.

    The signs: a band crosses the Fermi level, levels are partly filled (5 to 95 %), or the DOS
    stays above 0.02 states/eV/atom all the way between the highest filled and the lowest empty
    level. Crossing alone misses metals sampled at few k-points, and levels alone give them a
    gap. (The DOS at E_F is no sign: VASP may put E_F at the band edge of an insulator.) A gap
    below a few times the smearing width cannot be told from a metal and counts as one.

    Parameters
    ----------
    bands, dos
        Levels and density of states of the same run; one of them may be missing.
    n_atoms
        Atoms in the cell.

    Raises
    ------
    RunError
        Neither levels nor DOS are there.
    """
    if bands is None and dos is None:
        raise RunError("neither levels nor DOS were stored, so there is no gap: run a DOS task.")
    reasons = [] if bands is None else _level_signs(bands)
    valence_top, conduction_bottom = _dos_edges(dos) if bands is None else _edges(bands)
    gap = conduction_bottom - valence_top
    if dos is not None and not reasons:
        level = _lowest_between(dos, valence_top, conduction_bottom) / n_atoms
        if level > _METALLIC:
            reasons.append(f"at least {level:.2f} states/eV/atom between the levels")
    is_metal = bool(reasons) or gap <= 0
    return Gap(
        value=0.0 if is_metal else gap,
        is_metal=is_metal,
        reasons=tuple(reasons),
        valence_top=None if is_metal else valence_top,
        conduction_bottom=None if is_metal else conduction_bottom,
    )


def _edges(bands: Bands) -> tuple[float, float]:
    """Return the highest filled and the lowest empty level."""
    filled = bands.occupations > 0.5
    if not filled.any() or filled.all():
        raise RunError("all levels are filled, or none is: raise NBANDS to see the gap.")
    top = float(bands.eigenvalues[filled].max())
    return top, float(bands.eigenvalues[~filled].min())


def _level_signs(bands: Bands) -> list[str]:
    """Return which of the two signs of a metal the occupations show."""
    signs = []
    filled = bands.occupations > 0.5
    if (filled.any(axis=1) & ~filled.all(axis=1)).any():
        signs.append("a band crosses the Fermi level")
    partly = (bands.occupations > _PARTIAL) & (bands.occupations < 1 - _PARTIAL)
    if partly.any() and _excited(bands) > _EXCITED:
        signs.append("partly filled levels")
    return signs


def _excited(bands: Bands) -> float:
    """Return the electrons per cell above half-filled levels, or missing below them.

    Methfessel-Paxton smearing half empties the band edge of an insulator when E_F lies on it,
    and overfills the levels below by as much: nothing is excited, and it is no metal.
    """
    weights = bands.weights[None, :, None]
    filled = bands.occupations > 0.5
    above = float((weights * bands.occupations * ~filled).sum())
    below = float((weights * (1 - bands.occupations) * filled).sum())
    return max(abs(above), abs(below))


def _lowest_between(dos: Dos, low: float, high: float) -> float:
    """Return the lowest total DOS between two energies, where it fills the gap of the levels."""
    energies = np.linspace(low, high, 101)
    return float(np.interp(energies, dos.energies, dos.total.sum(axis=0)).min())


def _dos_edges(dos: Dos | None) -> tuple[float, float]:
    """Return the edges of the empty stretch of the DOS around the Fermi level."""
    if dos is None:
        raise RunError("no DOS was stored, so there is no gap: run a DOS task.")
    total = dos.total.sum(axis=0)
    occupied = dos.energies[total > 1e-3 * total.max()]
    below, above = occupied[occupied <= dos.efermi], occupied[occupied > dos.efermi]
    if not below.size or not above.size:
        raise RunError("the DOS ends at the Fermi level: widen EMIN and EMAX.")
    return float(below.max()), float(above.min())


def d_band_centre(
    dos: Dos,
    symbols: Sequence[str],
    elements: Collection[str],
    window: tuple[float, float] = _D_BAND,
) -> float:
    """Return the first moment of the d-projected DOS of some elements, relative to E_F in eV.

    Parameters
    ----------
    dos
        With projections.
    symbols
        Element of each atom, in the order of the projections.
    elements
        Whose d states are counted.
    window
        Energies counted, in eV relative to the Fermi level; empty states in it count too.

    Raises
    ------
    RunError
        There are no projections, or no d states of these elements in the window.
    """
    if dos.projected is None:
        raise RunError("the DOS has no projections: run it with LORBIT = 11.")
    density = partial_dos(dos, symbols, elements, "d")
    energies = dos.energies - dos.efermi
    inside = (energies >= window[0]) & (energies <= window[1])
    weight = float(np.trapezoid(density[inside], energies[inside])) if inside.any() else 0.0
    if weight <= 0:
        raise RunError(
            f"no d states of {', '.join(sorted(elements))} between {window[0]:g} and "
            f"{window[1]:g} eV around the Fermi level: name elements with d electrons."
        )
    return float(np.trapezoid((density * energies)[inside], energies[inside])) / weight


def partial_dos(
    dos: Dos, symbols: Sequence[str], elements: Collection[str], letters: str = "spdf"
) -> Floats:
    """Return the DOS projected on some elements and orbital kinds, both spins together.

    Returns
    -------
    numpy.ndarray
        Shape (n,), states/eV/cell.
    """
    if dos.projected is None:
        raise RunError("the DOS has no projections: run it with LORBIT = 11.")
    atoms = [i for i, symbol in enumerate(symbols) if symbol in elements]
    orbitals = [i for i, name in enumerate(dos.orbitals) if orbital_letter(name) in letters]
    chosen: Floats = dos.projected[np.ix_(atoms, orbitals)].sum(axis=(0, 1, 2))
    return chosen


def orbital_letter(name: str) -> str:
    """Return s, p, d or f for an orbital as VASP or pymatgen names it.

    Examples
    --------
    >>> [orbital_letter(name) for name in ("s", "py", "dxy", "x2-y2", "f-3", "fx3")]
    ['s', 'p', 'd', 'd', 'f', 'f']
    """
    return "d" if name.startswith("x2") else name[0]


def run_symbols(run: Run) -> list[str]:
    """Return the element of each atom of a run."""
    return [site.specie.symbol for site in run.structure]
