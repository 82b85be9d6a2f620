"""How a molecule comes apart: relaxed scans of its bonds, the states between, bands, charges.

Every cell is neutral. The electrons that reduce the molecule are those of atoms of the donor (Li)
put beside it; of each broken bond one piece may leave with its ions as a phase of its own, so that
atoms, charge and electrons are conserved from state to state.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ..results.requests import StepBandRequest
from ..structures.complexes import add_ions
from ..structures.edits import hold_atoms
from ..structures.errors import InputError
from ..structures.species import Species, box_species
from ..structures.transformations import PlaceAnew, Stretch, TakeAway
from .calculations import Calculation
from .complex_planning import host_atoms
from .decomposition_pathways import MOMENT, Pathway, State, named_atoms, piece_of
from .decomposition_requests import add_requests
from .molecular_parts import FREE, Decomposition, Scission
from .planner import Planner, Start
from .study import pick
from .systems import PADDING, System, add_boxed, parents, starting_moments

_ROOM = 4.0  # Angstrom more in the box than a complex needs: its pieces move away from each other


def add_decomposition(planner: Planner, part: Decomposition) -> None:
    """Add how a molecule comes apart by itself and on each host."""
    for name in part.where_in(planner.profile):
        pathway = _intact(planner, part, name)
        for step in part.steps:
            _break(pathway, step)
            if step.leaves:
                _leave(pathway, step)
        add_requests(pathway)


def _intact(planner: Planner, part: Decomposition, name: str) -> Pathway:
    """Return the pathway with the molecule whole, before and after it takes up electrons."""
    molecule = planner.systems[part.molecule]
    start = molecule if name == FREE else planner.systems[name]
    n_host = len(start.species.symbols) - len(molecule.species.symbols)
    reduced = _with_donor(planner, part, start.species, n_host)
    box = box_species(reduced, PADDING + _ROOM)
    held = tuple(sorted(box.atoms[:n_host])) if part.hold_host.get(planner.profile) else ()
    structure = hold_atoms(box.structure, held) if held else box.structure.copy()
    moments = starting_moments(box)
    if moments is not None:
        structure.add_site_property(MOMENT, moments)
    pathway = Pathway(
        planner=planner,
        part=part,
        where=FREE if name == FREE else planner.study.complexes[name].host,
        name=name,
        molecule=molecule,
        structure=structure,
        host=tuple(sorted(box.atoms[:n_host])),
        places=_places(planner, molecule, box.atoms[n_host:]),
    )
    whole = _whole(pathway, start, n_host, is_held=bool(held))
    pathway.states.append(
        State(
            name=part.molecule,
            calculation=whole,
            places=_places(planner, molecule, start.boxed.atoms[n_host:]),
            host=tuple(sorted(start.boxed.atoms[:n_host])),
        )
    )
    if part.electrons:
        name = f"{part.molecule} + {part.electrons} {part.donor}"
        host = host_atoms(replace(start, relaxed=(whole,)), box)
        taken_up = Start(parents={"host": whole.key}, atoms=host)
        # The molecule stays as it is: with two electrons more it may fall apart at any bond.
        held = tuple(pathway.places.values())
        reduced_run = _relax(pathway, f"{part.molecule} reduced", taken_up, held=held)
        _add_state(pathway, name, reduced_run)
    return pathway


def _places(planner: Planner, molecule: System, atoms: Sequence[int]) -> dict[int, int]:
    """Return where the molecule's atoms are, but for its ions: any of them may leave."""
    symbols = molecule.species.symbols
    pairs = zip(symbols, atoms, strict=False)  # atoms of the donor come behind
    return {i: place for i, (s, place) in enumerate(pairs) if s != planner.study.ion}


