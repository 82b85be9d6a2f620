"""The named heterostructure models of the studies."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from pymatgen.core import Lattice, Structure

from .checks import check_structure, facing_planes, vacuum_of
from .doping import Face, graphitic_nitrogen, substituted_chalcogens
from .edits import group_by_element
from .errors import InputError
from .layers import graphene, mx2_monolayer
from .stacking import FLOOR, stack_layers
from .strain import Strain
from .sublattices import Floats

Size = Literal["quick", "paper", "converged"]
T = TypeVar("T")

A_FILM = 3.160  # Angstrom; Vegard gives 3.164-3.169 with one Se, so one cell serves both models
A_GRAPHENE = 2.464  # Angstrom, graphite
GAP = 3.4  # Angstrom, between the S and C planes before relaxation
# Room for a gallery opened to 5.8 Angstrom (+2.4) and a K on the outer face (2.8), with 15 left.
VACUUM = 20.5
ELEMENT_ORDER = ("Mo", "S", "Se", "C", "N")
# Rows: supercells of graphene and of the film, as m a + n b with 120 degrees between a and b.
_SMALL = (((4, 2), (-2, 2)), ((3, 1), (-1, 2)))  # sqrt7 film on 2 sqrt3 graphene, 45 atoms
_LARGE = (((5, 1), (-1, 4)), ((4, 1), (-1, 3)))  # sqrt13 film on sqrt21 graphene, 81 atoms
_CELLS = {"quick": _SMALL, "paper": _LARGE, "converged": _LARGE}
_SOURCE = "10.1007/s40820-025-01992-x, Fig. 5; cells chosen here, the paper's are in its SI"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a named model is made of."""

    label: str  # one line for a list
    n_nitrogen: int  # graphitic N in the graphene
    n_selenium: int  # Se in place of S
    face: Face = "gallery"  # of the film, on which the Se is


