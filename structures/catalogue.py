"""Everything that can be built by name: models of all studies, crystals, molecules."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pymatgen.core import Structure

from .crystals import crystal_facts, crystal_names
from .errors import InputError
from .models import ALIASES, RECIPES, VACUUM, Model, Size, build_model, with_vacuum
from .molecules import build_species, species_names
from .surface_models import (
    HETEROSTRUCTURES,
    HYPOTHETICAL,
    SURFACES,
    build_heterostructure,
    build_surface,
)

Kind = Literal["model", "crystal", "molecule"]
KINDS: tuple[Kind, ...] = ("model", "crystal", "molecule")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the list of everything that can be built."""

    name: str
    kind: Kind
    label: str


def model_names() -> tuple[str, ...]:
    """Return the names of all models; `build_named` knows some by other names, too.

    Examples
    --------
    >>> "MoSSe@NC" in model_names(), "C(002)" in model_names()
    (True, True)
    """
    return (*RECIPES, *SURFACES, *HETEROSTRUCTURES)


def build_named(
    name: str,
    size: Size = "quick",
    crystals: Mapping[str, Structure] | None = None,
    *,
    vacuum: float | None = None,
) -> Model:
    """Build a model by its name.

    Parameters
    ----------
    crystals
        Measured structures that win over those that come along, by the name of the crystal.
    vacuum
        In Angstrom above the film instead of the model's own; see `with_vacuum`. Models that differ
        in atoms of the film only keep one cell, so that their energies can be compared.

    Raises
    ------
    InputError
        There is no such model or size.

    Examples
    --------
    >>> build_named("Li2SO3(001)").name
    'Li2SO3(001) hypothetical'
    """
    if size not in ("quick", "paper", "converged"):
        raise InputError(f"no size named {size!r}; there are quick, paper, converged")
    if vacuum is not None:
        model = build_named(name, size, crystals)
        usual = VACUUM if name in RECIPES or name in ALIASES else model.vacuum
        return with_vacuum(model, model.vacuum + vacuum - usual)
    if name in RECIPES or name in ALIASES:
        return build_model(name, size=size)
    if name in HETEROSTRUCTURES:
        return build_heterostructure(name, size)
    if name in SURFACES:
        return build_surface(name, size, (crystals or {}).get(SURFACES[name].crystal))
    close = difflib.get_close_matches(name, model_names(), n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise InputError(f"no model named {name!r}: {hint}Known: {', '.join(model_names())}")


def kinds_of(name: str) -> tuple[Kind, ...]:
    """Return what a name stands for: LiF is a crystal and a molecule.

    Raises
    ------
    InputError
        There is nothing of that name; names like it are given.

    Examples
    --------
    >>> kinds_of("LiF"), kinds_of("TFSI-")
    (('crystal', 'molecule'), ('molecule',))
    """
    names = {
        "model": (*model_names(), *ALIASES),
        "crystal": crystal_names(),
        "molecule": species_names(),
    }
    found = tuple(kind for kind in KINDS if name in names[kind])
    if found:
        return found
    try:
        build_species(name)  # those of ASE's G2 set have no list
    except InputError:
        every = [known for kind in KINDS for known in names[kind]]
        close = difflib.get_close_matches(name, every, n=3, cutoff=0.4)
        hint = f": did you mean {' or '.join(close)}?" if close else ""
        raise InputError(
            f"no model named {name!r}, nor a crystal or molecule{hint}; 'heterofire models' lists "
            "all there are"
        ) from None
    return ("molecule",)


def list_entries() -> list[Entry]:
    """Return all models, crystals and molecules with their kind.

    Examples
    --------
    >>> {entry.kind for entry in list_entries()} == {"model", "crystal", "molecule"}
    True
    """
    labels = {name: recipe.label for name, recipe in RECIPES.items()}
    labels |= {name: surface.label for name, surface in SURFACES.items()}
    labels |= {name: stack.label for name, stack in HETEROSTRUCTURES.items()}
    models = [Entry(name=n, kind="model", label=_label(n, text)) for n, text in labels.items()]
    crystals = []
    for name in crystal_names():
        facts = crystal_facts(name)
        mark = f", {HYPOTHETICAL}" if facts.hypothetical else ""
        label = f"{facts.formula}, {facts.space_group}, {facts.n_atoms} atoms{mark}"
        crystals.append(Entry(name=name, kind="crystal", label=label))
    molecules = [
        Entry(name=name, kind="molecule", label=_molecule_label(name)) for name in species_names()
    ]
    return models + crystals + molecules


def _molecule_label(name: str) -> str:
    """Return what a molecule is in a few words."""
    species = build_species(name)
    counts = {symbol: species.symbols.count(symbol) for symbol in species.symbols}
    formula = " ".join(f"{symbol}{n}" for symbol, n in counts.items())
    n = len(species.symbols)
    symmetry = f"{species.point_group}, " if species.point_group else ""
    return (
        f"{formula}, {symmetry}{n} atom{'s' if n > 1 else ''}, charge {species.charge:+d}, "
        f"multiplicity {species.multiplicity}"
    )


def _label(name: str, label: str) -> str:
    """Return a label that says so where no measured structure is behind a model."""
    if name in SURFACES and crystal_facts(SURFACES[name].crystal).hypothetical:
        return f"{label}, {HYPOTHETICAL}"
    return label
