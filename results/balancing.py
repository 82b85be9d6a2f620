"""Reactions balanced exactly, in whole numbers."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from pymatgen.core import Composition

from ..structures.errors import InputError

Formula = str | Composition


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
    basis = _null_space(_rows(species, signs, elements), len(species))
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


def _rows(
    species: Sequence[Mapping[str, Fraction]], signs: Sequence[int], elements: Sequence[str]
) -> list[list[Fraction]]:
    """Return one row per element: what each species brings, negative for reactants."""
    return [
        [n * counts.get(element, Fraction(0)) for n, counts in zip(signs, species, strict=True)]
        for element in elements
    ]


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
