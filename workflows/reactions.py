"""Reactions between phases, balanced by code."""

from collections.abc import Mapping, Sequence

from pymatgen.core import Composition

from ..results.balancing import balance
from ..results.requests import EnergyRequest, LegRequest
from ..structures.errors import InputError
from .calculations import Calculation
from .phase_parts import Normalisation, Reaction
from .study import Profile


def reaction_request(
    reaction: Reaction,
    per: Normalisation | None,
    phases: Mapping[str, Calculation],
    profile: Profile,
) -> EnergyRequest:
    """Return the energy of a reaction with coefficients that conserve every element.

    Parameters
    ----------
    reaction
        Names of reactants and products. A phase on both sides that nothing consumes is a
        spectator: it cancels.
    per
        Which atoms among the reactants the energy is counted on.
    phases
        The calculation of each phase.
    profile
        Of the study.

    Raises
    ------
    InputError
        The reaction cannot be balanced, or not in one way only.
    """
    spectators = [name for name in reaction.reactants if name in reaction.products]
    reactants = [name for name in reaction.reactants if name not in spectators]
    products = [name for name in reaction.products if name not in spectators]
    cells = {name: phases[name].structure.composition for name in (*reactants, *products)}
    ratio = reaction.ratio_for(profile)
    coefficients = _coefficients(ratio, reactants, products, cells)
    scale = _scale(reaction, per, {n: (coefficients[n], cells[n]) for n in reactants})
    signs = dict.fromkeys(reactants, -1.0) | dict.fromkeys(products, 1.0)
    legs = [
        LegRequest(role=name, factor=signs[name] * coefficients[name] * scale, key=phases[name].key)
        for name in (*reactants, *products)
    ]
    equation = " -> ".join(
        _side(names, spectators, {n: (coefficients[n] * scale, cells[n]) for n in names})
        for names in (reactants, products)
    )
    return EnergyRequest(
        model=reaction.series or reaction.name,
        label=reaction.name,
        quantity="reaction energy",
        legs=tuple(legs),
        per_what=per.unit_name if per else "",
        equation=equation,
    )


def _coefficients(
    ratio: Mapping[str, int],
    reactants: Sequence[str],
    products: Sequence[str],
    cells: Mapping[str, Composition],
) -> dict[str, float]:
    """Return how many cells of each phase take part; a mixture of reactants counts as one."""
    parts = {n: _part(ratio, cells[n]) for n in reactants}
    mixture = Composition()
    for name, part in parts.items():
        mixture += cells[name] * part
    pure = [n for n in reactants if not parts[n]]
    left = [cells[n] for n in pure] + ([mixture] if mixture else [])
    amounts = [float(a) for a in balance(left, [cells[n] for n in products])]
    coefficients = dict(zip(pure, amounts, strict=False))
    if mixture:
        coefficients |= {n: part * amounts[len(pure)] for n, part in parts.items() if part}
    return coefficients | dict(zip(products, amounts[len(left) :], strict=True))


def _part(ratio: Mapping[str, int], cell: Composition) -> float:
    """Return how much of a cell brings its share of a fixed ratio of atoms; 0 if none is fixed."""
    shares = [atoms / cell[element] for element, atoms in ratio.items() if cell[element]]
    return float(shares[0]) if shares else 0.0


def _scale(
    reaction: Reaction,
    per: Normalisation | None,
    reactants: Mapping[str, tuple[float, Composition]],
) -> float:
    """Return the factor that brings the reactants to the wanted number of atoms."""
    if per is None:
        return 1.0
    found = sum(amount * cell[el] for amount, cell in reactants.values() for el in per.elements)
    if not found:
        raise InputError(
            f"reaction {reaction.name!r}: no {' or '.join(per.elements)} among the reactants "
            f"{', '.join(reactants)} to count its energy on"
        )
    return float(per.atoms / found)


def _side(
    names: Sequence[str], spectators: Sequence[str], terms: Mapping[str, tuple[float, Composition]]
) -> str:
    """Return one side of the equation in formula units."""
    words = list(spectators)
    for name in names:
        amount, cell = terms[name]
        formula, units = cell.get_reduced_formula_and_factor()
        words.append(f"{amount * units:.4g} {formula}")
    return " + ".join(words)
