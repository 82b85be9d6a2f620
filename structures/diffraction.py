"""Powder diffraction: index measured peaks by a crystal, refine its lattice, judge the fit.

Intensities come from pymatgen. Angles are 2theta in degrees, intensities in % of the strongest
line below 90 degrees.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pymatgen.analysis.diffraction.xrd import WAVELENGTHS, XRDCalculator
from pymatgen.core import Structure
from scipy.optimize import linear_sum_assignment

from .errors import InputError
from .metrics import (
    Cell,
    Floats,
    Ints,
    cell_of,
    inverse_squares,
    largest_change,
    metric_basis,
    metric_of,
    refine_metric,
    with_metric,
)

PENALTY: Final = 1.2  # degrees that a peak counts which no line explains
EXPLAINED: Final = 0.5  # degrees between a peak and its line after the refinement
VISIBLE: Final = 1.0  # % of the strongest line; a weaker one is not taken for a measured peak
STRONG: Final = 30.0  # % of the strongest line between the peaks; it has to be measured as well
AGREES: Final = 0.1  # degrees of mean deviation that alignment and reading of peaks account for
LARGEST_CHANGE: Final = 0.05  # of any length in the lattice; beyond it is another crystal
LARGE_CHANGE: Final = 0.01  # of a, b or c, which is worth a word

_STARTS = 101  # scales between 1 - LARGEST_CHANGE and 1 + LARGEST_CHANGE: steps of 0.1 %
_PRINTED = 0.01  # degrees to which peaks are printed; a better agreement is chance
_SAME = 0.02  # degrees: lines that no diffractometer separates
_WEAK_COST = 0.3  # degrees that a visible line may be further away than an invisible one
_FORBIDDEN = 1e3
_ROUNDS = 15  # of reweighting
_SPLIT = 1e-4  # relative strain that separates lines which only this lattice lets coincide

Hkl = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A calculated line: one reflection, or several at the same angle."""

    hkls: tuple[Hkl, ...]  # one of each family
    two_theta: float  # degrees
    intensity: float  # % of the strongest line

    @property
    def label(self) -> str:
        """Return the indices as they are written: (221)+(300)."""
        return "+".join(_label(hkl) for hkl in self.hkls)


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
        first, last = self.peaks[0].two_theta - _SAME, self.peaks[-1].two_theta + _SAME
        used = {peak.line for peak in self.peaks if peak.is_explained}
        n_possible = len(
            used | {x for x in self.lines if x.intensity >= VISIBLE and first < x.two_theta < last}
        )
        return len(used) / max(n_possible, 1) / max(self.deviation, _PRINTED)

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
        if self.n_refined < self.n_free:
            found.append(
                f"the indexed peaks do not determine {self.n_free} lattice parameters: "
                + ("only the scale was refined" if self.n_refined else "none was refined")
            )
        elif self.n_refined >= len(self.peaks) - len(self.unexplained):
            found.append(
                f"{self.n_refined} parameters from as many peaks: no peak is left to test the phase"
            )
        return tuple(found)


def wavelength_of(radiation: str | float) -> float:
    """Return a wavelength in Angstrom, by its name or as given.

    Parameters
    ----------
    radiation
        Such as ``CuKa`` (Kalpha1 and Kalpha2 weighted 2:1, 1.54184), ``CuKa1`` (1.54056), or a
        number in Angstrom between 0.1 and 10.

    Raises
    ------
    InputError
        It is neither; the message lists the names.

    Examples
    --------
    >>> wavelength_of("CuKa"), wavelength_of("0.7093")
    (1.54184, 0.7093)
    """
    if radiation in WAVELENGTHS:
        return float(WAVELENGTHS[radiation])
    try:
        value = float(radiation)
    except ValueError:
        value = math.nan
    if not 0.1 <= value <= 10:
        raise InputError(
            f"no wavelength {radiation!r}: give Angstrom between 0.1 and 10, or one of "
            f"{', '.join(sorted(WAVELENGTHS))}"
        )
    return value


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
    for first, second in zip(found, found[1:], strict=False):
        if second - first < 1e-6:
            raise InputError(f"the peak at {first} degrees is given twice; give each once")
    return found


