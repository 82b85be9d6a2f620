"""How a molecule comes apart: relaxed scans of its bonds, the states between, bands, charges.

All atoms stay in one neutral cell. The electrons that reduce the molecule are those of atoms of the
donor (Li) that are put beside it, so that no cell is charged and every step conserves atoms,
charge and electrons by construction; at the end a salt (LiF) may leave as a phase of its own.
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
from ..structures.species import box_species
from ..structures.transformations import Stretch, TakeAway
from .calculations import Calculation
from .complex_planning import host_atoms
from .decomposition_requests import State, Way, add_requests, fragments
from .molecular_parts import FREE, Decomposition, Scission
from .planner import Planner, Start
from .study import pick
from .systems import PADDING, System, add_boxed, starting_moments

_ROOM = 4.0  # Angstrom more in the box than a complex needs: its parts move away from each other
_MOMENT = "starting moment"


def add_decomposition(planner: Planner, part: Decomposition) -> None:
    """Add how a molecule comes apart by itself and on each host."""
    for name in part.where:
        way = _intact(planner, part, name)
        for step in part.steps:
            _break(way, step)
        if part.departure:
            _depart(way)
        add_requests(way)


def _intact(planner: Planner, part: Decomposition, name: str) -> Way:
    """Return the way with the molecule whole, before and after it has taken up its electrons."""
    molecule = planner.systems[part.molecule]
    start = molecule if name == FREE else planner.systems[name]
    n_host = len(start.species.symbols) - len(molecule.species.symbols)
    around = range(n_host, len(start.species.symbols))
    reduced = start.species
    if part.electrons:
        ion = planner.phases[part.donor].structure[0].specie.symbol
        with_ions = add_ions(start.species, around, part.electrons, ion=ion)
        # Atoms, not ions: their electrons come along.
        reduced = replace(
            with_ions, charge=start.species.charge, multiplicity=start.species.multiplicity
        )
    box = box_species(reduced, PADDING + _ROOM)
    held = tuple(sorted(box.atoms[:n_host])) if part.hold_host.get(planner.profile) else ()
    where = name if name == FREE else planner.study.complexes[name].host
    way = Way(
        planner=planner, part=part, where=where, molecule=molecule, intact=start, box=box,
        structure=box.structure, held=held, states=[], bands=[], broken=[],
    )  # fmt: skip
    whole = _whole(way, start, n_host)
    way.states.append(State(name=part.molecule, calculation=whole))
    if part.electrons:
        host = replace(start, relaxed=(whole,))
        taken_up = Start(parents={"host": whole.key}, atoms=host_atoms(host, box))
        calculation = _relax(way, f"{part.molecule} reduced", way.structure, taken_up)
        way.states.append(State(name=_reduced_name(part), calculation=calculation))
    return way


def _whole(way: Way, start: System, n_host: int) -> Calculation:
    """Return the relaxation of the molecule whole on its host, the lowest there is."""
    held = tuple(sorted(start.boxed.atoms[:n_host])) if way.held else ()
    same = hold_atoms(start.boxed.structure, held) if held else start.boxed.structure
    [*others, last] = start.relaxed
    if not others and last.structure == same:
        return last
    name = f"{way.folder}/0-{way.part.molecule}/relax"
    return add_boxed(
        way.planner, way.where, name, "molecule", start.boxed, start=start.start(), held=held
    )


def _reduced_name(part: Decomposition) -> str:
    """Return the name of the state that has taken up its electrons."""
    return f"{part.molecule} + {part.electrons} {part.donor}"


def _break(way: Way, step: Scission) -> None:
    """Add the relaxed scan of a bond, the state that it leads to, and the band between."""
    first, second = (_atom(way, label) for label in step.bond)
    moving = _moving(way, first, second)
    before, structure = way.states[-1], way.structure
    scan = list[Calculation]()
    for number, length in enumerate(_lengths(way, step, first, second), start=1):
        pull = Stretch(
            first=way.at(first),
            second=way.at(second),
            moving=moving,
            length=round(length, 3),
            towards=step.towards,
        )
        structure = pull.apply(structure)
        previous = (scan[-1] if scan else before.calculation).key
        scan.append(
            _relax(
                way,
                f"{step.name} scan/{number}",
                structure,
                Start(parents={"structure": previous}, transformation=pull),
                held=(way.at(first), way.at(second)),
            )
        )
    way.structure = structure
    way.broken.append((first, second))
    name = f"{step.name} broken"
    after = _relax(way, name, structure, Start(parents={"structure": scan[-1].key}))
    way.states.append(State(name=name, calculation=after))
    if way.part.has_band(step, way.planner.profile):
        _add_band(way, step, before.calculation, scan, after)


def _lengths(way: Way, step: Scission, first: int, second: int) -> list[float]:
    """Return the lengths of a bond along its scan, in Angstrom."""
    positions = way.molecule.species.positions
    start = float(np.linalg.norm(positions[second] - positions[first]))
    if step.to <= start:
        raise InputError(
            f"step {step.name!r} of {way.part.name}: its bond is {start:.2f} Angstrom long and is "
            f"to be pulled to {step.to:g}; give a larger 'to'"
        )
    n = pick(step.points, way.planner.profile)
    return [float(x) for x in np.linspace(start, step.to, n + 1)[1:]]


def _add_band(
    way: Way, step: Scission, before: Calculation, scan: Sequence[Calculation], after: Calculation
) -> None:
    """Add the band from state to state through the points of the scan."""
    keys = {"initial": before.key, "final": after.key}
    via = {f"via {number}": point.key for number, point in enumerate(scan, start=1)}
    band = _add(
        way,
        f"{step.name}/neb",
        "neb",
        before.structure,
        Start(parents={**keys, **via}),
        n_images=pick(way.part.images, way.planner.profile),
        final=after.structure,
        tags=way.part.incar.get(way.planner.profile),
    )
    way.bands.append(StepBandRequest(to=f"{step.name} broken", band=band.key, **keys))


def _depart(way: Way) -> None:
    """Add the state from which an atom has left with the nearest ion, as a phase of its own."""
    departure = way.part.departure
    if departure is None:
        return
    leaving = TakeAway(atom=way.at(_atom(way, departure.atom)), with_nearest=way.planner.study.ion)
    marked = hold_atoms(way.structure, way.held)
    moments = starting_moments(way.box)
    if moments is not None:
        marked.add_site_property(_MOMENT, moments)
    left = leaving.apply(marked)
    spin = left.site_properties.get(_MOMENT)
    if spin is not None:
        left.remove_site_property(_MOMENT)
    calculation = way.planner.add(
        way.where,
        f"{way.folder}/{departure.name} gone/relax",
        "molecule",
        left,
        charge=way.box.species.charge,
        spin=spin,
        is_molecule=True,
        start=Start(parents={"structure": way.last.key}, transformation=leaving),
    )
    name = f"{departure.name} formed"
    way.states.append(State(name=name, calculation=calculation, phases=(departure.phase,)))


def _relax(
    way: Way, name: str, structure: Structure, start: Start, held: Sequence[int] = ()
) -> Calculation:
    """Add a relaxation; the host's atoms, where asked for, and some others are held."""
    both = sorted({*way.held, *held})
    fixed = hold_atoms(structure, both) if both else structure
    return _add(way, f"{name}/relax", "molecule", fixed, start)


