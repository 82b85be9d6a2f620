"""How one molecule can come up to a place on another: points, directions and turns to try.

Frames are laid by atoms, not by axes of space: the nearest atom beside an axis gives the zero of
all angles, and where several are alike by symmetry each gives one. So what is tried turns with the
molecules and does not depend on the order of their atoms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from .anchors import Anchor, unit
from .heads import PLANE, Head, guest_heads
from .species import Species

Floats = NDArray[np.float64]
_Of = TypeVar("_Of", Anchor, Head)

_BESIDE = 0.5  # Angstrom off an axis, so that an atom gives a direction around it
_ALIKE = 1e-3  # of a fingerprint; atoms nearer than that are alike by symmetry
_SAME = 0.02  # Angstrom between atoms of two views that show the same
_TILTS = (0.0, 30.0, 60.0)  # degrees of a head's axis off the direction it comes from
_LEAN = 25.0  # degrees of that direction off the anchor's own
_FACING = np.diag([1.0, -1.0, -1.0])  # a guest's axis looks back at the host


@dataclass(frozen=True, kw_only=True)
class Approach:
    """A head that looks at an anchor; frames have the directions of both as third column."""

    anchor: Anchor
    head: Head
    frame: Floats  # (3, 3) of the host
    own: Floats  # (3, 3) of the guest


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A turned guest before it is lowered onto an anchor."""

    anchor: Anchor
    head: Head
    turn: Floats  # (3, 3): a vector of the guest becomes turn @ vector
    start: Floats  # (3,) Angstrom, where the head's point comes down
    path: Floats  # (3,) unit vector from there to where it comes from
    frame: Floats  # (3, 3) columns: two directions beside the anchor's, then that

    def placed(self, positions: Floats, rise: float = 0.0) -> Floats:
        """Return the guest's atoms with its head so many Angstrom above the start."""
        found: Floats = (positions - self.head.point) @ self.turn.T + self.start + rise * self.path
        return found


def approaches(
    host: Species, guest: Species, anchors: Sequence[Anchor], heads: Sequence[str] | None
) -> Iterator[Approach]:
    """Yield each pair of an anchor and a head in frames, those alike by symmetry once.

    Raises
    ------
    InputError
        The guest has no such head.
    """
    places = [
        (anchor, frame)
        for anchor in anchors
        for sign in ((1, -1) if anchor.two_sided else (1,))
        for frame in _frames(host, anchor.point, sign * anchor.direction)
    ]
    for anchor, frame in _unlike(host, [(a, a.kind, a.point, f) for a, f in places]):
        for head, own in unlike_ends(guest, guest_heads(guest, anchor, heads)):
            yield Approach(anchor=anchor, head=head, frame=frame, own=own)


def unlike_ends(guest: Species, heads: Sequence[Head]) -> Iterator[tuple[Head, Floats]]:
    """Yield heads in their frames, those that the guest's own symmetry makes alike once."""
    return _unlike(
        guest,
        [(h, h.label, h.point, f) for h in heads for f in _frames(guest, h.point, h.axis)],
    )


def poses(approach: Approach, *, spacing: float, angle: float) -> Iterator[Pose]:
    """Yield the ways in which a head of the guest comes up to an anchor of the host.

    Parameters
    ----------
    spacing
        Angstrom between places beside the anchor's point, for what lies flat.
    angle
        Degrees between turns about the direction of approach.
    """
    frame, is_flat = approach.frame, approach.head.label == PLANE
    leans = [np.eye(3)]
    if approach.anchor.kind != "surface":  # a slab lets nothing in from the side
        leans += [_tilt(_LEAN, azimuth) for azimuth in range(0, 360, 60)]
    for lean, shift, turn in _moves(is_flat, leans, spacing, angle):
        leant = frame @ lean
        yield Pose(
            anchor=approach.anchor,
            head=approach.head,
            turn=leant @ turn @ _FACING @ approach.own.T,
            start=approach.anchor.point + frame @ shift,
            path=leant[:, 2],
            frame=frame,
        )


def _unlike(
    species: Species, places: Sequence[tuple[_Of, str, Floats, Floats]]
) -> Iterator[tuple[_Of, Floats]]:
    """Yield of places with a label, point and frame those that no rotation makes alike."""
    seen = list[tuple[str, Floats]]()
    for what, label, point, frame in places:
        mark = _view(species, point, frame)
        if any(label == other and _is_same(mark, view) for other, view in seen):
            continue
        seen.append((label, mark))
        yield what, frame


def _view(species: Species, point: Floats, frame: Floats) -> Floats:
    """Return elements and places (n, 4) of all atoms as seen in a frame."""
    numbers = [atomic_numbers[s] for s in species.symbols]
    return np.column_stack([numbers, (species.positions - point) @ frame])


def _is_same(one: Floats, other: Floats) -> bool:
    """Return whether two views show the same atoms, in any order."""
    steps = np.abs(one[:, None] - other[None]).max(axis=2)
    return bool((steps.min(axis=1) < _SAME).all())


def _frames(species: Species, point: Floats, axis: Floats) -> list[Floats]:
    """Return frames around an axis, columns: towards an atom beside it, across, along it."""
    steps = species.positions - point
    along = steps @ axis
    beside = steps - along[:, None] * axis
    off = np.linalg.norm(beside, axis=1)
    far = np.flatnonzero(off > _BESIDE)
    if not len(far):
        first = unit(np.cross(axis, np.eye(3)[abs(axis).argmin()]))
        return [np.column_stack([first, np.cross(axis, first), axis])]
    distances = np.linalg.norm(steps, axis=1)[far]
    far = far[distances < distances.min() + _ALIKE]
    prints = np.array([_fingerprint(species, int(i)) for i in far])
    alike = far[prints > prints.max() - _ALIKE]
    firsts = [beside[i] / off[i] for i in alike]
    return [np.column_stack([e, np.cross(axis, e), axis]) for e in firsts]


def _fingerprint(species: Species, atom: int) -> float:
    """Return a number that atoms alike by symmetry share."""
    charges = np.array([atomic_numbers[s] for s in species.symbols], dtype=float)
    distances = np.linalg.norm(species.positions - species.positions[atom], axis=1)
    return float(1000 * charges[atom] + charges @ np.exp(-distances / 3.0))


def _moves(
    is_flat: bool, leans: Sequence[Floats], spacing: float, angle: float
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield lean of the path, shift beside the point, and turn of the guest, in the frame."""
    turns = np.arange(0.0, 360.0, angle)
    if is_flat:
        for shift in _grid(spacing):
            for turn in turns:
                yield np.eye(3), shift, _about_z(turn)
        return
    for lean in leans:
        for tilt in _TILTS:
            for azimuth in np.arange(0.0, 360.0, 60.0 if tilt else 360.0):
                for turn in turns:
                    yield lean, np.zeros(3), _tilt(tilt, azimuth) @ _about_z(turn)


def _grid(spacing: float, reach: float = 2.0) -> list[Floats]:
    """Return shifts in the plane within a ring's reach, a square grid about zero."""
    n = int(reach / spacing)
    steps = spacing * np.arange(-n, n + 1) if n else np.zeros(1)
    return [np.array([x, y, 0.0]) for x in steps for y in steps if x * x + y * y <= reach**2]


def _about_z(degrees: float) -> Floats:
    """Return a turn about the third axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _tilt(degrees: float, azimuth: float) -> Floats:
    """Return a tilt of the third axis towards an azimuth."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    lying = np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]])
    found: Floats = _about_z(azimuth) @ lying @ _about_z(-azimuth)
    return found