def powder_lines(
    structure: Structure, *, radiation: str | float = "CuKa", two_theta_max: float = 90.0
) -> tuple[Line, ...]:
    """Return the lines of a crystal's powder pattern, by angle.

    Parameters
    ----------
    radiation
        See `wavelength_of`.
    two_theta_max
        Degrees; intensities refer to the strongest line below 90 degrees or this, if larger.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> [line.label for line in powder_lines(build_crystal("Mo_bcc"))]
    ['(110)', '(200)', '(211)', '(220)']
    """
    pattern = _Pattern.of(structure, wavelength_of(radiation), two_theta_max)
    return pattern.lines(metric_of(structure))


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
    results the one with the smallest mean deviation is kept, then the one with the fewest
    invisible lines, then the one nearest to the crystal's own lattice. Shifts of the zero and
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
            f"{label} has {len(basis)} free lattice parameters, but there are only "
            f"{len(measured)} peaks: give more, or refine the scale alone (--fix-ratio)"
        )
    wavelength = wavelength_of(radiation)
    pattern = _Pattern.of(structure, wavelength, _reach(float(measured[-1])), basis)
    metric, n_refined = _search(pattern, measured, own, basis, max(tolerance, EXPLAINED))
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
    """Return fits best first: by what contradicts them, then by merit, then by lattice change.

    A peak that is not explained and a strong line that is absent contradict alike. The deviation
    alone would favour a crystal with a line at every angle.
    """
    return sorted(fits, key=_rank)


def _rank(fit: PhaseFit) -> tuple[bool, int, float, float]:
    """Return what fits are sorted by."""
    n_contradictions = len(fit.unexplained) + len(fit.absent)
    return not fit.fits, n_contradictions, -round(fit.merit, 1), max(map(abs, fit.changes))


@dataclass(frozen=True)
class _Pattern:
    """Reflections and intensities of a crystal, whose angles follow from a metric."""

    indices: Ints  # (n, 3)
    intensities: Floats  # (n,) % of the strongest
    families: tuple[tuple[Hkl, ...], ...]
    wavelength: float

    @classmethod
    def of(
        cls,
        structure: Structure,
        wavelength: float,
        two_theta_max: float,
        basis: Floats | None = None,
    ) -> "_Pattern":
        """Calculate it once, in a lattice where only symmetry makes lines coincide."""
        free = metric_basis(structure) if basis is None else basis
        metric = metric_of(structure)
        if len(free) > 1:
            sizes = np.sqrt(np.arange(2, len(free) + 2)) * _SPLIT * np.trace(metric) / 3
            metric = metric + np.tensordot(sizes, free, axes=1)
        found = XRDCalculator(wavelength).get_pattern(
            with_metric(structure, metric), two_theta_range=(0, max(90.0, two_theta_max))
        )
        families = tuple(tuple(_three(f["hkl"]) for f in line) for line in found.hkls)
        indices = np.array([family[0] for family in families], dtype=np.int64)
        return cls(indices, np.asarray(found.y, dtype=float), families, wavelength)

    def angles(self, metric: Floats) -> Floats:
        """Return 2theta of each reflection, infinite where there is none."""
        sines = 0.5 * self.wavelength * np.sqrt(inverse_squares(metric, self.indices))
        angles = 2 * np.degrees(np.arcsin(np.minimum(sines, 1.0)))
        return np.asarray(np.where(sines < 1, angles, np.inf), dtype=float)

    def lines(self, metric: Floats) -> tuple[Line, ...]:
        """Return the lines of a metric, those together that no diffractometer separates."""
        angles = self.angles(metric)
        groups: list[list[int]] = []
        for i in np.argsort(angles, kind="stable"):
            if not np.isfinite(angles[i]):
                break
            if groups and angles[i] - angles[groups[-1][0]] < _SAME:
                groups[-1].append(int(i))
            else:
                groups.append([int(i)])
        return tuple(self._line(group, angles) for group in groups)

    def _line(self, group: Sequence[int], angles: Floats) -> Line:
        """Return reflections at one angle as a line, at the angle of the strongest."""
        members = sorted(group, key=lambda i: -self.intensities[i])
        return Line(
            hkls=tuple(hkl for i in members for hkl in sorted(self.families[i])),
            two_theta=float(angles[members[0]]),
            intensity=float(self.intensities[members].sum()),
        )


def _reach(last_peak: float) -> float:
    """Return up to where lines can reach the last peak when the lattice grows."""
    sine = math.sin(math.radians(last_peak / 2)) * (1 + LARGEST_CHANGE) + 0.02
    return 2 * math.degrees(math.asin(min(1.0, sine)))


def _search(
    pattern: _Pattern, measured: Floats, own: Floats, basis: Floats, tolerance: float
) -> tuple[Floats, int]:
    """Return the best refined metric and how many parameters were refined in it."""
    best = (PENALTY, 0, 0.0), own, 0
    seen: dict[tuple[int, ...], tuple[Floats, int] | None] = {}
    for scale in 1 + LARGEST_CHANGE * np.linspace(-1, 1, _STARTS):
        found: tuple[Floats, int] | None = (own / scale**2, 0)
        # The tolerance shrinks, so that a peak far from its line does not distort the lattice.
        for width in (tolerance, tolerance / 2, *4 * (EXPLAINED,)):
            assert found is not None
            assigned = _assign(measured, pattern.angles(found[0]), pattern.intensities, width)
            key = tuple(assigned)
            if key not in seen:
                seen[key] = _refine(pattern, measured, assigned, own, basis)
            found = seen[key]
            if found is None:
                break
        else:
            assert found is not None
            score = _score(pattern, measured, found[0], own)
            if score < best[0]:
                best = score, *found
    return best[1], best[2]


