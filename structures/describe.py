"""What a structure is, in numbers and in words."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pymatgen.core import Structure

from .checks import MIN_DISTANCE, shortest_distance, vacuum_of
from .models import Model
from .strain import DEFINITION, Strain

SLAB_VACUUM = 6.0  # Angstrom; a crystal has no such empty interval, a slab has more
ENOUGH_VACUUM = 15.0  # Angstrom, see the dipole correction in the VASP manual
MUCH_STRAIN = 0.03


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `heterofire build` prints."""

    name: str
    formula: str  # one number per element, in the order of the atoms
    n_atoms: int
    lengths: tuple[float, float, float]  # a, b, c in Angstrom
    angles: tuple[float, float, float]  # alpha, beta, gamma in degree
    area: float  # of the a-b plane, in Angstrom^2
    volume: float  # Angstrom^3
    shortest: str  # the closest pair and its distance
    vacuum: float | None  # Angstrom; None for a crystal
    gap: float | None  # Angstrom between the facing planes; None if there are no two layers
    twist_deg: float | None
    strains: dict[str, Strain]  # per layer, empty if there are none
    strain_definition: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, fit for JSON."""
        return asdict(self)


def describe(subject: Model | Structure, *, name: str = "") -> Description:
    """Return what a model or structure is.

    Parameters
    ----------
    name
        Shown for a bare structure, which has no name of its own.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> description = describe(build_model("MoS2@NC"))
    >>> description.formula, f"{description.strains['film'].largest:+.2%}"
    ('Mo7 S14 C23 N1', '+2.09%')
    """
    model = subject if isinstance(subject, Model) else None
    structure = subject.structure if isinstance(subject, Model) else subject
    contact = shortest_distance(structure)
    vacuum = vacuum_of(structure)
    strains = {"substrate": model.bottom_strain, "film": model.top_strain} if model else {}
    matrix = structure.lattice.matrix
    return Description(
        name=model.name if model else name or structure.composition.reduced_formula,
        formula=ordered_formula(structure),
        n_atoms=len(structure),
        lengths=structure.lattice.abc,
        angles=structure.lattice.angles,
        area=float(np.linalg.norm(np.cross(matrix[0], matrix[1]))),
        volume=float(structure.volume),
        shortest=str(contact),
        vacuum=vacuum if vacuum > SLAB_VACUUM else None,
        gap=model.gap if model else None,
        twist_deg=model.twist_deg if model else None,
        strains=strains,
        strain_definition=DEFINITION if strains else "",
        notes=(model.source, *model.notes) if model else (),
        warnings=tuple(_warnings(contact.distance, vacuum, strains)),
    )


def ordered_formula(structure: Structure) -> str:
    """Return the composition in the order of the atoms.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> ordered_formula(build_crystal("KMoS2_1T"))
    'Mo1 S2 K1'
    """
    symbols = [site.specie.symbol for site in structure]
    return " ".join(f"{symbol}{symbols.count(symbol)}" for symbol in dict.fromkeys(symbols))


def format_description(description: Description) -> str:
    """Return a description as lines of text.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> print(format_description(describe(graphene(), name="graphene")))
    graphene   C2, 2 atoms
    cell       2.464 2.464 20.000 Angstrom, 90.00 90.00 120.00 degree
    area       5.258 Angstrom^2, volume 105.2 Angstrom^3
    vacuum     20.00 Angstrom
    shortest   C1-C2 1.423 Angstrom
    """
    d = description
    lengths = " ".join(f"{value:.3f}" for value in d.lengths)
    angles = " ".join(f"{value:.2f}" for value in d.angles)
    rows = [
        (d.name, f"{d.formula}, {d.n_atoms} atoms"),
        ("cell", f"{lengths} Angstrom, {angles} degree"),
        ("area", f"{d.area:.3f} Angstrom^2, volume {d.volume:.1f} Angstrom^3"),
    ]
    rows += [(f"strain of {layer}", _strain_text(strain)) for layer, strain in d.strains.items()]
    if d.strains:
        rows.append(("strain is", d.strain_definition))
    if d.twist_deg is not None:
        rows.append(("twist", f"{d.twist_deg:.2f} degree"))
    if d.gap is not None:
        rows.append(("gap", f"{d.gap:.2f} Angstrom between the facing planes"))
    if d.vacuum is not None:
        rows.append(("vacuum", f"{d.vacuum:.2f} Angstrom"))
    rows.append(("shortest", d.shortest))
    rows += [("note", note) for note in d.notes] + [("warning", text) for text in d.warnings]
    width = max(len(label) for label, _ in rows) + 3
    return "\n".join(f"{label:<{width}}{text}" for label, text in rows)


def _strain_text(strain: Strain) -> str:
    """Return the strain of a layer in one line."""
    low, high = (value + 0.0 if abs(value) > 1e-9 else 0.0 for value in strain.principal)
    area = strain.area if abs(strain.area) > 1e-9 else 0.0
    return f"principal {low:+.2%} {high:+.2%}, area {area:+.2%}, von Mises {strain.von_mises:.2%}"


def _warnings(shortest: float, vacuum: float, strains: dict[str, Strain]) -> list[str]:
    """Return what a user should know before computing with the structure."""
    found = []
    if shortest < MIN_DISTANCE:
        found.append(f"two atoms are only {shortest:.3f} Angstrom apart")
    if SLAB_VACUUM < vacuum < ENOUGH_VACUUM:
        found.append(f"the vacuum of {vacuum:.1f} Angstrom is less than {ENOUGH_VACUUM:.0f}")
    for layer, strain in strains.items():
        if abs(strain.largest) > MUCH_STRAIN:
            found.append(f"the {layer} is strained by {strain.largest:+.1%}")
    return found
