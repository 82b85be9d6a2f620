"""Several molecules as one species: joined where they are, set far apart, or given ions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .contacts import CLASH, bonding_distance
from .errors import InputError, StructureError
from .sites import ION_RADII
from .species import Species
from .touching import Contacts, lone_pairs, pair_contacts

Floats = NDArray[np.float64]

_DIRECTIONS = 400  # tried around each atom that an ion may sit at


def join(host: Species, guest: Species, positions: Floats, *, name: str = "") -> Species:
    """Return two species as one, the guest's atoms behind the host's.

    Charges add up; so do the spins, which are taken as parallel, and moments stand side by side.

    Parameters
    ----------
    positions
        (n, 3) places of the guest's atoms, Angstrom.
    name
        Of the whole; by default both names with a plus between them.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> oh, water = build_species("OH"), build_species("H2O")
    >>> pair = join(oh, water, water.positions + [0, 0, 4])
    >>> pair.name, pair.multiplicity, dict(pair.fragments)
    ('OH+H2O', 2, {'OH': (0, 1), 'H2O': (2, 3, 4)})
    """
    n = len(host.symbols)
    parts = dict(host.fragments) or {host.name: tuple(range(n))}
    behind = tuple(range(n, n + len(guest.symbols)))
    parts[_unused(guest.name, parts)] = behind
    moments = None
    if host.moments is not None or guest.moments is not None:
        moments = (*_moments(host), *_moments(guest))
    return Species(
        name=name or f"{host.name}+{guest.name}",
        symbols=(*host.symbols, *guest.symbols),
        positions=np.vstack([host.positions, positions]),
        charge=host.charge + guest.charge,
        multiplicity=host.multiplicity + guest.multiplicity - 1,
        moments=moments,
        fragments=parts,
    )


def separate(host: Species, guest: Species, distance: float = 30.0) -> Species:
    """Return two species side by side along x, so far apart that neither knows of the other.

    Parameters
    ----------
    distance
        Angstrom between their nearest atoms along x.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> pair = separate(build_species("H2O"), build_species("H2O"))
    >>> float(np.ptp(pair.positions[:, 0]).round(1)), list(pair.fragments)
    (30.0, ['H2O', 'H2O 2'])
    """
    move = np.array([host.positions[:, 0].max() + distance - guest.positions[:, 0].min(), 0, 0])
    middles = [(p.max(axis=0) + p.min(axis=0)) / 2 for p in (host.positions, guest.positions)]
    move[1:] = (middles[0] - middles[1])[1:]
    return join(host, guest, guest.positions + move)


def add_ions(
    species: Species, around: str | Sequence[int] | None, n: int, *, ion: str = "Li"
) -> Species:
    """Return a species with cations at its lone pairs, each of charge +1 and an own part.

    Parameters
    ----------
    around
        A part of the species, atoms of it, or None for all: where the ions may sit.
    n
        How many; 2.8 Angstrom at least are between two.
    ion
        Li, Na or K.

    Raises
    ------
    StructureError
        There is no room, or no lone pair, for so many.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> neutral = add_ions(build_species("SO3(2-)"), None, 2)
    >>> neutral.charge, neutral.symbols[4:], list(neutral.fragments)
    (0, ('Li', 'Li'), ['SO3(2-)', 'Li', 'Li 2'])
    """
    if ion not in ION_RADII:
        raise InputError(f"no radius for ion {ion!r}; there are {', '.join(ION_RADII)}")
    atoms = _part(species, around)
    result = species
    for count in range(n):
        single = Species(
            name=ion, symbols=(ion,), positions=np.zeros((1, 3)), charge=1, multiplicity=1
        )
        places = _around(species, atoms, ion)
        contacts = pair_contacts(result, single)
        scores = _scores(result, contacts, places)
        if not np.isfinite(scores).any():
            raise StructureError(
                f"no room for {n} {ion} at {species.name}: {count} fit. Ask for fewer, or give "
                "more atoms to put them around"
            )
        best = _settled(result, contacts, places[int(scores.argmax())])
        result = join(result, single, best[None], name=species.name)
    return result


def _unused(name: str, parts: dict[str, tuple[int, ...]]) -> str:
    """Return a name, with a number behind it if there is such a part."""
    number = 2
    unused = name
    while unused in parts:
        unused, number = f"{name} {number}", number + 1
    return unused


def _moments(species: Species) -> tuple[float, ...]:
    """Return the moments of the atoms, 0 where none are known."""
    return species.moments if species.moments is not None else (0.0,) * len(species.symbols)


def _part(species: Species, around: str | Sequence[int] | None) -> list[int]:
    """Return the atoms that ions may sit at."""
    if isinstance(around, str):
        if around not in species.fragments:
            raise InputError(
                f"{species.name} has no part {around!r}; there are "
                f"{', '.join(species.fragments) or 'none'}"
            )
        return list(species.fragments[around])
    return list(range(len(species.symbols))) if around is None else list(around)


def _around(species: Species, atoms: Sequence[int], ion: str) -> Floats:
    """Return places at the length of a bond from each lone pair, and where two such meet."""
    pairs = lone_pairs(species)
    givers = [i for i in atoms if i in pairs]
    lengths = [bonding_distance(ion, species.symbols[i]) for i in givers]
    sphere = _sphere()
    return np.vstack(
        [species.positions[i] + length * sphere for i, length in zip(givers, lengths, strict=True)]
        or [np.empty((0, 3))]
    )


def _sphere() -> Floats:
    """Return directions spread evenly."""
    i = np.arange(_DIRECTIONS) + 0.5
    height, angle = 1 - 2 * i / _DIRECTIONS, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)


def _scores(species: Species, contacts: Contacts, places: Floats) -> Floats:
    """Return the score of an ion at each place, -inf where it overlaps."""
    if not len(places):
        return np.array([-np.inf])
    distances = np.linalg.norm(species.positions[None] - places[:, None], axis=2)[..., None]
    scores = contacts.score(distances)
    scores[
        (distances < np.maximum(contacts.least, CLASH * contacts.radii)).any(axis=(1, 2))
    ] = -np.inf
    return scores


def _settled(species: Species, contacts: Contacts, place: Floats) -> Floats:
    """Return the best place near one, so that the grid of directions leaves no trace."""
    steps = 0.3 * np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    for _ in range(40):
        around = place + steps
        best = int(_scores(species, contacts, around).argmax())
        place = around[best]
        if best == 0:
            steps = steps / 2
    return place
