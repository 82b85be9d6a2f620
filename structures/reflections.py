"""Powder patterns: lines with their indices, angles (2theta, degrees) and intensities (%).

Intensities are pymatgen's. They refer to the strongest line below 90 degrees.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.analysis.diffraction.xrd import WAVELENGTHS, XRDCalculator
from pymatgen.core import Structure

from .errors import InputError
from .metrics import Floats, Ints, inverse_squares, metric_basis, metric_of, with_metric

SAME = 0.02  # degrees: lines that no diffractometer separates

_SPLIT = 1e-4  # relative strain that separates lines which only this lattice lets coincide

Hkl = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A calculated line: one reflection, or several at the same angle."""

    hkls: tuple[Hkl, ...]  # one of each family, the strongest or most frequent first
    two_theta: float  # degrees
    intensity: float  # % of the strongest line

    @property
    def label(self) -> str:
        """Return the indices as they are written: (221)+(300)."""
        return "+".join(_label(hkl) for hkl in self.hkls)


@dataclass(frozen=True)
class Pattern:
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
    ) -> "Pattern":
        """Calculate it once, in a lattice where only symmetry makes lines coincide."""
        free = metric_basis(structure) if basis is None else basis
        metric = metric_of(structure)
        if len(free) > 1:
            sizes = np.sqrt(np.arange(2, len(free) + 2)) * _SPLIT * np.trace(metric) / 3
            metric = metric + np.tensordot(sizes, free, axes=1)
        reach = max(90.0, two_theta_max)
        try:
            found = XRDCalculator(wavelength).get_pattern(
                with_metric(structure, metric), two_theta_range=(0, reach)
            )
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{structure.composition.reduced_formula} has no line below {reach:.0f} degrees "
                f"at {wavelength:.6g} A, or an element without scattering factors ({error}): check "
                "the wavelength and the elements"
            ) from error
        families = tuple(
            tuple(
                _written(family["hkl"], metric)
                for family in sorted(line, key=lambda family: -family["multiplicity"])
            )
            for line in found.hkls
        )
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
            if groups and angles[i] - angles[groups[-1][0]] < SAME:
                groups[-1].append(int(i))
            else:
                groups.append([int(i)])
        return tuple(self._line(group, angles) for group in groups)

    def _line(self, group: Sequence[int], angles: Floats) -> Line:
        """Return reflections at one angle as a line, at the angle of the strongest."""
        members = sorted(group, key=lambda i: -self.intensities[i])
        return Line(
            hkls=tuple(hkl for i in members for hkl in self.families[i]),
            two_theta=float(angles[members[0]]),
            intensity=float(self.intensities[members].sum()),
        )


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
    pattern = Pattern.of(structure, wavelength_of(radiation), two_theta_max)
    return pattern.lines(metric_of(structure))


def _written(indices: Sequence[int], metric: Floats) -> Hkl:
    """Return three indices without a sign; pymatgen has four in hexagonal cells, as (2 -1 -1 0)."""
    h, k, *_, ell = indices
    if len(indices) == 3:
        return h, k, ell
    second, first = sorted(map(abs, indices[:3]))[:2]
    own, other = inverse_squares(metric, [(h, k, ell), (first, second, abs(ell))])
    return (first, second, abs(ell)) if math.isclose(own, other) else (h, k, ell)


def _label(hkl: Hkl) -> str:
    """Return indices as they are written, apart where they have more than one character."""
    apart = " " if any(not 0 <= index <= 9 for index in hkl) else ""
    return f"({apart.join(map(str, hkl))})"
