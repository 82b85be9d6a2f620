"""Bond lengths of a run, how they changed, and whether a molecule is still in one piece."""

from collections.abc import Mapping
from dataclasses import replace

from ..structures.bonding import bonds, compare_bonds, parts
from ..structures.errors import InputError
from ..structures.molecules import build_species
from ..structures.sanity import shortcomings
from .records import Run
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
        pieces = pieces_value(run, request.atoms)
        values.append(replace(pieces, notes=(*pieces.notes, *_insane(run, request))))
    return values


def _insane(run: Run, request: BondRequest) -> list[str]:
    """Return what of a molecule left chemically sane bounds, as the method's shortcoming."""
    if not request.species:
        return []
    species = build_species(request.species)
    if len(request.order) != len(species.symbols):
        raise InputError(
            f"{request.species} has {len(species.symbols)} atoms, {len(request.order)} are given"
        )
    positions = run.structure.cart_coords[list(request.order)]
    return shortcomings(species, positions, method=run.settings.method)


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
    cell = run.structure.lattice.matrix
    before, after = (s.cart_coords[chosen] for s in (run.initial_structure, run.structure))
    n = len(chosen)
    pieces = {
        when: parts(bonds(symbols, positions, covalent_only=True, cell=cell), n)
        for when, positions in (("before", before), ("after", after))
    }
    change = compare_bonds(symbols, before, after, cell=cell)
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


def _formula(symbols: list[str]) -> str:
    counts = {symbol: symbols.count(symbol) for symbol in dict.fromkeys(symbols)}
    return "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in counts.items())