def _with_donor(planner: Planner, part: Decomposition, start: Species, n_host: int) -> Species:
    """Return the molecule, on its host, with the atoms beside it whose electrons it takes up."""
    if not part.electrons:
        return start
    molecule = planner.systems[part.molecule].species
    atoms = named_atoms(part, molecule)
    around = [n_host + atoms(name) for name in part.donor_at]
    if not around:
        around = list(range(n_host, len(start.symbols)))
    ion = planner.phases[part.donor].structure[0].specie.symbol
    ions = add_ions(start, around, part.electrons, ion=ion)
    # Atoms, not ions: their electrons come along.
    return replace(ions, charge=start.charge, multiplicity=start.multiplicity)


def _whole(pathway: Pathway, start: System, n_host: int, *, is_held: bool) -> Calculation:
    """Return the relaxation of the molecule whole on its host, the lowest there is."""
    held = sorted(start.boxed.atoms[:n_host]) if is_held else []
    same = hold_atoms(start.boxed.structure, held) if held else start.boxed.structure
    [*others, last] = start.relaxed
    if not others and last.structure == same:
        return last
    name = f"{pathway.folder}/{pathway.part.molecule}/relax"
    return add_boxed(
        pathway.planner,
        pathway.where,
        name,
        "molecule",
        start.boxed,
        start=start.start(),
        held=held,
    )


def _break(pathway: Pathway, step: Scission) -> None:
    """Add the relaxed scan of a bond, the state that it leads to, and the band between.

    The band ends at the last point of the scan: a pair of pieces that falls together again when it
    is let go has no minimum of its own, but the pathway to its parting has a barrier.
    """
    atoms = named_atoms(pathway.part, pathway.molecule.species)
    first, second = (atoms(label) for label in step.bond)
    for atom, label in ((first, step.bond[0]), (second, step.bond[1])):
        if atom not in pathway.places:
            raise InputError(f"step {step.name!r} of {pathway.part.name}: {label} has left before")
    pathway.broken.append((first, second))
    moving = [pathway.places[i] for i in piece_of(pathway, second) if i in pathway.places]
    if pathway.places[first] in moving:
        raise InputError(
            f"step {step.name!r} of {pathway.part.name}: {pathway.part.molecule} stays in one "
            f"piece without the bond {step.bond[0]}-{step.bond[1]}; break one that is in no ring"
        )
    before, scan = pathway.states[-1].calculation, list[Calculation]()
    for number, length in enumerate(_lengths(pathway, step, first, second), start=1):
        pull = Stretch(
            first=pathway.places[first],
            second=pathway.places[second],
            moving=tuple(sorted(moving)),
            length=round(length, 3),
            towards=step.towards,
        )
        pathway.structure = pull.apply(pathway.structure)
        previous = (scan[-1] if scan else before).key
        start = Start(parents={"structure": previous}, transformation=pull)
        held = (pathway.places[first], pathway.places[second])
        scan.append(_relax(pathway, f"{step.name} scan/{number}", start, held=held))
    name, last = f"{step.name} broken", scan[-1]
    if not step.hold:
        last = _relax(pathway, name, Start(parents={"structure": last.key}))
    _add_state(pathway, name, last)
    _add_band(pathway, step, before, scan)


def _lengths(pathway: Pathway, step: Scission, first: int, second: int) -> list[float]:
    """Return the lengths of a bond along its scan, in Angstrom."""
    positions = pathway.molecule.species.positions
    start = float(np.linalg.norm(positions[second] - positions[first]))
    if step.to <= start:
        raise InputError(
            f"step {step.name!r} of {pathway.part.name}: its bond is {start:.2f} Angstrom long and "
            f"is to be pulled to {step.to:g}; give a larger 'to'"
        )
    n = pick(step.points, pathway.planner.profile)
    return [float(x) for x in np.linspace(start, step.to, n + 1)[1:]]


