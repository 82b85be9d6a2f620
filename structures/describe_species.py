"""What a molecule is, in numbers and in words: charge, spin, symmetry, and what is stated of it."""

from dataclasses import asdict, dataclass
from typing import Any

from pymatgen.core import Structure

from .checks import shortest_distance
from .describe import ordered_formula
from .internal_coordinates import atom_names, measured
from .molecule_library import library_names, molecule_facts, stated_coordinates
from .point_groups import point_group
from .species import BoxedSpecies, Species

_ENOUGH = {"Angstrom": 0.02, "degree": 2.0}  # off what is stated, as rounded there


@dataclass(frozen=True, kw_only=True)
class StatedValue:
    """An internal coordinate as stated, and as built."""

    name: str  # atoms with hyphens between
    unit: str  # Angstrom or degree
    stated: float
    built: float
    deviation: float  # built less stated


@dataclass(frozen=True, kw_only=True)
class SpeciesDescription:
    """What `heterofire build` prints of a molecule."""

    name: str
    formula: str  # one number per element, in the order of the atoms
    n_atoms: int
    charge: int  # e
    multiplicity: int  # 2S + 1
    n_electrons: int  # all, not the valence electrons alone
    moments: dict[str, float]  # starting moments that are not 0, Bohr magnetons, by atom
    point_group: str  # found
    box: tuple[float, float, float]  # Angstrom
    shortest: str  # the closest pair and its distance; empty for one atom
    coordinates: tuple[StatedValue, ...]  # empty where nothing is stated
    source: str
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, fit for JSON."""
        return asdict(self)


def describe_species(boxed: BoxedSpecies) -> SpeciesDescription:
    """Return what a species in its box is.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> from heterofire.structures.species import box_species
    >>> about = describe_species(box_species(build_species("TFSI-")))
    >>> about.formula, about.point_group, about.charge
    ('N1 S2 C2 O4 F6', 'C2', -1)
    """
    species, structure = boxed.species, boxed.structure
    coordinates = _stated(species)
    found = point_group(species.symbols, species.positions)
    moments = boxed.moments or [0.0] * len(structure)
    names = atom_names([site.specie.symbol for site in structure])
    facts = molecule_facts(species.name) if species.name in library_names() else None
    return SpeciesDescription(
        name=species.name,
        formula=ordered_formula(structure),
        n_atoms=len(structure),
        charge=species.charge,
        multiplicity=species.multiplicity,
        n_electrons=species.n_electrons,
        moments={name: m for name, m in zip(names, moments, strict=True) if m},
        point_group=found,
        box=structure.lattice.abc,
        shortest=_shortest(structure, names),
        coordinates=coordinates,
        source=f"{facts.source} ({facts.confidence})" if facts else "",
        warnings=tuple(_warnings(species, found, coordinates)),
    )


def format_species(description: SpeciesDescription) -> str:
    """Return a description as lines of text.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> from heterofire.structures.species import box_species
    >>> print(format_species(describe_species(box_species(build_species("LiF")))))
    LiF          Li1 F1, 2 atoms, 12 electrons
    charge       +0, multiplicity 1
    point group  C*v
    box          13.564 12.000 12.000 Angstrom
    shortest     Li1-F1 1.564 Angstrom
    stated       F1-Li1 ...
    """
    d = description
    electrons = f"{d.n_electrons} electron{'s' if d.n_electrons > 1 else ''}"
    moments = " ".join(f"{atom} {moment:g}" for atom, moment in d.moments.items())
    atoms = f"{d.n_atoms} atom{'s' if d.n_atoms > 1 else ''}"
    rows = [
        (d.name, f"{d.formula}, {atoms}, {electrons}"),
        ("charge", f"{d.charge:+d}, multiplicity {d.multiplicity}"),
    ]
    if moments:
        rows.append(("moments", f"start from {moments}"))
    rows.append(("point group", d.point_group))
    rows.append(("box", " ".join(f"{edge:.3f}" for edge in d.box) + " Angstrom"))
    if d.shortest:
        rows.append(("shortest", d.shortest))
    rows += [("stated", _line(value)) for value in d.coordinates]
    if d.source:
        rows.append(("source", d.source))
    rows += [("warning", text) for text in d.warnings]
    width = max(len(label) for label, _ in rows) + 2
    return "\n".join(f"{label:<{width}}{text}" for label, text in rows)


def _shortest(structure: Structure, names: tuple[str, ...]) -> str:
    """Return the closest pair and its distance; nothing for one atom."""
    if len(structure) == 1:
        return ""
    contact = shortest_distance(structure)
    i, j = contact.atoms
    return f"{names[i]}-{names[j]} {contact.distance:.3f} Angstrom"


def _line(value: StatedValue) -> str:
    """Return a stated value, the built one and the deviation."""
    digits = 3 if value.unit == "Angstrom" else 1
    built, deviation = (round(x, digits) + 0.0 for x in (value.built, value.deviation))  # no -0.0
    return (
        f"{value.name:<12} {value.stated:8.{digits}f} {value.unit:<9}"
        f"built {built:8.{digits}f}  {deviation:+.{digits}f}"
    )


def _stated(species: Species) -> tuple[StatedValue, ...]:
    """Return what the data file states of a species, beside what it has."""
    if species.name not in library_names():
        return ()
    found = []
    for coordinate in stated_coordinates(species.name):
        built = measured(species.symbols, species.positions, coordinate)
        found.append(
            StatedValue(
                name=coordinate.name,
                unit=coordinate.unit,
                stated=coordinate.value,
                built=built,
                deviation=coordinate.deviation(built),
            )
        )
    return tuple(found)


def _warnings(species: Species, found: str, coordinates: tuple[StatedValue, ...]) -> list[str]:
    """Return where a built species is not what it is meant to be."""
    warnings = []
    if species.point_group and found != species.point_group:
        warnings.append(f"the point group is {found}, not {species.point_group} as stated")
    for value in coordinates:
        if abs(value.deviation) > _ENOUGH[value.unit]:
            warnings.append(f"{value.name} is off what is stated by {value.deviation:+.3f}")
    return warnings
