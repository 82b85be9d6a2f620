"""Everything that can be built by name: models of all studies, and crystals."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Structure

from .crystals import crystal_facts, crystal_names
from .errors import InputError
from .models import RECIPES, Model, Size, build_model
from .surface_models import (
    HETEROSTRUCTURES,
    HYPOTHETICAL,
    SURFACES,
    build_heterostructure,
    build_surface,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the list of everything that can be built."""

    name: str
    kind: str  # "model" or "crystal"
    label: str


def model_names() -> tuple[str, ...]:
    """Return the names that `build_named` knows.

    Examples
    --------
    >>> "MoSSe@NC" in model_names(), "C(002)" in model_names()
    (True, True)
    """
    return (*RECIPES, *SURFACES, *HETEROSTRUCTURES)


def build_named(
    name: str, size: Size = "quick", crystals: Mapping[str, Structure] | None = None
) -> Model:
    """Build a model by its name.

    Parameters
    ----------
    crystals
        Measured structures that win over those that come along, by the name of the crystal.

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
    if name in RECIPES:
        return build_model(name, size=size)
    if name in HETEROSTRUCTURES:
        return build_heterostructure(name, size)
    if name in SURFACES:
        return build_surface(name, size, (crystals or {}).get(SURFACES[name].crystal))
    close = difflib.get_close_matches(name, model_names(), n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise InputError(f"no model named {name!r}: {hint}Known: {', '.join(model_names())}")


def list_entries() -> list[Entry]:
    """Return all models and crystals with their kind.

    Examples
    --------
    >>> {entry.kind for entry in list_entries()}  == {"model", "crystal"}
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
    return models + crystals


def _label(name: str, label: str) -> str:
    """Return a label that says so where no measured structure is behind a model."""
    if name in SURFACES and crystal_facts(SURFACES[name].crystal).hypothetical:
        return f"{label}, {HYPOTHETICAL}"
    return label
