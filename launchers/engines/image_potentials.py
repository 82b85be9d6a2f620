"""Calculators of a band's images, and what the band asks of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .poscars import Poscar
from .potentials import Evaluation, FloatArray, Potential
from .smoothing import smoothed
from .stopping import Stopper

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class MakesPotentials(Protocol):
    """The part of an engine that is needed here."""

    def potential(self, poscar: Poscar, folder: Path, stopper: Stopper) -> Potential:
        """Return a calculator for a geometry; see `run.Engine`."""
        ...


class ImagePotentials:
    """Calculators of images in this process; each is made when it is first needed.

    Each keeps its density or wavefunction as the start of the next geometry of its image.

    Parameters
    ----------
    engine
        Makes them.
    images, folders
        Of the whole band, ends included; atoms followed through the cell walls.
    stopper
        Lets signals act.
    """

    def __init__(
        self,
        engine: MakesPotentials,
        images: Sequence[Poscar],
        folders: Sequence[Path],
        stopper: Stopper,
    ) -> None:
        self._engine = engine
        self._images = images
        self._folders = folders
        self._stopper = stopper
        self._made: dict[int, Potential] = {}

    def of(self, i: int) -> Potential:
        """Return the calculator of image i."""
        if i not in self._made:
            self._made[i] = self._new(i)
        return self._made[i]

    def evaluate(self, i: int, positions: FloatArray) -> Evaluation:
        """Evaluate image i at positions (n_atoms, 3) in Angstrom."""
        return self.of(i).evaluate(positions)

    def evaluate_end(self, i: int, positions: FloatArray) -> Evaluation:
        """Evaluate an image that is not asked for again: its memory is free afterwards."""
        return self._new(i).evaluate(positions)

    def smooth(self, i: int, held: int) -> Poscar:
        """Return image i with its atoms relaxed around the held one, if it is rough."""
        return smoothed(self.of(i), self._images[i], held, self._stopper, f"{i:02d}")

    def write_densities(self, i: int, head: str) -> dict[str, Any]:
        """Write the files on grids of image i into its folder; see `Potential`."""
        return self.of(i).write_densities(self._folders[i], head)

    def _new(self, i: int) -> Potential:
        return self._engine.potential(self._images[i], self._folders[i], self._stopper)


class Sharing(Protocol):
    """Who computes images: this process one after the other, or several at the same time."""

    def ask(
        self, work: Callable[[ImagePotentials, int, Asked], Answer], each: Mapping[int, Asked]
    ) -> dict[int, Answer]:
        """Return the answer of each image.

        Parameters
        ----------
        work
            A method of `ImagePotentials`.
        each
            What it is asked, by image.
        """
        ...


class InTurn:
    """Computes the images of a band one after the other."""

    def __init__(self, potentials: ImagePotentials) -> None:
        self._potentials = potentials

    def ask(
        self, work: Callable[[ImagePotentials, int, Asked], Answer], each: Mapping[int, Asked]
    ) -> dict[int, Answer]:
        """See `Sharing`."""
        return {i: work(self._potentials, i, asked) for i, asked in each.items()}


@dataclass(frozen=True)
class SharedPotential:
    """The calculator of an image, wherever it is; it takes the place of a `Potential`."""

    sharing: Sharing
    i: int

    def evaluate(self, positions: FloatArray) -> Evaluation:
        """See `Potential`."""
        return self.sharing.ask(ImagePotentials.evaluate, {self.i: positions})[self.i]

    def write_densities(self, _folder: Path, head: str) -> dict[str, Any]:
        """See `Potential`; the folder is that of the image."""
        return self.sharing.ask(ImagePotentials.write_densities, {self.i: head})[self.i]