def _add(
    way: Way, name: str, task: str, structure: Structure, start: Start, **options: Any
) -> Calculation:
    """Add a calculation of the cell, with the charge and moments of what is in it."""
    box = replace(way.box, structure=structure)
    label = f"{way.folder}/{name}"
    return add_boxed(way.planner, way.where, label, task, box, start=start, **options)


def _atom(way: Way, label: str) -> int:
    """Return an atom of the molecule by element and number, as S1 or N1."""
    symbols = way.molecule.species.symbols
    named: dict[str, int] = {}
    counts: dict[str, int] = {}
    for i, symbol in enumerate(symbols):
        counts[symbol] = counts.get(symbol, 0) + 1
        named[f"{symbol}{counts[symbol]}"] = i
    if label not in named:
        raise InputError(
            f"{way.part.name}: {way.part.molecule} has no atom {label!r}; it has {', '.join(named)}"
        )
    return named[label]


def _moving(way: Way, first: int, second: int) -> tuple[int, ...]:
    """Return the atoms that go with the second atom of a bond, in numbers of the structure."""
    ion = way.planner.study.ion
    pieces = fragments(way.molecule.species, [*way.broken, (first, second)], ion)
    piece = next(p for p in pieces if second in p)
    if first in piece:
        raise InputError(
            f"{way.part.name}: breaking bond {first + 1}-{second + 1} of {way.part.molecule} "
            "leaves it in one piece; break a bond that is in no ring"
        )
    return tuple(sorted(way.at(i) for i in piece))
