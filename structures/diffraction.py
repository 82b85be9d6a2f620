"""Powder diffraction: how well a crystal, its lattice refined, explains measured peaks.

Angles are 2theta in degrees, intensities in % of the strongest line below 90 degrees.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from pymatgen.core import Structure

from .errors import InputError
from .indexing import (
    EXPLAINED,
    LARGEST_CHANGE,
    PENALTY,
    PRINTED,
    VISIBLE,
    absent_lines,
    assign_peaks,
    search_lattice,
)
from .metrics import Cell, Floats, cell_of, metric_basis, metric_of
from .reflections import SAME, Line, Pattern, wavelength_of

AGREES: Final = 0.1  # degrees of mean deviation that alignment and reading of peaks account for
LARGE_CHANGE: Final = 0.01  # of a, b or c, which is worth a word


@dataclass(frozen=True, kw_only=True)
class PeakFit:
    """A measured peak and the line that explains it."""

    two_theta: float  # degrees, as measured
    line: Line | None  # after the refinement; None if no line is within EXPLAINED

    @property
    def difference(self) -> float | None:
        """Return measured minus calculated, in degrees."""
        return None if self.line is None else self.two_theta - self.line.two_theta

    @property
    def is_explained(self) -> bool:
        """Tell whether a line that can be seen is there."""
        return self.line is not None and self.line.intensity >= VISIBLE


@dataclass(frozen=True, kw_only=True)
class PhaseFit:
    """How well a crystal explains measured peaks."""

    name: str
    wavelength: float  # Angstrom
    own_cell: Cell  # of the crystal as given
    cell: Cell  # refined
    n_free: int  # lattice parameters that were to be refined
    n_refined: int  # of these, how many the explained peaks determine
    peaks: tuple[PeakFit, ...]  # by angle
    lines: tuple[Line, ...]  # all calculated lines of the refined lattice, by angle
    absent: tuple[Line, ...]  # strong lines between the first and last peak, not measured

    @property
    def deviation(self) -> float:
        """Return the mean |difference| in degrees; a peak without a line counts PENALTY."""
        sizes = (PENALTY if p.difference is None else abs(p.difference) for p in self.peaks)
        return sum(sizes) / len(self.peaks)

    @property
    def unexplained(self) -> tuple[PeakFit, ...]:
        """Return the peaks with no line, or only one too weak to be seen."""
        return tuple(peak for peak in self.peaks if not peak.is_explained)

    @property
    def merit(self) -> float:
        """Return F_N of Smith and Snyder, J. Appl. Cryst. 12 (1979) 60, in 1/degree.

        Peaks explained by visible lines there could be, over the deviation: a crystal with a line
        at every angle gets little of it.
        """
        first, last = self.peaks[0].two_theta - SAME, self.peaks[-1].two_theta + SAME
        used = {peak.line for peak in self.peaks if peak.is_explained}
        n_possible = len(
            used | {x for x in self.lines if x.intensity >= VISIBLE and first < x.two_theta < last}
        )
        return len(used) / max(n_possible, 1) / max(self.deviation, PRINTED)

    @property
    def changes(self) -> tuple[float, float, float]:
        """Return by how much a, b and c grew in the refinement, in %."""
        a, b, c = (100 * (self.cell[i] / self.own_cell[i] - 1) for i in range(3))
        return a, b, c

    @property
    def fits(self) -> bool:
        """Tell whether every peak is explained, every strong line measured, the angles right."""
        return not self.unexplained and not self.absent and self.deviation <= AGREES

    @property
    def is_tested(self) -> bool:
        """Tell whether more peaks are explained than lattice parameters were refined."""
        return len(self.peaks) - len(self.unexplained) > self.n_refined

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what to keep in mind about the refinement, in words."""
        found = []
        moved = [
            f"{axis} {change:+.1f} %"
            for axis, change in zip("abc", self.changes, strict=True)
            if abs(change) > 100 * LARGE_CHANGE
        ]
        if moved:
            found.append(f"the lattice moved by more than 1 %: {', '.join(moved)}")
        if self.n_refined == 0:
            found.append("no peak is near a line: the lattice was not refined")
        elif self.n_refined < self.n_free:
            found.append(
                f"the indexed peaks do not determine {self.n_free} lattice parameters: only the "
                "scale was refined"
            )
        elif not self.is_tested:
            found.append(
                "no peak is left to test the phase after the refinement of its lattice parameters "
                f"({self.n_refined})"
            )
        return tuple(found)


def checked_peaks(peaks: Iterable[float]) -> tuple[float, ...]:
    """Return measured 2theta sorted, or say what is wrong with them.

    Raises
    ------
    InputError
        There is none, one is not a number between 0 and 180 degrees, or one is given twice.

    Examples
    --------
    >>> checked_peaks([45.23, 40.70])
    (40.7, 45.23)
    """
    found = tuple(sorted(float(peak) for peak in peaks))
    wrong = [peak for peak in found if not 0 < peak < 180]
    if not found or wrong:
        what = f"{', '.join(map(str, wrong))} is none" if wrong else "there is none"
        raise InputError(f"peaks are 2theta between 0 and 180 degrees, but {what}")
    for first, second in pairwise(found):
        if second - first < 1e-6:
            raise InputError(f"the peak at {first} degrees is given twice; give each once")
    return found