RECIPES = {
    "MoS2@C": Recipe(label="MoS2 on graphene", n_nitrogen=0, n_selenium=0),
    "MoS2@NC": Recipe(label="MoS2 on N-doped graphene", n_nitrogen=1, n_selenium=0),
    "MoSSe@NC": Recipe(label="MoS2 with one Se on N-doped graphene", n_nitrogen=1, n_selenium=1),
    "MoSSe(outer)@NC": Recipe(
        label="MoS2 with one Se on its outer face, on N-doped graphene",
        n_nitrogen=1,
        n_selenium=1,
        face="outer",
    ),
}
# Other names for them; one without brackets needs no quotes in a shell.
ALIASES = {
    "MoSSe(gallery)@NC": "MoSSe@NC",
    "MoSSe-gallery@NC": "MoSSe@NC",
    "MoSSe-outer@NC": "MoSSe(outer)@NC",
    "MoSSe@NC(outer)": "MoSSe(outer)@NC",
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """A film on a substrate, with all that is needed to say what it is."""

    name: str
    label: str
    size: str  # quick, paper or converged
    structure: Structure  # one block per element: Mo, S, Se, C, N
    bottom: tuple[int, ...]  # atoms of the substrate; none in a slab that stands alone
    top: tuple[int, ...]  # atoms of the film
    bottom_name: str  # "N-graphene"
    top_name: str  # "MoS2", "MoSSe"
    bottom_strain: Strain
    top_strain: Strain
    twist_deg: float | None
    gap: float | None  # Angstrom between the facing planes of film and substrate
    vacuum: float  # Angstrom above the film
    least_vacuum: float = 15.0  # Angstrom that must be left when something is put on it
    source: str
    notes: tuple[str, ...]
    own_cells: Mapping[str, Floats] = field(default_factory=dict)  # "top": (2, 2) unstrained, A

    @property
    def area(self) -> float:
        """Return the area of the cell in the plane, in Angstrom^2."""
        a, b, _ = self.structure.lattice.matrix
        return float(np.linalg.norm(np.cross(a, b)))


def model_names() -> tuple[str, ...]:
    """Return the names that `build_model` knows.

    Examples
    --------
    >>> model_names()
    ('MoS2@C', 'MoS2@NC', 'MoSSe@NC', 'MoSSe(outer)@NC')
    """
    return tuple(RECIPES)


def with_vacuum(model: Model, vacuum: float) -> Model:
    """Return a model in a cell with more or less vacuum, its atoms where they were.

    Parameters
    ----------
    vacuum
        In Angstrom above the film; three quarters of it must be left above what is put on the
        model, where those are less than the usual 15.

    Examples
    --------
    >>> model = with_vacuum(build_model("MoS2@NC"), 14.0)
    >>> round(model.vacuum, 6), round(model.structure.lattice.c, 3), round(model.gap, 3)
    (14.0, 20.572, 3.4)
    """
    old = model.structure.lattice.matrix
    normal = np.cross(old[0], old[1])
    more = (vacuum - model.vacuum) / (old[2] @ normal / np.linalg.norm(normal)) * old[2]
    structure = Structure(
        Lattice([old[0], old[1], old[2] + more], pbc=model.structure.lattice.pbc),
        model.structure.species_and_occu,
        model.structure.cart_coords,
        coords_are_cartesian=True,
        site_properties=model.structure.site_properties,
    )
    check_structure(structure)
    least = min(model.least_vacuum, 0.75 * vacuum)
    return replace(model, structure=structure, vacuum=vacuum_of(structure), least_vacuum=least)


def build_model(
    name: str,
    *,
    size: Size = "quick",
    face: Face | None = None,
    nitrogen: int = 0,
    selenium: int = 0,
    vacuum: float = VACUUM,
) -> Model:
    """Build a named model: a strained film on graphene that keeps its own lattice.

    Parameters
    ----------
    name
        One of `model_names`, or one of their ``ALIASES``.
    size
        ``quick`` is 45 atoms, ``paper`` and ``converged`` are 81.
    face
        Where Se goes: towards the graphene (``gallery``) or away from it (``outer``). It wins over
        the face that the name says, and the model gets the name of that face.
    nitrogen, selenium
        Which symmetry-unique position to take: N in the order of the atoms, Se in the order of
        its lateral distance from N.
    vacuum
        In Angstrom above the film; the default leaves 15 when the gallery is opened for K.

    Raises
    ------
    InputError
        A name, size or choice that is not there; the message lists what is.

    Examples
    --------
    >>> model = build_model("MoSSe@NC")
    >>> model.structure.composition.formula, len(model.top), round(model.twist_deg, 1)
    ('Mo7 C23 Se1 S13 N1', 21, 10.9)
    >>> build_model("MoSSe@NC", face="outer").name
    'MoSSe(outer)@NC'
    """
    name, recipe = _recipe(name, face)
    substrate_cell, film_cell = _look_up("size", size, _CELLS)
    stack = stack_layers(
        graphene(A_GRAPHENE),
        mx2_monolayer("Mo", "S", a=A_FILM),
        bottom_matrix=substrate_cell,
        top_matrix=film_cell,
        gap=GAP,
        vacuum=vacuum,
    )
    structure, notes = stack.structure, []
    if recipe.n_nitrogen:
        structure, note = _with_nitrogen(structure, nitrogen)
        notes.append(note)
    if recipe.n_selenium:
        structure, note = _with_selenium(structure, recipe.face, selenium)
        notes.append(note)
    structure = group_by_element(structure, ELEMENT_ORDER)
    check_structure(structure)
    bottom, top = _split(structure)
    below, above = facing_planes(structure, bottom, top)
    return Model(
        name=name,
        label=recipe.label,
        size=size,
        structure=structure,
        bottom=bottom,
        top=top,
        bottom_name="N-graphene" if recipe.n_nitrogen else "graphene",
        top_name="MoSSe" if recipe.n_selenium else "MoS2",
        bottom_strain=stack.bottom_strain,
        top_strain=stack.top_strain,
        twist_deg=stack.twist_deg,
        gap=above - below,
        vacuum=vacuum_of(structure),
        source=_SOURCE,
        notes=(*notes, f"film a = {A_FILM} A strained onto graphene a = {A_GRAPHENE} A"),
        own_cells={"bottom": stack.bottom_cell, "top": stack.top_cell},
    )


def isolate_layer(model: Model, layer: Literal["bottom", "top"]) -> Structure:
    """Return one layer alone, strained as in the model and in the model's cell.

    Examples
    --------
    >>> isolate_layer(build_model("MoS2@NC"), "bottom").composition.formula
    'C23 N1'
    """
    atoms = _look_up("layer", layer, {"bottom": model.bottom, "top": model.top})
    return Structure.from_sites([model.structure[i] for i in atoms])


def unstrain_layer(model: Model, layer: Literal["bottom", "top"]) -> Structure:
    """Return one layer alone with the lattice that it had before it was strained.

    Raises
    ------
    InputError
        The model does not say what that lattice was.

    Examples
    --------
    >>> film = unstrain_layer(build_model("MoS2@NC"), "top")
    >>> round(film.lattice.a / 7**0.5, 3)
    3.16
    """
    if layer not in model.own_cells:
        raise InputError(f"{model.name} does not say what the lattice of its {layer} layer was")
    alone = isolate_layer(model, layer)
    matrix = alone.lattice.matrix.copy()
    own = model.own_cells[layer]
    matrix[:2, :2] = np.linalg.cholesky(own @ own.T)
    return Structure(
        matrix, alone.species, alone.frac_coords, site_properties=alone.site_properties
    )


def _recipe(name: str, face: Face | None) -> tuple[str, Recipe]:
    """Return what to build, with the Se on the face that is asked for, and its name."""
    known = ALIASES.get(name, name)
    recipe = _look_up("model", known, RECIPES)
    if face is None or not recipe.n_selenium:
        return known, recipe
    wanted = replace(recipe, face=face)
    for other, there in RECIPES.items():
        if replace(there, label=wanted.label) == wanted:
            return other, there
    return known, wanted


def _with_nitrogen(structure: Structure, choice: int) -> tuple[Structure, str]:
    """Return the stack with one graphitic N, and a note that says which."""
    found = graphitic_nitrogen(structure)
    doped = found[_checked(choice, len(found), "nitrogen")]
    note = (
        f"graphitic N: choice {choice} of {len(found)} symmetry-unique positions (0 is the first)"
    )
    return doped.structure, note


def _with_selenium(structure: Structure, face: Face, choice: int) -> tuple[Structure, str]:
    """Return the stack with one Se for S, counted from the one nearest to N along the plane."""
    found = substituted_chalcogens(structure, face=face)
    nitrogen = next((i for i, site in enumerate(structure) if site.specie.symbol == "N"), 0)

    def from_nitrogen(atom: int) -> float:
        plane = [1.0, 1.0, 0.0]
        step = (structure[atom].frac_coords - structure[nitrogen].frac_coords) * plane
        image = structure.lattice.get_all_distances(step, [0.0, 0.0, 0.0])
        return round(float(image[0, 0]), 4)

    found.sort(key=lambda doped: from_nitrogen(doped.replaced[0]))
    doped = found[_checked(choice, len(found), "selenium")]
    note = (
        f"Se on the {face} face, {from_nitrogen(doped.replaced[0]):.2f} A from N along the plane: "
        f"choice {choice} of {len(found)} by that distance"
    )
    return doped.structure, note


def _split(structure: Structure) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the atoms of the substrate and those of the film, by height."""
    low = structure.cart_coords[:, 2] < FLOOR + GAP / 2
    bottom, top = np.flatnonzero(low), np.flatnonzero(~low)
    return tuple(int(i) for i in bottom), tuple(int(i) for i in top)


def _checked(choice: int, n: int, what: str) -> int:
    """Refuse a choice that is not there."""
    if not 0 <= choice < n:
        raise InputError(f"{what} = {choice}: there are {n} choices, counted from 0")
    return choice


def _look_up(what: str, name: str, known: Mapping[str, T]) -> T:
    """Return the entry of a table, or an error that lists the table."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? " if close else ""
        raise InputError(f"no {what} named {name!r}: {hint}Known: {', '.join(known)}")
    return known[name]
