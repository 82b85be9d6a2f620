"""PAW potentials: which symbol stands for an element, its valence electrons, its cutoff."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import yaml

from ..structures.errors import InputError

if TYPE_CHECKING:  # the engine reads this table at start-up and must not pay for pymatgen
    from pymatgen.core import Structure


class Potential(NamedTuple):
    """What the header of a POTCAR says, as far as it is needed without the file."""

    element: str
    zval: float  # valence electrons
    enmax: float  # eV


class _Table(NamedTuple):
    defaults: dict[str, str]
    potentials: dict[str, Potential]


@cache
def _table() -> _Table:
    """Return potcars.yaml, read once."""
    text = files(__package__).joinpath("potcars.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    potentials = {
        symbol: Potential(element, float(electrons), float(cutoff))
        for symbol, (element, electrons, cutoff) in data["potentials"].items()
    }
    return _Table(data["defaults"], potentials)


def potential(symbol: str) -> Potential:
    """Return element, ZVAL and ENMAX of a POTCAR symbol (PBE.54).

    Parameters
    ----------
    symbol
        A folder name of the POTCAR library, such as "K_sv".

    Raises
    ------
    InputError
        The symbol is not in the table.

    Examples
    --------
    >>> potential("K_sv")
    Potential(element='K', zval=9.0, enmax=259.264)
    """
    try:
        return _table().potentials[symbol]
    except KeyError:
        element = symbol.partition("_")[0]
        known = [name for name, entry in _table().potentials.items() if entry.element == element]
        raise InputError(
            f"no POTCAR symbol {symbol!r} in the table; known for {element}: "
            f"{', '.join(known) or 'none'}. "
            "Add it with element, ZVAL and ENMAX under 'potentials' in workflows/potcars.yaml."
        ) from None


def zval(symbol: str) -> float:
    """Return the number of valence electrons of a POTCAR symbol.

    Examples
    --------
    >>> zval("Mo_pv")
    12.0
    """
    return potential(symbol).zval


def enmax(symbol: str) -> float:
    """Return the cutoff in eV that a POTCAR needs, its ENMAX.

    Examples
    --------
    >>> enmax("Li_sv")
    499.034
    """
    return potential(symbol).enmax


def default_symbol(element: str) -> str:
    """Return the POTCAR symbol used for an element unless a study says otherwise.

    Raises
    ------
    InputError
        The element has no symbol in the table.

    Examples
    --------
    >>> default_symbol("Mo")
    'Mo_pv'
    """
    try:
        return _table().defaults[element]
    except KeyError:
        raise InputError(
            f"no POTCAR symbol for element {element!r}. Name one under 'potcars' in the study "
            f"({element}: <symbol>), or add it to workflows/potcars.yaml."
        ) from None


def symbols_of_blocks(elements: Iterable[str], overrides: Mapping[str, str] = {}) -> list[str]:
    """Return one POTCAR symbol for each block of equal elements, in their order.

    Parameters
    ----------
    elements
        The element of each atom, in POSCAR order.
    overrides
        Symbols by element that replace the defaults.

    Raises
    ------
    InputError
        An element without symbol, or an override that belongs to another element.

    Examples
    --------
    >>> symbols_of_blocks(["Mo", "S", "S", "K"], {"Mo": "Mo_sv"})
    ['Mo_sv', 'S', 'K_sv']
    """
    symbols = []
    for element, _ in groupby(elements):
        symbol = overrides.get(element) or default_symbol(element)
        if (stands_for := potential(symbol).element) != element:
            raise InputError(
                f"POTCAR symbol {symbol!r} is for {stands_for}, not for {element}. "
                f"Correct '{element}: {symbol}' under 'potcars'."
            )
        symbols.append(symbol)
    return symbols


def potcar_symbols(structure: "Structure", overrides: Mapping[str, str] = {}) -> list[str]:
    """Return the POTCAR symbols of a structure in the order of its POSCAR blocks.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> k2s = Structure.from_spacegroup(
    ...     "Fm-3m", Lattice.cubic(7.4), ["K", "S"], [[0.25] * 3, [0] * 3])
    >>> potcar_symbols(k2s)
    ['K_sv', 'S']
    """
    return symbols_of_blocks((site.specie.symbol for site in structure), overrides)


def valence_electrons(elements: Iterable[str], overrides: Mapping[str, str] = {}) -> float:
    """Return the valence electrons of the neutral atoms: the sum of ZVAL.

    Examples
    --------
    >>> valence_electrons(["Mo", "S", "S"])
    24.0
    """
    listed = list(elements)
    symbol_of = {name: symbols_of_blocks([name], overrides)[0] for name in set(listed)}
    return sum(zval(symbol_of[name]) for name in listed)
