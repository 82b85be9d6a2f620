"""Complexes of a study: placements ranked, the best relaxed, and what binds their parts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pymatgen.core import Structure

from ..results.requests import (
    ComplexRequest,
    EnergyRequest,
    LegRequest,
    PartRequest,
    PlacementRequest,
    TransferRequest,
)
from ..structures.docking import Docked, dock
from ..structures.errors import InputError
from ..structures.species import BoxedSpecies, box_species
from .calculations import Calculation
from .molecular_parts import Complex
from .planner import Planner, Start
from .study import pick
from .systems import PADDING, System, add_boxed, bond_request, parents


def add_complex(planner: Planner, name: str, part: Complex) -> None:
    """Add a complex: its placements, the relaxations of the best, and its energies."""
    host, guest = planner.systems[part.host], planner.systems[part.guest]
    keep = pick(part.keep, planner.profile)
    n = max(keep, pick(part.candidates, planner.profile))
    docked = dock(host.species, guest.species, anchor=part.anchor, heads=part.heads or None, n=n)
    if len(docked) < keep:
        raise InputError(
            f"complex {name!r}: {len(docked)} placements of {part.guest} at {part.anchor!r} of "
            f"{part.host} are free of clashes, {keep} are to be kept; lower keep"
        )
    boxes = _boxes(name, docked)
    system = _relaxed(planner, name, part, host, boxes, keep)
    planner.systems[name] = system
    _add_energies(planner, part, host, guest, system)
    inside = system.boxed.atoms[len(host.species.symbols) :]
    lengths = bond_request(host.name, name, system.keys[0], guest.species, inside, before=guest)
    if lengths:
        planner.requests.append(lengths)
    wants_difference = part.difference.get(planner.profile, False)
    if wants_difference or part.charges.get(planner.profile):
        _add_charges(planner, host, guest, system, wants_difference)


def _boxes(name: str, docked: Sequence[Docked]) -> list[BoxedSpecies]:
    """Return all placements in boxes of one size."""
    species = [replace(item.species, name=name) for item in docked]
    extents = np.max([np.ptp(item.positions, axis=0) for item in species], axis=0) + PADDING
    edges = np.full(3, extents.max()) if species[0].charge else extents
    return [box_species(item, edges=edges.tolist()) for item in species]


def _relaxed(
    planner: Planner,
    name: str,
    part: Complex,
    host: System,
    boxes: Sequence[BoxedSpecies],
    keep: int,
) -> System:
    """Return the complex, relaxed from the placements that are lowest in energy as built."""
    starts = [host.start("host", atoms=host_atoms(host, box)) for box in boxes]
    if len(boxes) > keep:  # one evaluation of each, as built, says which are worth relaxing
        tried = [
            add_boxed(planner, name, f"{name}/placement-{i}/static", "static", box, start=start)
            for i, (box, start) in enumerate(zip(boxes, starts, strict=True), start=1)
        ]
        planner.requests += _ranking(part, name, [calculation.key for calculation in tried])
        ranked = parents("structure", [calculation.key for calculation in tried])
        starts = [Start(parents=ranked, rank=rank) for rank in range(keep)]
    n_host = len(host.species.symbols)
    held = sorted(boxes[0].atoms[:n_host]) if part.hold_host.get(planner.profile) else ()
    relaxed = tuple(
        add_boxed(planner, name, f"{name}/{i + 1}/relax", "molecule", box, start=s, held=held)
        for i, (box, s) in enumerate(zip(boxes[:keep], starts[:keep], strict=True))
    )
    return System(name=name, boxed=boxes[0], relaxed=relaxed)


def _ranking(part: Complex, name: str, keys: Sequence[str]) -> list[EnergyRequest]:
    """Return by how much each placement, as built, lies above the lowest."""
    lowest = LegRequest(
        role="lowest placement", factor=-1.0, key=keys[0], alternatives=tuple(keys[1:])
    )
    return [
        EnergyRequest(
            model=part.host,
            label=f"{name}, placement {number}",
            quantity="energy above the lowest placement, as built",
            legs=(LegRequest(role=f"placement {number}", factor=1.0, key=key), lowest),
            equation=f"lowest placement -> placement {number}",
        )
        for number, key in enumerate(keys, start=1)
    ]


def host_atoms(host: System, box: BoxedSpecies) -> tuple[int, ...]:
    """Return where each atom of the host's structure is in the structure of a complex on it."""
    places = dict(zip(host.boxed.atoms, box.atoms, strict=False))  # the host's atoms come first
    return tuple(places[i] for i in range(len(host.boxed.atoms)))


