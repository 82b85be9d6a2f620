"""States of a reaction on a surface: the slab with its molecules and the ions that go with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pymatgen.core import Structure

from .adsorbates import add_counter_ions, place_on_surface
from .checks import check_structure
from .edits import element_order
from .errors import InputError
from .molecules import build_species

SPACING = 1.8  # Angstrom of the grid of places; the relaxation does the rest
FINE = 0.6  # Angstrom, for what has to find one atom to bind to
NEAR = 6.0  # Angstrom along the surface between the first molecule and the others


@dataclass(frozen=True, kw_only=True)
class SurfaceState:
    """A surface with molecules on it, neutral as a whole."""

    structure: Structure  # one block of atoms per element
    adsorbates: tuple[int, ...]  # atoms of the molecules and their ions
    multiplicity: int  # 2S + 1 of the molecules when their spins add up
    score: float  # contacts of the first molecule, see `place_on_surface`


def build_state(
    surface: Structure,
    species: Sequence[str],
    *,
    ion: str = "Li",
    n_ions: int = 0,
    order: Sequence[str] | None = None,
) -> SurfaceState:
    """Return a surface with molecules on it.

    Parameters
    ----------
    surface
        Slab with vacuum above.
    species
        Names as in `build_species`. The first finds the best place; the others come within 6
        Angstrom of it and bind to the surface, if they bind.
    ion, n_ions
        Cations put at the first molecule; charges must sum to zero.
    order
        Elements in the order wanted.

    Raises
    ------
    InputError
        The charges do not sum to zero.

    Examples
    --------
    >>> from heterofire.structures.catalogue import build_named
    >>> carbon = build_named("C(002)").structure
    >>> state = build_state(carbon, ["PS4(3-)", "OH"], n_ions=3)
    >>> state.structure.composition.formula, state.multiplicity
    ('Li3 P1 H1 C50 S4 O1', 2)
    """
    parts = [build_species(name) for name in species]
    charge = sum(part.charge for part in parts) + n_ions
    if charge:
        listed = ", ".join(f"{part.name} {part.charge:+d}" for part in parts)
        raise InputError(
            f"{listed} and {n_ions} {ion}+ have a charge of {charge:+d} together: give "
            f"{n_ions - charge} ions, or species of other charges"
        )
    hosts = range(len(surface))
    current, first, score = surface, None, 0.0
    for part in parts:
        near = None if first is None else first.site
        spacing = FINE if part.heads else SPACING
        found = place_on_surface(
            current, part, spacing=spacing, near=near, within=NEAR, hosts=hosts
        )[0]
        current = found.structure
        if first is None:
            first, score = found, found.score
    if n_ions:
        if first is None:
            raise InputError(f"{n_ions} {ion} need a molecule to sit at; the state has none")
        current = add_counter_ions(current, first.atoms, n_ions, ion=ion)
    return _grouped(current, len(surface), order, 1 + sum(p.multiplicity - 1 for p in parts), score)


def _grouped(
    structure: Structure,
    n_surface: int,
    order: Sequence[str] | None,
    multiplicity: int,
    score: float,
) -> SurfaceState:
    """Return the state with one block of atoms per element, and which of them were added."""
    places = element_order(structure, order)
    grouped = Structure.from_sites([structure[i] for i in places])
    check_structure(grouped)
    return SurfaceState(
        structure=grouped,
        adsorbates=tuple(place for place, i in enumerate(places) if i >= n_surface),
        multiplicity=multiplicity,
        score=score,
    )