def _add_band(
    pathway: Pathway, step: Scission, before: Calculation, scan: Sequence[Calculation]
) -> None:
    """Add the band from the bond as it was to the last point of its scan, through the others."""
    *between, last = scan
    keys = {"initial": before.key, "final": last.key}
    via = {f"via {number}": point.key for number, point in enumerate(between, start=1)}
    band = _add(
        pathway,
        f"{step.name}/neb",
        "neb",
        Start(parents={**keys, **via}),
        n_images=pick(pathway.part.images, pathway.planner.profile),
        final=_plain(last.structure),
        tags=pathway.part.incar.get(pathway.planner.profile),
    )
    pathway.bands.append(StepBandRequest(to=f"{step.name} broken", band=band.key, **keys))


def _leave(pathway: Pathway, step: Scission) -> None:
    """Add the state from which one of the two pieces has left with its ions."""
    atoms = named_atoms(pathway.part, pathway.molecule.species)
    gone = [i for i in piece_of(pathway, atoms(step.leaves)) if i in pathway.places]
    leaving = TakeAway(
        atoms=tuple(sorted(pathway.places[i] for i in gone)),
        with_nearest=pathway.planner.study.ion,
        n_nearest=step.ions,
    )
    number = "number"
    marked = pathway.structure.copy()
    marked.add_site_property(number, list(range(len(marked))))
    left = leaving.apply(marked)
    rank = {int(old): new for new, old in enumerate(left.site_properties[number])}
    left.remove_site_property(number)
    pathway.structure = left
    pathway.places = {i: rank[place] for i, place in pathway.places.items() if i not in gone}
    pathway.host = tuple(rank[i] for i in pathway.host)
    pathway.phases = (*pathway.phases, step.phase)
    previous = pathway.states[-1].calculation.key
    start = Start(parents={"structure": previous}, transformation=leaving)
    name = f"{step.phase} gone"
    if pathway.name in pathway.part.ions_anew.get(pathway.planner.profile, ()):
        start = _from_the_lower(pathway, name, start)
    _add_state(pathway, name, _relax(pathway, name, start))


def _from_the_lower(pathway: Pathway, name: str, start: Start) -> Start:
    """Return the lower of two ways to relax what is left: its ions as they are, and anew.

    One relaxation ends in the hollow that it began in, which for an ion may lie an eV too high.
    """
    ion = pathway.planner.study.ion
    if not pathway.places or all(site.specie.symbol != ion for site in pathway.structure):
        return start
    as_left = _relax(pathway, f"{name}, {ion} as left", start)
    move = PlaceAnew(ion=ion, around=tuple(sorted(pathway.places.values())))
    moved = Start(parents={"structure": as_left.key}, transformation=move)
    anew = _relax(pathway, f"{name}, {ion} anew", moved)
    return Start(parents=parents("structure", [as_left.key, anew.key]))


def _add_state(pathway: Pathway, name: str, calculation: Calculation) -> None:
    """Add a state of what is there now."""
    pathway.states.append(
        State(
            name=name,
            calculation=calculation,
            phases=pathway.phases,
            places=dict(pathway.places),
            host=pathway.host,
            broken=tuple(pathway.broken),
        )
    )


def _relax(pathway: Pathway, name: str, start: Start, held: Sequence[int] = ()) -> Calculation:
    """Add a relaxation of what is there, some of its atoms held."""
    return _add(pathway, f"{name}/relax", "molecule", start, held=held)


def _add(
    pathway: Pathway,
    name: str,
    task: str,
    start: Start,
    *,
    held: Sequence[int] = (),
    **options: Any,
) -> Calculation:
    """Add a calculation of what is there, with its moments."""
    structure = hold_atoms(pathway.structure, held) if held else pathway.structure
    return pathway.planner.add(
        pathway.where,
        f"{pathway.folder}/{name}",
        task,
        _plain(structure),
        spin=pathway.structure.site_properties.get(MOMENT),
        is_molecule=True,
        start=start,
        **options,
    )


def _plain(structure: Structure) -> Structure:
    """Return a structure without the moments it carries along."""
    result: Structure = structure.copy()
    if MOMENT in result.site_properties:
        result.remove_site_property(MOMENT)
    return result