def _add_energies(
    planner: Planner, part: Complex, host: System, guest: System, system: System
) -> None:
    """Add the binding energy, and the parts frozen as in the complex that take it apart."""
    placements = tuple(
        PlacementRequest(
            name=f"placement {number}",
            key=calculation.key,
            frozen={
                name: _frozen(planner, system, calculation, name, item, atoms).key
                for name, item, atoms in _parts(host, guest, system)
            },
        )
        for number, calculation in enumerate(system.relaxed, start=1)
    )
    planner.requests.append(
        ComplexRequest(
            model=part.host,
            label=system.name,
            quantity=f"{part.guest} binding energy",
            reference="relaxed parts",
            placements=placements,
            parts=tuple(
                PartRequest(name=name, key=item.keys[0], alternatives=item.keys[1:])
                for name, item, _ in _parts(host, guest, system)
            ),
            equation=f"{part.host} + {part.guest} -> {system.name}",
        )
    )


def _parts(
    host: System, guest: System, system: System
) -> list[tuple[str, System, tuple[int, ...]]]:
    """Return host and guest with their names and atoms in the structure of the complex."""
    n = len(host.species.symbols)
    atoms = system.boxed.atoms
    second = guest.name if guest.name != host.name else f"second {guest.name}"
    return [
        (host.name, host, tuple(sorted(atoms[:n]))),
        (second, guest, tuple(sorted(atoms[n:]))),
    ]


def _frozen(
    planner: Planner,
    system: System,
    whole: Calculation,
    name: str,
    part: System,
    atoms: tuple[int, ...],
    task: str = "static",
) -> Calculation:
    """Add a part by itself, in the box and the geometry that it has in a complex."""
    folder = whole.label.name.rpartition("/")[0]
    return add_boxed(
        planner,
        system.name,
        f"{folder}/{name} frozen/{task}",
        task,
        boxed_part(system, part, atoms),
        start=Start(parents={"structure": whole.key}, atoms=atoms),
    )


def _add_charges(
    planner: Planner, host: System, guest: System, system: System, wants_difference: bool
) -> None:
    """Add the density of a complex, the charges of its parts, and its difference from them."""
    name = f"{system.name}/charge"
    whole = add_boxed(planner, system.name, name, "charge", system.boxed, start=system.start())
    parts = _parts(host, guest, system)
    difference = None
    if wants_difference:
        alone = {
            name: _frozen(planner, system, whole, name, item, atoms, task="charge").key
            for name, item, atoms in parts
        }
        difference = planner.subtract(system.name, whole, alone)
    planner.requests.append(
        TransferRequest(
            # What a density difference is drawn of is a system of its own.
            model=system.name if wants_difference else host.name,
            label=system.name,
            key=whole.key,
            fragments={name: atoms for name, _, atoms in parts},
            show=tuple(name for name, _, _ in parts),
            difference=difference and difference.key,
        )
    )


def boxed_part(system: System, part: System, atoms: Sequence[int]) -> BoxedSpecies:
    """Return a part of a complex alone in the complex's box; atoms as in its structure, sorted."""
    offset = 0 if system.boxed.atoms[0] in atoms else len(system.boxed.atoms) - len(atoms)
    rank = {atom: place for place, atom in enumerate(atoms)}
    order = system.boxed.atoms[offset : offset + len(atoms)]
    return BoxedSpecies(
        species=part.species,
        structure=Structure.from_sites([system.boxed.structure[i] for i in atoms]),
        atoms=tuple(rank[i] for i in order),
    )
