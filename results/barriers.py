"""Barriers forward and back through the image energies of a nudged elastic band."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from ..structures.errors import RunError
from .records import Band, Floats, Run
from .ridges import is_ridge_note

_N_CURVE = 121  # points of the drawn curve
_DEPTH = 0.005  # eV: shallower dips are within what the force tolerance leaves open
_OVERSHOOT = 0.05  # eV the spline may rise above the highest image before we say so
_FAR_TOO_HIGH = 0.25  # of the barrier: a spline that rises so far above is no guess
_SAME_END = 0.002  # eV between an end point's own run and the same image of the band


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """What a band says about a hop; energies in eV relative to the initial end point."""

    forward: float  # top of the curve above the initial end point
    back: float  # top of the curve above the final end point
    forward_image: float  # the same, by the highest image
    back_image: float
    energies: Floats  # (n_images,)
    path: Floats  # (n_images,) Angstrom
    curve_path: Floats  # (121,) Angstrom
    curve_energies: Floats  # (121,)
    saddle: float  # Angstrom along the path
    minima: tuple[int, ...]  # inner images that lie in a dip
    notes: tuple[str, ...]

    def detail(self) -> dict[str, Any]:
        """Return the curve and images as plain JSON, for tables and figures."""
        arrays = ("path", "energies", "curve_path", "curve_energies")
        numbers = ("forward_image", "back_image", "saddle")
        return {
            **{name: getattr(self, name).tolist() for name in arrays},
            **{name: getattr(self, name) for name in numbers},
            "minima": list(self.minima),
        }


def fit_barrier(path: Sequence[float] | Floats, energies: Sequence[float] | Floats) -> Barrier:
    """Return the barriers forward and back along a band.

    A cubic spline goes through the energies, with zero slope at both end points because they
    are minima (natural ends where an inner neighbour lies lower, and a note says so). Where it
    rises far above the highest image, a curve takes its place that has no top but the images
    (PCHIP: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5, 300 (1984)), and a note says so.

    Parameters
    ----------
    path
        Cumulated displacement of each image in Angstrom, strictly increasing.
    energies
        E0 of each image in eV, both end points included; at least three.

    Raises
    ------
    RunError
        Fewer than three images, or two at the same place.

    Examples
    --------
    >>> barrier = fit_barrier([0.0, 1.0, 2.0], [-5.0, -4.4, -5.1])
    >>> round(barrier.forward, 2), round(barrier.back, 2)
    (0.6, 0.7)
    """
    x, e = np.asarray(path, dtype=float), np.asarray(energies, dtype=float)
    _check_images(x, e)
    relative = e - e[0]
    falls = relative[1] < -_DEPTH, relative[-2] < relative[-1] - _DEPTH
    ends: Any = tuple((2, 0.0) if fall else (1, 0.0) for fall in falls)  # (order, value)
    fit: CubicSpline | PchipInterpolator = CubicSpline(x, relative, bc_type=ends)
    saddle = _highest(fit, x)
    over = float(fit(saddle) - relative.max())
    if is_replaced := over > _FAR_TOO_HIGH * np.ptp(relative):
        fit = PchipInterpolator(x, relative)
        saddle = _highest(fit, x)
    top = float(fit(saddle))
    curve = np.linspace(x[0], x[-1], _N_CURVE)
    minima = _dips(relative)
    return Barrier(
        forward=top,
        back=top - float(relative[-1]),
        forward_image=float(relative.max()),
        back_image=float(relative.max() - relative[-1]),
        energies=relative,
        path=x,
        curve_path=curve,
        curve_energies=np.asarray(fit(curve)),
        saddle=saddle,
        minima=minima,
        notes=(
            *_notes(x, relative, falls, minima, top),
            *_spline_notes(over, is_replaced=bool(is_replaced)),
        ),
    )


def _check_images(x: Floats, e: Floats) -> None:
    """Refuse what is no path."""
    if x.size < 3 or x.shape != e.shape or not np.isfinite(e).all() or (np.diff(x) <= 0).any():
        raise RunError(
            f"no barrier from {e.size} energies at {np.round(x, 3).tolist()} Angstrom: at least "
            "three images with increasing positions are needed. Check the order of the images."
        )


def band_barrier(band: Band, initial: Run | None = None, final: Run | None = None) -> Barrier:
    """Return the barriers of a finished band in E0, checked against its end points' own runs."""
    barrier = fit_barrier(band.path, [image.e0 for image in band.images])
    notes = list(barrier.notes)
    for name, run, image in (("initial", initial, 0), ("final", final, -1)):
        if run is not None and abs(run.e0 - band.images[image].e0) > _SAME_END:
            notes.append(
                f"the {name} end point has E0 {band.images[image].e0:.6f} eV in the band and "
                f"{run.e0:.6f} eV in its own run: they are not the same structure or settings"
            )
    notes += filter(is_ridge_note, band.notes)
    if not band.is_climbing:
        notes.append("no climbing image: the top is interpolated between images")
    return Barrier(**{**vars(barrier), "notes": tuple(notes)})


def _highest(curve: CubicSpline | PchipInterpolator, x: Floats) -> float:
    """Return where a curve is highest, among its own extrema and the images."""
    roots = curve.derivative().roots(extrapolate=False)
    places = np.concatenate([x, roots[np.isfinite(roots)]])
    return float(places[int(np.argmax(curve(places)))])


def _dips(relative: Floats) -> tuple[int, ...]:
    """Return the inner images with a rise of more than the tolerance on both sides."""
    return tuple(
        i
        for i in range(1, relative.size - 1)
        if relative[i] <= min(relative[i - 1], relative[i + 1])
        and min(relative[:i].max(), relative[i + 1 :].max()) - relative[i] > _DEPTH
    )


def _notes(
    x: Floats, relative: Floats, falls: tuple[bool, bool], minima: tuple[int, ...], top: float
) -> list[str]:
    """Say what a reader must know before using the barrier."""
    last = relative.size - 1
    ends = (("initial", 0, 1), ("final", last, last - 1))
    notes = [
        f"the {name} end point is not a minimum: image {near} beside it lies "
        f"{relative[end] - relative[near]:.3f} eV lower. Relax that end point again"
        for (name, end, near), lower in zip(ends, falls, strict=True)
        if lower
    ]
    notes += [
        f"intermediate minimum at image {i} ({x[i]:.2f} Angstrom, {relative[i]:+.3f} eV): "
        "relax it and split the path there"
        for i in minima
    ]
    if top <= max(relative[0], relative[-1]) + 1e-9:
        notes.append("no saddle between the end points: the energy rises or falls all the way")
    return notes


def _spline_notes(over: float, *, is_replaced: bool) -> list[str]:
    """Say how far the spline rises above the highest image, in eV, where that matters."""
    if over <= _OVERSHOOT and not is_replaced:
        return []
    instead = ", which is taken" if is_replaced else ""
    return [
        f"the spline rises {over:.3f} eV above the highest image{instead}: the path is sampled too "
        "coarsely, add images or a climbing image"
    ]
