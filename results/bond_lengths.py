"""Bond lengths of a run, how they changed, and whether a molecule is still in one piece."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..structures.bonding import bonds, compare_bonds, parts
from ..structures.errors import InputError
from .records import Floats, Run
from .requests import BondRequest
from .values import Value


def bond_values(run: Run, request: BondRequest, before: Run | None) -> list[Value]:
    """Return the lengths of named bonds, their changes, and the number of pieces.

    Parameters
    ----------
    run
        Its last structure is measured.
    request
        Bonds by name, and whose bonding is looked at.
    before
        What lengths are compared with; None gives no changes.

    Raises
    ------
    InputError
        An atom is not there, or a bond has other elements before.
    """
    lengths = _lengths(run, request.bonds)
    values = [
        Value(
            quantity=name,
            unit="Angstrom",
            value=length,
            detail={"atoms": list(request.bonds[name]), "pair": _pair(run, request.bonds[name])},
        )
        for name, length in lengths.items()
    ]
    if before is not None:
        values += _changes(run, request, before, lengths)
    if request.is_intact:
        values.append(pieces_value(run, request.atoms))
    return values


def _changes(
    run: Run, request: BondRequest, before: Run, lengths: Mapping[str, float]
) -> list[Value]:
    """Return by how much each bond is longer than before."""
    pairs = {name: request.before_bonds.get(name, pair) for name, pair in request.bonds.items()}
    old = _lengths(before, pairs)
    for name, pair in pairs.items():
        elements = _pair(run, request.bonds[name]), _pair(before, pair)
        if sorted(elements[0]) != sorted(elements[1]):
            raise InputError(
                f"{name} of {request.model}, {request.label} is {'-'.join(elements[0])}, before "
                f"it was {'-'.join(elements[1])}: give its atoms there as before_bonds."
            )
    return [
        Value(
            quantity=f"change of {name}",
            unit="Angstrom",
            value=length - old[name],
            detail={"before": old[name], "after": length},
        )
        for name, length in lengths.items()
    ]


def _lengths(run: Run, pairs: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Return the shortest distance between the atoms of each pair, periodic images included."""
    n = len(run.structure)
    for name, pair in pairs.items():
        if not all(0 <= atom < n for atom in pair):
            raise InputError(f"{name} is between atoms {pair}, but {run.folder} has {n}, 0 first")
    return {name: float(run.structure.get_distance(*pair)) for name, pair in pairs.items()}


def _pair(run: Run, pair: tuple[int, int]) -> list[str]:
    return [run.structure[i].specie.symbol for i in pair]


def pieces_value(run: Run, atoms: tuple[int, ...] | None = None) -> Value:
    """Return into how many pieces the covalent bonds of a run join its atoms.

    What broke or formed since the start of the run is in the notes, in words; contacts of metals
    (Li-O, Fe-O, Co-N) are told apart from covalent bonds, which alone count.
    """
    chosen = list(range(len(run.structure)) if atoms is None else atoms)
    symbols = [run.structure[i].specie.symbol for i in chosen]
    before, after = _positions(run, chosen)
    n = len(chosen)
    pieces = {
        when: parts(bonds(symbols, positions, covalent_only=True), n)
        for when, positions in (("before", before), ("after", after))
    }
    change = compare_bonds(symbols, before, after)
    notes = list(change.words)
    counts = len(pieces["before"]), len(pieces["after"])
    if counts[0] != counts[1]:
        notes.insert(0, f"{counts[0]} pieces at the start, {counts[1]} at the end")
    return Value(
        quantity="number of pieces",
        unit="",
        value=float(counts[1]),
        detail={
            "before": counts[0],
            "is_intact": bool(change.is_intact),
            "pieces": [_formula([symbols[i] for i in piece]) for piece in pieces["after"]],
            "broken": [list(pair) for pair in sorted(change.broken)],
            "formed": [list(pair) for pair in sorted(change.formed)],
        },
        notes=tuple(notes) or ("every bond of the start is there at the end, no other formed",),
    )


def _positions(run: Run, atoms: Sequence[int]) -> tuple[Floats, Floats]:
    """Return positions at start and end, without jumps through the walls of the cell."""
    start, end = run.initial_structure, run.structure
    matrix = np.asarray(end.lattice.matrix)
    fractions = _unfolded(start.frac_coords[list(atoms)], matrix)
    shift = (end.frac_coords - start.frac_coords)[list(atoms)]
    before: Floats = fractions @ matrix
    return before, before + (shift - np.round(shift)) @ matrix


def _unfolded(fractions: Floats, matrix: Floats) -> Floats:
    """Return fractional coordinates with each atom beside its nearest neighbour, from the first."""
    placed = np.array(fractions, dtype=np.float64)
    away = placed[1:] - placed[0]
    offsets = away - np.round(away)
    nearest = np.linalg.norm(offsets @ matrix, axis=1)
    waiting = list(range(1, len(placed)))
    best = placed[0] + offsets
    while waiting:
        i = min(waiting, key=lambda atom: nearest[atom - 1])
        waiting.remove(i)
        placed[i] = best[i - 1]
        away = placed[1:] - placed[i]
        # Of an atom that waits the fractions are those of any image.
        offsets = away - np.round(away)
        distance = np.linalg.norm(offsets @ matrix, axis=1)
        closer = distance < nearest
        nearest[closer] = distance[closer]
        best[closer] = (placed[i] + offsets)[closer]
    return placed


def _formula(symbols: list[str]) -> str:
    counts = {symbol: symbols.count(symbol) for symbol in dict.fromkeys(symbols)}
    return "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in counts.items())
