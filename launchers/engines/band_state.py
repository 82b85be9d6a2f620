"""The images of a nudged elastic band: where they are, what they have, how they move."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .elastic import Pull, across_step, band_pulls, climbing_image, learned, moves_along
from .freedom import Freedom
from .hessians import model_hessian
from .image_potentials import ImagePotentials, Sharing
from .poscars import Poscar
from .potentials import Evaluation, FloatArray
from .ridges import LOWER, Aside, way_aside
from .search_memory import forget, recall, remember
from .searching import limited
from .smoothing import hopping_atom
from .tags import Settings

# eV/Angstrom across the path; on a rough band the highest image changes, and would run away
CLIMB_BELOW = 1.0
MAX_MOVE = 0.1  # Angstrom, largest component of a step of one image
MIN_MOVE = 0.02  # Angstrom; steps get this short while the forces of the band grow


class Band:
    """Positions, evaluations and Hessians of all images.

    Parameters
    ----------
    sharing
        Who computes the images.
    images
        See `bands.run_band`.
    settings
        SPRING and LCLIMB.
    folders
        Of the images, where what they learn is kept.
    """

    def __init__(
        self,
        sharing: Sharing,
        images: Sequence[Poscar],
        settings: Settings,
        folders: Sequence[Path],
    ) -> None:
        self.sharing = sharing
        self._folders = folders[1:-1]
        self.freedom = Freedom(images[0])
        self._settings = settings
        self._climbs = False
        self._climber: int | None = None
        self._force = self._height = np.inf
        self._moving = range(1, len(images) - 1)
        self._hopping = hopping_atom(images)
        self.n_apart = 0  # evaluations that are no step: ends, and looks beside the path
        self.ends = (np.nan, np.nan)  # F in eV
        self.images = images = self._smooth(images)
        self._x = [image.positions for image in images]
        learnt = [
            recall(
                folder, self.freedom.reduce_matrix(model_hessian(image, image.positions)), MAX_MOVE
            )
            for folder, image in zip(self._folders, images[1:-1], strict=True)
        ]
        self._hessians = [hessian for hessian, _ in learnt]
        self._longest = min(longest for _, longest in learnt)
        self._evaluations: list[Evaluation | None] = [None] * len(images)
        self._before: list[tuple[FloatArray, FloatArray] | None] = [None] * len(images)
        self._tangents: list[FloatArray] = []  # of the last step, unit vectors

    def _smooth(self, images: Sequence[Poscar]) -> list[Poscar]:
        """Return the images with those that are rough relaxed around the hopping atom."""
        held = dict.fromkeys(self._moving, self._hopping)
        middle = self.sharing.ask(ImagePotentials.smooth, held)
        return [images[0], *middle.values(), images[-1]]

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
        middle = [self.evaluation(i).free_energy for i in self._moving]
        return [self.ends[0], *middle, self.ends[1]]

    def evaluate_ends(self) -> Mapping[int, Evaluation]:
        """Return the evaluations of both ends."""
        ends = (0, len(self.images) - 1)
        self.n_apart += len(ends)
        return self.sharing.ask(ImagePotentials.evaluate_end, {i: self._x[i] for i in ends})

    def evaluate(self) -> None:
        """Evaluate the moving images and teach their Hessians."""
        found = self.sharing.ask(ImagePotentials.evaluate, {i: self._x[i] for i in self._moving})
        for i, evaluation in found.items():
            x = self.freedom.reduce(self._x[i])
            force = self.freedom.reduce(evaluation.forces)
            before = self._before[i]
            if before is not None:
                self._hessians[i - 1] = learned(
                    self._hessians[i - 1], x - before[0], before[1] - force, self._tangents[i - 1]
                )
            self._before[i] = (x, force)
            self._evaluations[i] = evaluation

    def pulls(self) -> list[Pull]:
        """Return what the band does to each moving image."""
        points = [self.freedom.reduce(x) for x in self._x]
        forces = [self.freedom.reduce(self.evaluation(i).forces) for i in range(1, len(points) - 1)]
        stiffness = abs(self._settings.spring)
        energies = self.energies
        pulls = band_pulls(points, forces, energies, stiffness=stiffness, climber=None)
        rough = max(self.freedom.largest_force(self.freedom.expand(p.across)) for p in pulls)
        self._climbs |= self._settings.lclimb and rough < CLIMB_BELOW
        if self._climbs:
            self._climber = climbing_image(energies, self._climber)
            pulls = band_pulls(points, forces, energies, stiffness=stiffness, climber=self._climber)
        self._tangents = [pull.tangent for pull in pulls]
        return pulls

    def largest_force(self, pulls: Sequence[Pull]) -> float:
        """Return the largest force of the band on an atom, in eV/Angstrom."""
        return max(self.freedom.largest_force(self.freedom.expand(p.force)) for p in pulls)

    def move(self, pulls: Sequence[Pull], force: float) -> None:
        """Move all images: a quasi-Newton step across the band, the springs solved along it.

        A band has no energy that a step must lower: its steps are made shorter while its largest
        force (eV/Angstrom) grows, unless all images fall together, as off a ridge.
        """
        height = float(np.mean(self.energies[1:-1]))
        is_worse = force > 1.05 * self._force and height > self._height
        factor = 0.5 if is_worse else 1.3
        self._longest = float(np.clip(self._longest * factor, MIN_MOVE, MAX_MOVE))
        self._force, self._height = force, height
        along = moves_along(pulls, self._hessians, stiffness=abs(self._settings.spring))
        for i, pull in enumerate(pulls, start=1):
            step = across_step(self._hessians[i - 1], pull) + along[i - 1] * pull.tangent
            self._x[i] = self._x[i] + self.freedom.expand(limited(step, self._longest))
            remember(self._folders[i - 1], self._hessians[i - 1], self._longest)

    def lower_aside(self, pulls: Sequence[Pull]) -> Aside | None:
        """Look beside the path at the top of the band; None where it is a saddle, or no top."""
        energies = self.energies
        top = 1 + int(np.argmax(energies[1:-1]))
        # What was learnt may be soft from sliding down some other way; the model is not.
        model = self.freedom.reduce_matrix(model_hessian(self.images[top], self._x[top]))
        way = way_aside(self.freedom.moves_of(self._hopping), model, pulls[top - 1])
        if energies[top] <= max(energies[0], energies[-1]) or way is None:
            return None
        fall = energies[top] - self._look(top, self.freedom.expand(way))
        sys.stdout.write(f"     image {top:02d}: {-1000 * fall:+.1f} meV aside of the path\n")
        if fall > LOWER:
            return Aside(image=top, way=way, fall=fall)
        self._look(top, 0.0)  # files on grids and checkpoints are of where it was last
        return None

    def _look(self, i: int, way: FloatArray | float) -> float:
        """Return F of image i, moved by (n_atoms, 3) Angstrom for once, in eV."""
        self.n_apart += 1
        return self.sharing.ask(ImagePotentials.evaluate, {i: self._x[i] + way})[i].free_energy

    def move_aside(self, aside: Aside) -> None:
        """Move the top of the band to the lower ground beside it, and the others after it."""
        for i in self._moving:
            part = min(i / aside.image, (len(self._x) - 1 - i) / (len(self._x) - 1 - aside.image))
            self._x[i] = self._x[i] + part * self.freedom.expand(aside.way)

    def forget(self) -> None:
        """Remove what was remembered of the way: the band is at rest."""
        for folder in self._folders:
            forget(folder)
