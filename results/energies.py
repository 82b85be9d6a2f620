"""Binding, reaction and formation energies: sums over legs that are allowed to be summed.

All energies are E0, energy(sigma -> 0), in eV. A sum is refused when atoms or charge do not
balance, or when its legs were computed in ways that do not cancel.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
from pymatgen.core import Composition

from ..structures.errors import InputError, RunError
from .records import Leg, Property, Run
from .requests import EnergyRequest, LegRequest

Formula = str | Composition

_BALANCE = 1e-6  # atoms and elementary charges
_ISOLATED_GAP = 6.0  # Angstrom of vacuum along every axis: no dispersion of the levels is left
_SAME_CELL = 1e-3  # relative difference of lattice vectors
_SAME_MESH = 0.01  # relative difference of k-point spacings in one cell
_COARSER = 1.25  # how much coarser a leg may be than the shared cell, whose error cancels
_SPREAD = 2.5  # ratio of the coarsest to the finest mesh where no cell is shared
_COARSE = 0.3  # 1/Angstrom: above it a metal is not sampled well, and the reader is told


def energy_property(
    request: EnergyRequest, runs: Mapping[str, Run], *, study: str, profile: str
) -> Property:
    """Return the energy a request asks for, with the legs it was summed from.

    K-meshes are compared by spacing. Legs in one cell must agree, for their errors cancel
    only then. A leg in another cell may be finer, but at most 1.25 times coarser than the
    shared cell; where no two legs share a cell, the spacings may differ by a factor of 2.5.
    A leg with at least 6 Angstrom of vacuum along all three axes (an atom or a molecule in a
    box) is exempt: its levels have no dispersion.

    Parameters
    ----------
    request
        Legs with factors, negative for reactants. A leg without a key is an electron at the
        vacuum level: energy 0, charge -1.
    runs
        The finished calculations by key; every key of the legs must be there.
    study, profile
        What the property belongs to.

    Returns
    -------
    Property
        In eV, or eV per formula unit; "unconverged" when a leg is.

    Raises
    ------
    InputError
        Atoms or charge do not balance, or there is no calculation among the legs.
    RunError
        Two legs differ in something that does not cancel; names both and what differs.
    """
    legs = tuple(_leg(leg, runs) for leg in request.legs)
    used = [(leg.role, runs[leg.key]) for leg in legs if leg.key is not None]
    if not used:
        raise InputError(f"{_name(request)} has no calculation among its legs: add one.")
    _check_balance(request, legs)
    _check_settings(request, used)
    notes = [*_check_meshes(request, used), *_unconverged_notes(used)]
    if any(leg.key is None for leg in legs):
        notes.append("an electron is counted at the vacuum level, with energy 0")
    settings = used[0][1].settings
    return Property(
        study=study,
        profile=profile,
        engine=settings.engine,
        method=settings.method,
        model=request.model,
        quantity=request.quantity,
        label=request.label,
        reference=request.reference,
        value=math.fsum(leg.factor * leg.energy for leg in legs) / request.per,
        unit=f"eV/{request.per_what}" if request.per_what else "eV",
        energy_kind="E0",
        status="ok" if all(run.status == "converged" for _, run in used) else "unconverged",
        legs=legs,
        keys=tuple(dict.fromkeys(leg.key for leg in legs if leg.key is not None)),
        detail={"equation": request.equation, "per": request.per, "per_what": request.per_what},
        notes=tuple(notes),
    )


def balance(reactants: Sequence[Formula], products: Sequence[Formula]) -> tuple[Fraction, ...]:
    """Return the smallest whole amounts that balance a reaction, exactly.

    Parameters
    ----------
    reactants, products
        What is used up and what is made: "K2S", "Mo12 S26", or the Composition of a whole cell
        or of a mixture. A species that only watches must be left out.

    Returns
    -------
    tuple of Fraction
        Positive amounts, first those of the reactants, then those of the products.

    Raises
    ------
    InputError
        No positive amounts balance it (names the elements or the species), or it is several
        independent reactions at once.

    Examples
    --------
    >>> [int(amount) for amount in balance(["Mo", "K2S"], ["KMoS2", "K"])]
    [1, 2, 1, 3]
    """
    species = [*map(_counts, reactants), *map(_counts, products)]
    names = [_formula(item) for item in (*reactants, *products)]
    signs = [-1] * len(reactants) + [1] * len(products)
    equation = f"{' + '.join(names[: len(reactants)])} -> {' + '.join(names[len(reactants) :])}"
    elements = sorted({element for counts in species for element in counts})
    rows = [
        [
            sign * counts.get(element, Fraction(0))
            for sign, counts in zip(signs, species, strict=True)
        ]
        for element in elements
    ]
    basis = _null_space(rows, len(species))
    if not basis:
        raise InputError(f"{equation} cannot be balanced: {_culprits(names, species, elements)}")
    if len(basis) > 1:
        raise InputError(
            f"{equation} is {len(basis)} independent reactions at once, so its amounts are not "
            f"determined: leave out {len(basis) - 1} of its species, or fix their ratio."
        )
    amounts = _smallest(basis[0])
    if wrong := [name for name, amount in zip(names, amounts, strict=True) if amount <= 0]:
        raise InputError(
            f"{equation} balances only with {', '.join(wrong)} left out or on the other side: "
            "change the reaction."
        )
    return amounts


def _leg(leg: LegRequest, runs: Mapping[str, Run]) -> Leg:
    if leg.key is None:
        return Leg(role=leg.role, factor=leg.factor, key=None, energy=0.0, charge=-1.0, formula="")
    if leg.key not in runs:
        raise InputError(f"the leg {leg.role!r} needs calculation {leg.key}: run it first.")
    run = runs[leg.key]
    return Leg(
        role=leg.role,
        factor=leg.factor,
        key=leg.key,
        energy=run.e0,
        charge=run.charge,
        formula=run.structure.formula,
    )


def _name(request: EnergyRequest) -> str:
    reference = f" against {request.reference}" if request.reference else ""
    return f"{request.quantity} of {request.model}, {request.label}{reference}"


def _check_balance(request: EnergyRequest, legs: Sequence[Leg]) -> None:
    """Refuse a sum that makes or loses atoms or charge."""
    excess: dict[str, list[float]] = defaultdict(list)
    for leg in legs:
        excess["charge"].append(leg.factor * leg.charge)
        atoms = Composition(leg.formula).get_el_amt_dict() if leg.formula else {}
        for element, count in atoms.items():
            excess[element].append(leg.factor * count)
    wrong = []
    for name, terms in excess.items():
        size = max(1.0, *(abs(term) for term in terms))
        if abs(total := math.fsum(terms)) > _BALANCE * size:
            wrong.append(f"{name} {total:+.6g}")
    if wrong:
        terms_text = ", ".join(
            f"{leg.factor:+g} {leg.formula or 'e-'} ({leg.role})" for leg in legs
        )
        raise InputError(
            f"{_name(request)} does not balance (products - reactants: {', '.join(wrong)}); its "
            f"legs are {terms_text}. Correct the factors or add the missing leg."
        )


def _check_settings(request: EnergyRequest, legs: Sequence[tuple[str, Run]]) -> None:
    """Refuse legs whose errors do not cancel because they were computed differently."""
    for (role_a, a), (role_b, b) in pairwise(legs):
        for what in ("engine", "functional", "cutoff", "dispersion", "smearing", "sigma", "method"):
            _refuse_unequal(request, what, (role_a, role_b), _setting(a, what), _setting(b, what))
    for i, (role_a, a) in enumerate(legs):
        for role_b, b in legs[:i]:
            shared = _elements(a) & _elements(b)
            for what, table_a, table_b in (
                ("POTCAR", _potcars(a), _potcars(b)),
                ("U", dict(a.settings.hubbard_u), dict(b.settings.hubbard_u)),
            ):
                for element in sorted(shared):
                    values = (table_a.get(element), table_b.get(element))
                    _refuse_unequal(request, f"{what} of {element}", (role_a, role_b), *values)


def _refuse_unequal(
    request: EnergyRequest, what: str, roles: tuple[str, str], a: object, b: object
) -> None:
    close = isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, abs_tol=1e-6)
    if a != b and not close:
        raise RunError(
            f"{_name(request)}: the legs {roles[0]!r} and {roles[1]!r} differ in {what} ({a} and "
            f"{b}), so their errors do not cancel. Compute both with the same {what}."
        )


def _setting(run: Run, name: str) -> object:
    return getattr(run.settings, name)


def _elements(run: Run) -> set[str]:
    return {element.symbol for element in run.structure.composition.elements}


def _potcars(run: Run) -> dict[str, str]:
    """Return the POTCAR of each element; "PAW_PBE K_sv 06Sep2000" and "K_sv" belong to K."""
    table = {}
    for title in run.settings.potcars:
        words = title.split()
        symbol = words[1] if len(words) > 1 else words[0]
        table[symbol.split("_")[0]] = title
    return table


def _unconverged_notes(runs: Sequence[tuple[str, Run]]) -> list[str]:
    return [
        f"{role} is not converged: {'; '.join(run.reasons) or 'no reason stored'}"
        for role, run in runs
        if run.status == "unconverged"
    ]


def _check_meshes(request: EnergyRequest, legs: Sequence[tuple[str, Run]]) -> list[str]:
    """Refuse k-meshes of unlike density; return a note when one is coarse."""
    periodic = [(role, run) for role, run in legs if not is_isolated(run)]
    if not periodic:
        return []
    shared = [pair for pair in combinations(periodic, 2) if _same_cell(pair[0][1], pair[1][1])]
    for a, b in shared:
        if abs(_spacing(a) - _spacing(b)) > _SAME_MESH * _spacing(a):
            raise _mesh_error(request, a, b, "the same k-points in the same cell")
    coarsest = max(periodic, key=_spacing)
    if shared:
        basis, limit = max((pair[0] for pair in shared), key=_spacing), _COARSER
    else:
        basis, limit = min(periodic, key=_spacing), _SPREAD
    if _spacing(coarsest) > limit * _spacing(basis):
        wanted = f"at most {limit} times the spacing of {basis[0]!r}"
        raise _mesh_error(request, coarsest, basis, wanted)
    if _spacing(coarsest) > _COARSE:
        return [f"k-point spacing up to {_spacing(coarsest):.2f} 1/Angstrom ({coarsest[0]})"]
    return []


def _spacing(leg: tuple[str, Run]) -> float:
    return leg[1].settings.kpoint_spacing


def _mesh_error(
    request: EnergyRequest, a: tuple[str, Run], b: tuple[str, Run], wanted: str
) -> RunError:
    return RunError(
        f"{_name(request)}: k-point spacing is {_spacing(a):.3f} 1/Angstrom in {a[0]!r} and "
        f"{_spacing(b):.3f} in {b[0]!r}; wanted {wanted}. Change the mesh of one of them."
    )


def _same_cell(a: Run, b: Run) -> bool:
    cells = a.structure.lattice.matrix, b.structure.lattice.matrix
    return np.allclose(*cells, rtol=_SAME_CELL, atol=_SAME_CELL)


def is_isolated(run: Run) -> bool:
    """Return whether vacuum separates the periodic images along all three axes."""
    lattice = run.structure.lattice
    volume = lattice.volume
    for axis in range(3):
        b, c = (lattice.matrix[(axis + step) % 3] for step in (1, 2))
        height = volume / float(np.linalg.norm(np.cross(b, c)))
        position = np.sort(run.structure.frac_coords[:, axis] % 1.0)
        gaps = np.diff(position, append=position[0] + 1.0)
        if float(gaps.max()) * height < _ISOLATED_GAP:
            return False
    return True


def _formula(item: Formula) -> str:
    return item if isinstance(item, str) else item.formula


def _counts(item: Formula) -> dict[str, Fraction]:
    try:
        composition = Composition(item)
    except ValueError as error:
        raise InputError(f"{item!r} is not a formula: {error}") from error
    amounts = composition.get_el_amt_dict().items()
    return {element: Fraction(count).limit_denominator(10**6) for element, count in amounts}


def _null_space(rows: list[list[Fraction]], n_columns: int) -> list[list[Fraction]]:
    """Return the vectors that every row is orthogonal to, by exact Gauss-Jordan elimination."""
    pivots: dict[int, list[Fraction]] = {}
    for row in rows:
        rest = row
        for column, pivot in pivots.items():
            rest = _minus(rest, rest[column], pivot)
        leading = next((i for i, value in enumerate(rest) if value), None)
        if leading is not None:
            unit = [value / rest[leading] for value in rest]
            pivots = {c: _minus(pivot, pivot[leading], unit) for c, pivot in pivots.items()}
            pivots[leading] = unit
    free = [column for column in range(n_columns) if column not in pivots]
    return [
        [-pivots[i][f] if i in pivots else Fraction(int(i == f)) for i in range(n_columns)]
        for f in free
    ]


def _minus(row: list[Fraction], factor: Fraction, pivot: list[Fraction]) -> list[Fraction]:
    return [value - factor * other for value, other in zip(row, pivot, strict=True)]


def _smallest(amounts: list[Fraction]) -> tuple[Fraction, ...]:
    """Return the smallest whole numbers in the same ratio, mostly positive."""
    whole = [amount * math.lcm(*(a.denominator for a in amounts)) for amount in amounts]
    divisor = math.gcd(*(int(number) for number in whole))
    sign = 1 if sum(number > 0 for number in whole) * 2 >= len(whole) else -1
    return tuple(sign * number / divisor for number in whole)


def _culprits(
    names: Sequence[str], species: Sequence[Mapping[str, Fraction]], elements: Sequence[str]
) -> str:
    """Name the elements that only one species holds, else all of them."""
    holders = {
        element: [name for name, counts in zip(names, species, strict=True) if element in counts]
        for element in elements
    }
    lonely = [f"{name} is only in {held[0]}" for name, held in holders.items() if len(held) == 1]
    reason = "; ".join(lonely) or f"{', '.join(elements)} cannot all be conserved"
    return f"{reason}. Add the species that holds the rest."
