"""Energies between molecules, ions and crystals, whose atoms, charge and electrons must balance."""

from collections import defaultdict
from collections.abc import Mapping

from ..results.requests import EnergyRequest, LegRequest
from ..structures.errors import InputError
from .molecular_parts import Equation
from .planner import Planner

_BALANCED = 1e-6


def equation_request(planner: Planner, equation: Equation) -> EnergyRequest:
    """Return the energy of an equation.

    Raises
    ------
    InputError
        It makes or loses atoms or charge; says which, and how to write it.
    """
    units = {
        name: planner.phases[name].structure.composition.get_reduced_formula_and_factor()[1]
        if planner.study.phases[name].crystal
        else 1
        for name in (*equation.reactants, *equation.products)
    }
    _check_balance(planner, equation, units)
    legs = [
        LegRequest(role=name, factor=sign * n / units[name], key=planner.phases[name].key)
        for sign, side in ((-1, equation.reactants), (1, equation.products))
        for name, n in side.items()
    ]
    if equation.electrons:
        legs.append(
            LegRequest(role="electron at the vacuum level", factor=float(equation.electrons))
        )
    return EnergyRequest(
        model=equation.model,
        label=equation.label,
        quantity=equation.quantity,
        reference=equation.reference,
        legs=tuple(legs),
        equation=_written(equation),
    )


def _check_balance(planner: Planner, equation: Equation, units: Mapping[str, float]) -> None:
    """Refuse an equation that makes or loses atoms or charge."""
    excess: dict[str, float] = defaultdict(float)
    excess["charge"] -= equation.electrons
    for sign, side in ((-1, equation.reactants), (1, equation.products)):
        for name, n in side.items():
            phase = planner.phases[name]
            excess["charge"] += sign * n * phase.charge
            for element, count in phase.structure.composition.get_el_amt_dict().items():
                excess[element] += sign * n * count / units[name]
    wrong = [f"{what} {value:+g}" for what, value in excess.items() if abs(value) > _BALANCED]
    if wrong:
        raise InputError(
            f"equation {equation.label!r} of {equation.model} does not balance: "
            f"{_written(equation)} (products - reactants: {', '.join(wrong)}). Correct its "
            "numbers, or its electrons: positive where they are released"
        )


def _written(equation: Equation) -> str:
    """Return the equation in words."""
    sides = []
    for side, n_electrons in (
        (equation.reactants, -equation.electrons),
        (equation.products, equation.electrons),
    ):
        terms = [name if n == 1 else f"{n} {name}" for name, n in side.items()]
        if n_electrons > 0:
            terms.append("e-" if n_electrons == 1 else f"{n_electrons} e-")
        sides.append(" + ".join(terms))
    return " -> ".join(sides)