def _refine(
    pattern: _Pattern, measured: Floats, assigned: Ints, own: Floats, basis: Floats
) -> tuple[Floats, int] | None:
    """Return the metric refined to assigned peaks, or its scale where they allow no more."""
    used = assigned >= 0
    if not used.any():
        return None
    for tensors in (basis, own[None]):
        metric = _least_deviation(pattern, measured[used], assigned[used], tensors)
        if metric is not None:
            break
    if metric is None or largest_change(metric, own) > LARGEST_CHANGE + 1e-9:
        return None
    return metric, len(tensors)


def _least_deviation(
    pattern: _Pattern, measured: Floats, assigned: Ints, basis: Floats
) -> Floats | None:
    """Return the metric with the smallest mean |difference| of peaks from their lines."""
    theta = np.radians(measured / 2)
    observed = (2 * np.sin(theta) / pattern.wavelength) ** 2
    # 1/d^2 changes with 2theta as sin(2theta); near 180 degrees it would weigh without bound.
    even = 1 / np.maximum(np.sin(2 * theta), 0.05)
    indices = pattern.indices[assigned]
    metric = refine_metric(basis, indices, observed, even)
    for _ in range(_ROUNDS if len(measured) > len(basis) else 0):
        if metric is None:
            break
        off = np.abs(measured - pattern.angles(metric)[assigned])
        off = np.minimum(np.maximum(off, _PRINTED / 5), PENALTY)
        metric = refine_metric(basis, indices, observed, even / np.sqrt(off))
    return metric


def _score(
    pattern: _Pattern, measured: Floats, metric: Floats, own: Floats
) -> tuple[float, int, float]:
    """Return mean deviation (to 0.001 degrees), invisible lines used, change of the lattice."""
    angles = pattern.angles(metric)
    assigned = _assign(measured, angles, pattern.intensities, EXPLAINED)
    used = assigned >= 0
    sizes = np.full(len(measured), PENALTY)
    sizes[used] = np.abs(measured[used] - angles[assigned[used]])
    n_invisible = int(np.sum(pattern.intensities[assigned[used]] < VISIBLE))
    return round(float(sizes.mean()), 3), n_invisible, largest_change(metric, own)


def _assign(measured: Floats, angles: Floats, intensities: Floats, width: float) -> Ints:
    """Return the line of each peak, each line at most once; -1 where none is within width."""
    distances = np.abs(measured[:, None] - angles[None, :])
    near = np.flatnonzero((distances <= width).any(axis=0))
    assigned = np.full(len(measured), -1, dtype=np.int64)
    if len(near) == 0:
        return assigned
    costs = distances[:, near] + _WEAK_COST * (intensities[near] < VISIBLE)
    costs = np.where(distances[:, near] <= width, costs, _FORBIDDEN)
    for row, column in zip(*linear_sum_assignment(costs), strict=True):
        if costs[row, column] < _FORBIDDEN:
            assigned[row] = near[column]
    return assigned


def _explain(measured: Floats, lines: Sequence[Line]) -> tuple[PeakFit, ...]:
    """Return each peak with the line that explains it."""
    angles = np.array([line.two_theta for line in lines])
    intensities = np.array([line.intensity for line in lines])
    assigned = _assign(measured, angles, intensities, EXPLAINED)
    return tuple(
        PeakFit(two_theta=float(peak), line=lines[i] if i >= 0 else None)
        for peak, i in zip(measured, assigned, strict=True)
    )


def _absent(measured: Floats, lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return the strong lines between the first and the last peak that have no peak near."""
    first, last = measured[0] - EXPLAINED, measured[-1] + EXPLAINED
    inside = [line for line in lines if first < line.two_theta < last]
    strong = STRONG / 100 * max((line.intensity for line in inside), default=0.0)
    return tuple(
        line
        for line in inside
        if line.intensity > strong and np.min(np.abs(measured - line.two_theta)) > EXPLAINED
    )


def _three(indices: Sequence[int]) -> Hkl:
    """Return three indices; pymatgen gives four in hexagonal cells."""
    h, k, *_, ell = indices
    return h, k, ell


def _label(hkl: Hkl) -> str:
    """Return indices as they are written, apart where they have more than one character."""
    apart = " " if any(not 0 <= index <= 9 for index in hkl) else ""
    return f"({apart.join(map(str, hkl))})"