def fit_phase(
    structure: Structure,
    peaks: Iterable[float],
    *,
    name: str = "",
    radiation: str | float = "CuKa",
    fix_ratio: bool = False,
    tolerance: float = 1.5,
) -> PhaseFit:
    """Index measured peaks by a crystal and refine its lattice to them.

    From every scale of the lattice within 5 %, in steps of 0.1 %, peaks are assigned to lines
    and the lattice refined by turns. The refinement is a least-squares one of 1/d^2, whose weights
    are iterated until it is the mean |difference| in 2theta that is smallest, so that one misread
    peak does not move the lattice (Schlossmacher, J. Am. Stat. Assoc. 68 (1973) 857). Of all
    results the one with the smallest mean deviation is kept; within 0.01 degrees, the one with the
    fewest strong lines absent and invisible ones used. Shifts of the zero and
    of the sample's height are not refined.

    Parameters
    ----------
    structure
        Its cell is the one that indices and lattice parameters refer to.
    peaks
        Measured 2theta in degrees, in any order.
    name
        What to call the phase; its formula by default.
    radiation
        See `wavelength_of`. A 0.08 % larger wavelength (CuKa for CuKa1) makes the lattice as much
        larger.
    fix_ratio
        Refine the scale of the lattice only.
    tolerance
        Degrees between a peak and a line at the start; in the end it is at most 0.5.

    Raises
    ------
    InputError
        There are fewer peaks than free lattice parameters, or the indexed peaks leave some of
        them open.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> paper = [40.70, 43.01, 45.23, 58.97]
    >>> found = fit_phase(build_crystal("Ni2Mo3N"), paper, radiation="CuKa1")
    >>> found.fits, round(found.cell[0], 3), round(found.deviation, 2)
    (True, 6.644, 0.01)
    >>> found.peaks[0].line.label
    '(221)+(300)'
    """
    label = name or structure.composition.reduced_formula
    measured = np.array(checked_peaks(peaks))
    own = metric_of(structure)
    basis = own[None] if fix_ratio else metric_basis(structure)
    if len(measured) < len(basis):
        raise InputError(
            f"{label} has {len(basis)} free lattice parameters, but the number of peaks is only "
            f"{len(measured)}: give more, or refine the scale alone (--fix-ratio)"
        )
    wavelength = wavelength_of(radiation)
    pattern = Pattern.of(structure, wavelength, _reach(float(measured[-1])), basis)
    metric, n_refined = search_lattice(pattern, measured, own, basis, max(tolerance, EXPLAINED))
    lines = pattern.lines(metric)
    found = _explain(measured, lines)
    if n_refined < len(basis) and all(peak.line for peak in found):
        used = ", ".join(peak.line.label for peak in found if peak.line)
        raise InputError(
            f"the {len(measured)} peaks index as {used} of {label}, which do not determine its "
            f"{len(basis)} lattice parameters: give a peak with other indices, or refine the "
            "scale alone (--fix-ratio)"
        )
    return PhaseFit(
        name=label,
        wavelength=wavelength,
        own_cell=cell_of(own),
        cell=cell_of(metric),
        n_free=len(basis),
        n_refined=n_refined,
        peaks=found,
        lines=lines,
        absent=_absent(measured, lines),
    )


def rank_phases(fits: Iterable[PhaseFit]) -> list[PhaseFit]:
    """Return fits best first: by what contradicts them, then by their merit.

    A peak that is not explained and a strong line that is absent contradict alike. Of fits that
    nothing contradicts, those come later whose lattice moved by more than 1 %. The deviation alone
    would favour a crystal with a line at every angle.
    """
    return sorted(fits, key=_rank)


def _rank(fit: PhaseFit) -> tuple[bool, int, bool, float, str]:
    """Return what fits are sorted by."""
    n_contradictions = len(fit.unexplained) + len(fit.absent)
    has_moved = fit.fits and max(map(abs, fit.changes)) > 100 * LARGE_CHANGE
    return not fit.fits, n_contradictions, has_moved, -round(fit.merit, 1), fit.name


def _reach(last_peak: float) -> float:
    """Return up to where lines can reach the last peak when the lattice grows."""
    sine = math.sin(math.radians(last_peak / 2)) * (1 + LARGEST_CHANGE) + 0.02
    return 2 * math.degrees(math.asin(min(1.0, sine)))


def _explain(measured: Floats, lines: Sequence[Line]) -> tuple[PeakFit, ...]:
    """Return each peak with the line that explains it."""
    angles = np.array([line.two_theta for line in lines])
    intensities = np.array([line.intensity for line in lines])
    assigned = assign_peaks(measured, angles, intensities, EXPLAINED)
    return tuple(
        PeakFit(two_theta=float(peak), line=lines[i] if i >= 0 else None)
        for peak, i in zip(measured, assigned, strict=True)
    )


def _absent(measured: Floats, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the strong lines that should have been measured."""
    angles = np.array([line.two_theta for line in lines])
    intensities = np.array([line.intensity for line in lines])
    absent = absent_lines(measured, angles, intensities)
    return tuple(line for line, is_absent in zip(lines, absent, strict=True) if is_absent)
