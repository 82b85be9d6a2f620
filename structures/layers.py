"""Single layers, one primitive cell each, the layer at half height."""

from typing import Literal

import numpy as np
from pymatgen.core import Lattice, Structure

from .crystals import build_crystal, crystal_facts, crystal_names
from .errors import InputError

Phase = Literal["1H", "1T"]


def graphene(a: float = 2.464, *, c: float = 20.0) -> Structure:
    """Build one graphene cell with the ring centre at the origin.

    Parameters
    ----------
    a
        In-plane lattice constant; the default is that of graphite (crystals.yaml).
    c
        Height of the cell in Angstrom; the layer is at half height.

    Examples
    --------
    >>> print(round(graphene().get_distance(0, 1), 4))
    1.4226
    """
    frac_coords = [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    return Structure(flat_hexagonal(a, c), ["C", "C"], frac_coords)


def mx2_monolayer(
    metal: str = "Mo",
    chalcogen: str = "S",
    *,
    phase: Phase = "1H",
    a: float | None = None,
    half_thickness: float | None = None,
    c: float = 20.0,
) -> Structure:
    """Build one cell of an MX2 layer: metal, lower chalcogen, upper chalcogen.

    Parameters
    ----------
    phase
        ``1H`` (trigonal prisms, P-6m2) or ``1T`` (octahedra, P-3m1).
    a, half_thickness
        Lattice constant and metal-to-chalcogen height; by default those of the 2H crystal.
    c
        Height of the cell in Angstrom.

    Raises
    ------
    InputError
        The phase is unknown, or there is no 2H crystal to take the numbers from.

    Examples
    --------
    >>> layer = mx2_monolayer()
    >>> print(layer.composition.formula, round(layer.get_distance(0, 1), 3))
    Mo1 S2 2.418
    """
    if phase not in ("1H", "1T"):
        raise InputError(f"no MX2 phase {phase!r}; there are 1H and 1T")
    if a is None:
        a = _facts_of(metal, chalcogen)[0]
    if half_thickness is None:
        half_thickness = mx2_half_thickness(metal, chalcogen)
    dz = half_thickness / c
    upper = (2 / 3, 1 / 3)
    lower = upper if phase == "1H" else (0.0, 0.0)
    # The origin is the hollow in 1H and a chalcogen in 1T: a threefold axis in both.
    frac_coords = [[1 / 3, 2 / 3, 0.5], [*lower, 0.5 - dz], [*upper, 0.5 + dz]]
    return Structure(flat_hexagonal(a, c), [metal, chalcogen, chalcogen], frac_coords)


def mx2_half_thickness(metal: str, chalcogen: str) -> float:
    """Return the height, in Angstrom, from metal to chalcogen plane in the 2H crystal.

    Examples
    --------
    >>> round(mx2_half_thickness("Mo", "S"), 3), round(mx2_half_thickness("Mo", "Se"), 3)
    (1.586, 1.668)
    """
    return _facts_of(metal, chalcogen)[1]


def _facts_of(metal: str, chalcogen: str) -> tuple[float, float]:
    """Return the lattice constant and half thickness of the 2H crystal."""
    name = f"{metal}{chalcogen}2_2H"
    if name not in crystal_names():
        known = [n.removesuffix("_2H") for n in crystal_names() if n.endswith("2_2H")]
        raise InputError(
            f"no 2H crystal of {metal}{chalcogen}2 to take a and the thickness from "
            f"(there are {', '.join(known)}); give a= and half_thickness="
        )
    bulk = build_crystal(name)
    heights = [site.z - bulk[0].z for site in bulk if site.specie.symbol == chalcogen]
    return crystal_facts(name).cell[0], float(min(abs(height) for height in heights))


def flat_hexagonal(a: float, c: float) -> Lattice:
    """Return a hexagonal lattice with exact zeros: a along x, c along z, gamma 120 degrees."""
    if a <= 0 or c <= 0:
        raise InputError(f"lattice constants must be positive, not a = {a}, c = {c}")
    return Lattice(np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]))
