"""What each figure is called and shows; apart from its drawing, which takes long to import."""

from collections.abc import Mapping

from ..structures.errors import InputError
from .published import numbered_figures

TITLES: Mapping[str, str] = {
    "dos": "Density of states of each host, total and projected",
    "binding": "Binding energy of the ion at each site",
    "profiles": "Energy along each hop of the ion",
    "reactions": "Reaction energy of each route",
    "pathways": "Energy of the states along each reaction route",
    "host-dos": "Density of states of each host side by side",
    "barriers": "Barriers of the ion on each host",
    "aligned-dos": "Density of states of each system on a common energy scale",
    "levels": "d-band centres and HOMO-LUMO gaps",
    "complexes": "Binding and interaction energy of each complex",
    "decomposition": "Energy of the states along each decomposition, with barriers",
    "hop-profiles": "Energy along each hop of the ion",
    "fragment-charges": "Charge of each fragment along the decomposition, and C-F bonds",
    "elf-slices": "Electron localization function in planes through the bonds",
    "charges": "Charge of the ion along each hop",
    "site-charges": "Charge of the ion at each site, and what each layer gains",
    "difference-profile": "Density difference of each stack, summed over planes",
    "difference-slice": "Density difference of each stack in a plane",
    "difference-isosurface": "Density difference of each stack as isosurfaces",
}


def drawings(study: str) -> dict[str, str]:
    """Return what is drawn ("binding") for every name of a figure: number in the paper, or itself.

    Examples
    --------
    >>> drawings("potassium-anode")["5b"], drawings("my-study")["charges"]
    ('binding', 'charges')
    """
    return numbered_figures(study) | {name: name for name in TITLES}


def drawing_of(study: str, name: str) -> str:
    """Return what is drawn for one name of a figure; see `drawings`.

    Raises
    ------
    InputError
        There is no such figure.
    """
    known = drawings(study)
    if name not in known:
        raise InputError(f"no figure {name!r}: choose of {', '.join(known)}")
    return known[name]
