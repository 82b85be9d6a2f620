"""One model, crystal or molecule: built by its name, described, written."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .project import checked_profile

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from ..workflows.study import Profile

Built = tuple["Structure", str, dict[str, Any]]  # what it is as text, and as fields


def build_and_print(
    name: str,
    *,
    size: str = "quick",
    kind: str | None = None,
    padding: float = 12.0,
    output: Path | None = None,
    as_json: bool = False,
) -> None:
    """Build a model, crystal or molecule, print what it is, write it where asked."""
    from ..structures.formats import format_of, write_structure  # slow: pymatgen

    profile = checked_profile(size)
    if output is not None:
        format_of(output)  # before anything is printed
    chosen = chosen_kind(name, kind)
    if chosen == "molecule":
        structure, text, fields = _molecule(name, padding)
    else:
        structure, text, fields = _periodic(name, chosen, profile)
    print(json.dumps(fields, indent=1) if as_json else text)
    if output is not None:
        print(f"written: {write_structure(structure, output)}", file=sys.stderr)


def chosen_kind(name: str, kind: str | None) -> str:
    """Return which of the things of that name is meant, and say so where there are more."""
    from ..structures.catalogue import KINDS, kinds_of  # slow: pymatgen
    from ..structures.errors import InputError

    if kind is not None and kind not in KINDS:
        raise InputError(f"no kind {kind!r}; there are {', '.join(KINDS)}")
    there = kinds_of(name)
    if kind is not None and kind not in there:
        raise InputError(f"{name} is no {kind}, but a {' and a '.join(there)}")
    if kind is None and len(there) > 1:
        print(
            f"{name} is taken as the {there[0]}; --kind {there[1]} builds the other",
            file=sys.stderr,
        )
    return kind or there[0]


def _periodic(name: str, kind: str, profile: "Profile") -> Built:
    """Return a crystal or a model."""
    from ..structures.catalogue import build_named  # slow: pymatgen
    from ..structures.crystals import build_crystal
    from ..structures.describe import describe, format_description
    from ..workflows.study_parts import size_like

    if kind == "crystal":
        structure = build_crystal(name)
        about = describe(structure)
    else:
        model = build_named(name, size_like(profile))
        structure, about = model.structure, describe(model)
    return structure, format_description(about), asdict(about)


def _molecule(name: str, padding: float) -> Built:
    """Return a molecule in a box."""
    from ..structures.describe_species import describe_species, format_species  # slow: pymatgen
    from ..structures.molecules import build_species
    from ..structures.species import box_species

    boxed = box_species(build_species(name), padding)
    about = describe_species(boxed)
    return boxed.structure, format_species(about), about.as_dict()
