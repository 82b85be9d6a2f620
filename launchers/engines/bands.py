"""Nudged elastic band over image folders.

Improved tangent: Henkelman and Jonsson, J. Chem. Phys. 113, 9978 (2000), eqs. 8 to 12.
Climbing image: Henkelman, Uberuaga and Jonsson, J. Chem. Phys. 113, 9901 (2000), eq. 5.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from .drivers import Outcome, is_converged
from .freedom import Freedom
from .hessians import model_hessian
from .poscars import Poscar
from .potentials import Evaluation, FloatArray, Potential
from .searching import bfgs_update, limited
from .stopping import Stopper
from .tags import Settings
from .writing import CONVERGED, STOPPED, RunFiles

MAX_MOVE = 0.2  # Angstrom, largest component of a step of one image
SOFTEST = 0.3  # eV/Angstrom^2, curvatures below are taken as this: a band has no energy to guard it


@dataclass(frozen=True, kw_only=True)
class Pull:
    """What a band does to one of its images."""

    tangent: FloatArray  # (n_free,), unit vector
    real: float  # force along the tangent, eV/Angstrom
    spring: float  # eV/Angstrom
    across: FloatArray  # (n_free,) force perpendicular to the tangent, eV/Angstrom
    climbs: bool

    @property
    def along(self) -> float:
        """Return the force of the band along the tangent, eV/Angstrom."""
        return -self.real if self.climbs else self.spring

    @property
    def force(self) -> FloatArray:
        """Return the force of the band (n_free,), eV/Angstrom."""
        return self.across + self.along * self.tangent


def run_band(
    make_potential: Callable[[Poscar], Potential],
    images: Sequence[Poscar],
    settings: Settings,
    files: Sequence[RunFiles],
    stopper: Stopper,
) -> Outcome:
    """Relax a band between two fixed ends and write each image in its folder.

    VASP never computes the ends; the tangents need their energies, so they are evaluated
    once here, and written where the folder has no OUTCAR yet.

    Parameters
    ----------
    make_potential
        Returns a calculator for an image.
    images
        IMAGES + 2 geometries with the same atoms in the same order.
    settings
        NSW, EDIFFG, SPRING and LCLIMB.
    files
        Output of each image.
    stopper
        Asked after each step of the band.
    """
    band = _Band(make_potential, unwrapped(images), settings)
    with ExitStack() as stack:
        for file in files[1:-1]:
            stack.enter_context(file)
        for end in (0, -1):
            band.evaluate_end(end)
            if not files[end].has_outcar:
                with files[end] as file:
                    file.step(band.evaluation(end), band.images[end].positions)
                    file.finish()
        return _relax(band, settings, files, stopper)


def _relax(
    band: "_Band", settings: Settings, files: Sequence[RunFiles], stopper: Stopper
) -> Outcome:
    """Move the images until the band is at rest, step by step."""
    status, remark, force, previous = "unconverged", "", 0.0, None
    n_steps = 1 if settings.is_static else settings.nsw
    for step in range(1, n_steps + 1):
        band.evaluate()
        pulls = band.pulls()
        force = max(band.freedom.largest_force(band.freedom.expand(p.force)) for p in pulls)
        for i, pull in enumerate(pulls, start=1):
            files[i].step(band.evaluation(i), band.positions(i), describe(pull))
        _report(step, band, force)
        top = max(band.energies)
        if not settings.is_static and is_converged(settings.ediffg, force, top, previous):
            status, remark = "converged", CONVERGED
            break
        if stop := stopper.check():
            status, remark = "stopped", STOPPED[stop]
            break
        previous = top
        if step < n_steps:
            band.move(pulls)
    for file in files[1:-1]:
        file.finish(remark)
    n_evaluations = 2 + sum(file.n_steps for file in files[1:-1])
    return Outcome(
        status="static" if settings.is_static else status,
        n_steps=files[1].n_steps,
        n_evaluations=n_evaluations,
        largest_force=force,
    )


class _Band:
    """Positions, calculators and Hessians of all images."""

    def __init__(
        self,
        make_potential: Callable[[Poscar], Potential],
        images: Sequence[Poscar],
        settings: Settings,
    ) -> None:
        self.images = images
        self.freedom = Freedom(images[0])
        self._settings = settings
        self._make_potential = make_potential
        self._potentials = [make_potential(image) for image in images[1:-1]]
        self._x = [image.positions for image in images]
        self._hessians = [
            self.freedom.reduce_matrix(model_hessian(image, image.positions))
            for image in images[1:-1]
        ]
        self._evaluations: list[Evaluation | None] = [None] * len(images)
        self._before: list[tuple[FloatArray, FloatArray] | None] = [None] * len(images)

    def evaluation(self, i: int) -> Evaluation:
        """Return the last evaluation of image i."""
        evaluation = self._evaluations[i]
        if evaluation is None:
            raise IndexError(i)
        return evaluation

    def positions(self, i: int) -> FloatArray:
        """Return the positions (n_atoms, 3) of image i in Angstrom."""
        return self._x[i]

    @property
    def energies(self) -> list[float]:
        """Return F of all images in eV."""
        return [self.evaluation(i).free_energy for i in range(len(self.images))]

    def evaluate_end(self, end: int) -> None:
        """Evaluate an end point (0 or -1)."""
        potential = self._make_potential(self.images[end])
        self._evaluations[end] = potential.evaluate(self._x[end])

    def evaluate(self) -> None:
        """Evaluate the moving images and teach their Hessians."""
        for i, potential in enumerate(self._potentials, start=1):
            evaluation = potential.evaluate(self._x[i])
            x = self.freedom.reduce(self._x[i])
            force = self.freedom.reduce(evaluation.forces)
            before = self._before[i]
            if before is not None:
                self._hessians[i - 1] = bfgs_update(
                    self._hessians[i - 1], x - before[0], before[1] - force
                )
            self._before[i] = (x, force)
            self._evaluations[i] = evaluation

    def pulls(self) -> list[Pull]:
        """Return what the band does to each moving image."""
        points = [self.freedom.reduce(x) for x in self._x]
        energies = self.energies
        top = 1 + int(np.argmax(energies[1:-1]))
        stiffness = abs(self._settings.spring)
        pulls = []
        for i in range(1, len(points) - 1):
            ahead, behind = points[i + 1] - points[i], points[i] - points[i - 1]
            tangent = improved_tangent(ahead, behind, energies[i - 1 : i + 2])
            force = self.freedom.reduce(self.evaluation(i).forces)
            real = float(force @ tangent)
            pulls.append(
                Pull(
                    tangent=tangent,
                    real=real,
                    spring=stiffness * float(np.linalg.norm(ahead) - np.linalg.norm(behind)),
                    across=force - real * tangent,
                    climbs=self._settings.lclimb and i == top,
                )
            )
        return pulls

    def move(self, pulls: Sequence[Pull]) -> None:
        """Move all images: a quasi-Newton step across the band, the springs solved along it."""
        along = self._moves_along(pulls)
        for i, pull in enumerate(pulls, start=1):
            hessian = self._hessians[i - 1]
            step = across_step(hessian, pull) + along[i - 1] * pull.tangent
            self._x[i] = self._x[i] + self.freedom.expand(limited(step, MAX_MOVE))

    def _moves_along(self, pulls: Sequence[Pull]) -> FloatArray:
        """Return how far each image goes along its tangent, Angstrom."""
        n, k = len(pulls), max(abs(self._settings.spring), 1e-3)
        matrix = k * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1))
        force = np.array([pull.along for pull in pulls])
        for i, pull in enumerate(pulls):
            if pull.climbs:
                curvature = float(pull.tangent @ self._hessians[i] @ pull.tangent)
                matrix[i] = 0.0
                matrix[i, i] = max(abs(curvature), SOFTEST)
        return np.asarray(np.linalg.solve(matrix, force))


def across_step(hessian: FloatArray, pull: Pull) -> FloatArray:
    """Return the quasi-Newton step (n_free,) perpendicular to the tangent, Angstrom."""
    t = pull.tangent
    ht = hessian @ t
    projected = hessian - np.outer(ht, t) - np.outer(t, ht) + (t @ ht + 1.0) * np.outer(t, t)
    values, vectors = np.linalg.eigh(projected)
    values = np.maximum(np.abs(values), SOFTEST)
    step: FloatArray = vectors @ ((vectors.T @ pull.across) / values)
    return step - (step @ t) * t


def improved_tangent(
    ahead: FloatArray, behind: FloatArray, energies: Sequence[float]
) -> FloatArray:
    """Return the unit tangent from the neighbours and the energies of the three images.

    Parameters
    ----------
    ahead, behind
        Vectors to the next and from the last image, (n,).
    energies
        Of the last, this and the next image, eV.

    Examples
    --------
    >>> improved_tangent(np.array([1.0, 0.0]), np.array([0.0, 1.0]), [0.0, 1.0, 2.0]).tolist()
    [1.0, 0.0]
    """
    last, this, following = energies
    if following > this > last:
        tangent = ahead
    elif following < this < last:
        tangent = behind
    else:
        big = max(abs(following - this), abs(last - this))
        small = min(abs(following - this), abs(last - this))
        up, down = (big, small) if following > last else (small, big)
        tangent = up * ahead + down * behind
    length = float(np.linalg.norm(tangent))
    return tangent / length if length > 0 else (ahead + behind) / np.linalg.norm(ahead + behind)


def unwrapped(images: Sequence[Poscar]) -> list[Poscar]:
    """Return the images with every atom followed through the cell walls.

    An atom at 0.99 in one image and 0.01 in the next moves by 0.02, not by 0.98.
    """
    result = [images[0]]
    for image in images[1:]:
        jump = np.round(image.fractional - result[-1].fractional)
        result.append(replace(image, fractional=image.fractional - jump))
    return result


def describe(pull: Pull) -> str:
    """Return the lines of OUTCAR about the band, in the wording of VASP and VTST."""
    lines = [
        f" NEB: projections on to tangent (spring, REAL) {pull.spring:16.6f} {pull.real:16.6f}",
        f" NEB: force perpendicular to the tangent {float(np.linalg.norm(pull.across)):16.6f}",
    ]
    if pull.climbs:
        lines.append(" NEB: this image climbs")
    return "\n".join([*lines, ""])


def _report(step: int, band: _Band, force: float) -> None:
    """Print one line per step of the band: energies relative to the first end."""
    energies = np.array(band.energies) - band.energies[0]
    sys.stdout.write(
        f"{step:4d} E-E(00)=" + "".join(f"{e:9.4f}" for e in energies) + f"  fmax= {force:.4f}\n"
    )
    sys.stdout.flush()
