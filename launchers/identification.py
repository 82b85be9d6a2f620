"""What ``heterofire identify`` does."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from ..structures.crystals import build_crystal, crystal_names
from ..structures.diffraction import PeakFit, PhaseFit, checked_peaks, fit_phase, rank_phases
from ..structures.errors import InputError
from ..structures.files import write_atomic
from ..structures.indexing import PENALTY, STRONG, VISIBLE
from ..structures.metrics import conventional_cell
from ..structures.reflections import wavelength_of
from .listing import print_rows
from .surfaces import load_crystal

_SHOWN = 3  # phases whose peaks are listed when every crystal was tried; 6 are drawn
_KINDS = ("png", "svg", "pdf")


def print_identification(
    crystals: Sequence[str],
    peaks: str,
    *,
    wavelength: str,
    fix_ratio: bool,
    drawing: Path | None,
    as_json: bool,
) -> None:
    """Print which crystals explain measured peaks, best first; draw their patterns."""
    kind = "png" if drawing is None else drawing.suffix[1:].lower()
    if kind not in _KINDS:
        raise InputError(f"cannot draw {drawing}: name it *.png, *.svg or *.pdf")
    measured = parse_peaks(peaks)
    names = list(dict.fromkeys(crystals)) or list(crystal_names())
    fits, refused = fit_all(names, measured, wavelength=wavelength, fix_ratio=fix_ratio)
    sentence = verdict(fits)
    if as_json:
        phases = [phase_row(fit) for fit in fits]
        print(json.dumps({"verdict": sentence, "phases": phases, "refused": refused}, indent=1))
    else:
        _print_tables(fits, fits if crystals else fits[:_SHOWN])
        if wavelength == "CuKa":
            print("CuKa is Ka1 and Ka2 weighted; CuKa1 alone makes every length 0.08 % smaller")
        print(sentence)
        for reason in refused:
            print(f"not fitted: {reason}", file=sys.stderr)
    if drawing is not None:
        from ..results.diffraction_plots import draw_patterns  # slow: matplotlib

        image = draw_patterns(fits[: 2 * _SHOWN], kind=kind)
        print(f"written: {write_atomic(drawing, image)}", file=sys.stderr)


def parse_peaks(text: str) -> tuple[float, ...]:
    """Return the angles in a comma-separated text, sorted.

    Raises
    ------
    InputError
        Something in it is not a number, or not a peak.

    Examples
    --------
    >>> parse_peaks("45.23, 40.70")
    (40.7, 45.23)
    """
    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(
            f"peaks are numbers with commas between, such as 40.70,43.01, not {text!r}"
        ) from error
    return checked_peaks(numbers)


def fit_all(
    names: Sequence[str], peaks: Sequence[float], *, wavelength: str, fix_ratio: bool
) -> tuple[list[PhaseFit], list[str]]:
    """Return the fits, best first, and why some crystals cannot be fitted to these peaks.

    Raises
    ------
    InputError
        A crystal or the wavelength is unknown, or not one crystal can be fitted.
    """
    wavelength_of(wavelength)
    structures = {name: _conventional(name) for name in names}
    fits, refused = [], []
    for name, structure in structures.items():
        try:
            fits.append(
                fit_phase(structure, peaks, name=name, radiation=wavelength, fix_ratio=fix_ratio)
            )
        except InputError as error:
            refused.append(str(error))
    if not fits:
        raise InputError("; ".join(refused))
    return rank_phases(fits), refused


def verdict(fits: Sequence[PhaseFit]) -> str:
    """Return in a sentence or two which of the ranked phases fit.

    Examples
    --------
    >>> found, _ = fit_all(["K2S", "LiF"], [38.6, 44.9], wavelength="CuKa", fix_ratio=False)
    >>> print(verdict(found))
    LiF fits: 2 of 2 peaks explained, mean deviation 0.01 deg, a = 4.038 A (+0.3 %). K2S does not.
    """
    fitting = [fit for fit in fits if fit.fits]
    best = fits[0]
    if not fitting:
        return f"No phase fits. The nearest is {best.name}: {_against(best)}."
    text = (
        f"{best.name} fits: {len(best.peaks)} of {len(best.peaks)} peaks explained, mean deviation "
        f"{best.deviation:.2f} deg, {_lengths(best)}."
    )
    if not best.is_tested:
        text += " That tests nothing: each peak was needed for the lattice."
    others = ", ".join(fit.name for fit in fitting[1:])
    if others:
        text += f" {others} cannot be told from it by these peaks alone."
    failing = fits[len(fitting) :]
    if len(failing) == 1:
        text += f" {failing[0].name} does not."
    elif failing:
        text += f" {len(failing)} others do not."
    return text


def _lengths(fit: PhaseFit) -> str:
    """Return the refined lengths that differ, and by how much each grew."""
    rows = zip("abc", fit.cell, fit.changes, strict=False)
    texts = {
        f"{length:.3f} A ({change:+.1f} %)": axis for axis, length, change in reversed([*rows])
    }
    return ", ".join(f"{axis} = {text}" for text, axis in sorted(texts.items(), key=lambda t: t[1]))


def phase_row(fit: PhaseFit) -> dict[str, Any]:
    """Return a fit for a script: angles in degrees, lengths in Angstrom, intensities in %."""
    return {
        "phase": fit.name,
        "fits": fit.fits,
        "wavelength": fit.wavelength,
        "mean_deviation": fit.deviation,
        "merit": fit.merit,
        "cell": fit.cell,
        "own_cell": fit.own_cell,
        "change_percent": fit.changes,
        "n_refined": fit.n_refined,
        "peaks": [_peak_entry(peak) for peak in fit.peaks],
        "unexplained": [peak.two_theta for peak in fit.unexplained],
        "absent": [{"hkl": x.label, "two_theta": x.two_theta} for x in fit.absent],
        "warnings": fit.warnings,
    }


def _peak_entry(peak: PeakFit) -> dict[str, Any]:
    """Return a peak for a script."""
    line = peak.line
    return {
        "two_theta": peak.two_theta,
        "hkl": line.label if line else None,
        "calculated": line.two_theta if line else None,
        "difference": peak.difference,
        "intensity": line.intensity if line else None,
    }


def _print_tables(fits: Sequence[PhaseFit], shown: Sequence[PhaseFit]) -> None:
    """Print the peaks of some phases, a line for each phase, and what the columns mean."""
    print_rows([_peak_row(fit, peak) for fit in shown for peak in fit.peaks], as_json=False)
    print()
    print_rows([_summary(fit) for fit in fits], as_json=False)
    print(f"wavelength {fits[0].wavelength:.6g} A; angles are 2theta in degrees, intensities in %")
    print(f"of the strongest line; a peak without a line counts {PENALTY:g} in the deviation;")
    print(f"weak: below {VISIBLE:g} %, taken for unexplained; absent: above {STRONG:g} % of the")
    print("strongest line between the peaks, and not measured; F_N: larger is better")
    for fit in shown:
        for warning in fit.warnings:
            print(f"{fit.name}: {warning}")


def _peak_row(fit: PhaseFit, peak: PeakFit) -> dict[str, str]:
    """Return a peak of a phase as a table shows it."""
    line, difference = peak.line, peak.difference
    if line is None or difference is None:
        columns = ("none", "-", "-", "-")
    else:
        weak = "" if peak.is_explained else " weak"
        columns = (
            line.label,
            f"{line.two_theta:.2f}",
            f"{round(difference, 2) + 0.0:+.2f}",
            f"{line.intensity:.2g}{weak}" if line.intensity < 1 else f"{line.intensity:.0f}",
        )
    names = ("hkl", "calculated", "difference", "intensity")
    first = {"phase": fit.name, "peak": f"{peak.two_theta:.2f}"}
    return first | dict(zip(names, columns, strict=True))


def _summary(fit: PhaseFit) -> dict[str, str]:
    """Return a phase as a table shows it."""
    a, b, c, *angles = fit.cell
    return {
        "phase": fit.name,
        "fits": "yes" if fit.fits else "no",
        "explained": f"{len(fit.peaks) - len(fit.unexplained)} of {len(fit.peaks)}",
        "deviation": f"{fit.deviation:.2f}",
        "F_N": f"{fit.merit:.1f}",
        "a, b, c (A)": f"{a:.3f} {b:.3f} {c:.3f}",
        "angles": " ".join(f"{angle:.5g}" for angle in angles),
        "change (%)": " ".join(f"{change:+.2f}" for change in fit.changes),
        "absent": _names([f"{x.label} {x.two_theta:.2f}" for x in fit.absent]),
    }


def _against(fit: PhaseFit) -> str:
    """Return what speaks against a phase."""
    found = [f"mean deviation {fit.deviation:.2f} deg"]
    if fit.unexplained:
        found.append("unexplained " + ", ".join(f"{p.two_theta:.2f}" for p in fit.unexplained))
    if fit.absent:
        found.append("absent " + _names([f"{x.label} {x.two_theta:.2f}" for x in fit.absent]))
    return "; ".join(found)


def _names(items: Sequence[str], most: int = 4) -> str:
    """Return the first few of some names, and how many there are beyond."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


def _conventional(name: str) -> Structure:
    """Return a known crystal as it is, and one from a file in its conventional cell."""
    if name in crystal_names():
        return build_crystal(name)
    return conventional_cell(load_crystal(name))
