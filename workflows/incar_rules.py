"""INCAR tags that follow from the structure: spin, charge, dipole, projectors, grids, bands.

Each rule returns the tags it sets, with the reason in words; a value of None takes a tag away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from math import ceil, prod
from typing import Any

import yaml
from pymatgen.core import Structure

from ..structures.errors import InputError
from .kpoints import Kind, Mesh
from .preset_files import Preset
from .slabs import SlabShape, centre_of_mass, slab_shape

Spin = bool | Mapping[str, float] | Sequence[float] | None
Derived = dict[str, tuple[Any, str]]  # tag: (value, reason)

_TETRAHEDRA_FROM = 4  # k-points


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the rules look at."""

    structure: Structure
    preset: Preset
    kind: Kind
    mesh: Mesh
    charge: int
    nelect: float
    spin: Spin
    images: int | None
    has_vtst: bool

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Return the element of each atom."""
        return tuple(site.specie.symbol for site in self.structure)

    @cached_property
    def shape(self) -> SlabShape:
        """Return vacuum, faces and centre of mass along c."""
        return slab_shape(self.structure)

    @property
    def is_free_atom(self) -> bool:
        """Return whether this is a single atom in a box."""
        return self.kind == "box" and len(self.structure) == 1


def derived_tags(case: Case) -> Derived:
    """Return all tags that follow from the structure.

    Raises
    ------
    InputError
        A band without images, or moments for another number of atoms.
    """
    rules = (
        *(_charge, _spin, _dipole, _free_atom, _tetrahedra, _fine_grid, _band),
        _vacuum_level,
    )
    return {tag: entry for rule in rules for tag, entry in rule(case).items()}


def _charge(case: Case) -> Derived:
    if not case.charge:
        return {}
    return {"NELECT": (case.nelect, f"sum of ZVAL minus charge {case.charge:+d}")}


def _spin(case: Case) -> Derived:
    if case.spin is False:
        return {"ISPIN": (1, "spin off as asked")}
    moments, reason = _moments(case)
    if moments is None:
        return {}
    tags: Derived = {"ISPIN": (2, reason), "MAGMOM": (moments, reason)}
    if case.is_free_atom and case.spin is None:
        # Smearing would pair them in part: a free K atom at 0.1 eV has a moment of 0.85 and 15 meV
        # too much, which E0 does not take off.
        tags["NUPDOWN"] = (round(sum(moments)), reason)
    return tags


def _moments(case: Case) -> tuple[list[float] | None, str]:
    """Return the starting moment of each atom and why, or None where spin is not needed."""
    if case.spin is not None and not isinstance(case.spin, bool):
        return _asked_moments(case.spin, case.elements), "moments as asked"
    free_atom = _moment_table()["free_atom"]
    is_odd = round(case.nelect) % 2 == 1
    if case.is_free_atom and not case.charge:
        n_unpaired = float(free_atom.get(case.elements[0], 0))
        if n_unpaired or case.spin:
            return [n_unpaired], f"free {case.elements[0]} atom"
    elif found := sorted(set(case.elements) & set(_moment_table()["magnetic"])):
        moments = magnetic_moments(case.elements)
        if case.kind == "box":
            moments = _of_parity(moments, round(case.nelect))
        return moments, f"has {', '.join(found)}"
    elif case.kind == "box" and is_odd:
        return [1.0] * len(case.structure), f"{case.nelect:g} electrons, an odd number"
    if case.spin:
        return [1.0] * len(case.structure), "spin on as asked"
    return None, ""


def magnetic_moments(elements: Sequence[str]) -> list[float]:
    """Return the starting moment of each atom by its element, in Bohr magnetons.

    Examples
    --------
    >>> magnetic_moments(["Ni", "Mo"])
    [0.6, 0.0]
    """
    magnetic = _moment_table()["magnetic"]
    return [float(magnetic.get(element, 0.0)) for element in elements]


def _of_parity(moments: list[float], n_electrons: int) -> list[float]:
    """Return moments whose sum these electrons can have, the largest one lowered if need be.

    Examples
    --------
    >>> _of_parity([5.0, 0.0], 14)  # FeO
    [4.0, 0.0]
    """
    total = sum(moments)
    if total != round(total) or (round(total) - n_electrons) % 2 == 0:
        return moments
    largest = moments.index(max(moments))
    return [m - 1.0 if i == largest else m for i, m in enumerate(moments)]


def _asked_moments(
    spin: Mapping[str, float] | Sequence[float], elements: tuple[str, ...]
) -> list[float]:
    """Return the moment of each atom from those given by element or by atom."""
    if isinstance(spin, Mapping):
        return [float(spin.get(element, 0.0)) for element in elements]
    if len(spin) != len(elements):
        raise InputError(
            f"{len(spin)} moments for {len(elements)} atoms in 'spin'; "
            "give one for each atom, or one for each element."
        )
    return [float(moment) for moment in spin]


@cache
def _moment_table() -> dict[str, dict[str, float]]:
    text = files(__package__).joinpath("moments.yaml").read_text(encoding="utf-8")
    table: dict[str, dict[str, float]] = yaml.safe_load(text)
    return table


def _dipole(case: Case) -> Derived:
    """Return the dipole correction: along c for slabs with two faces, all around for molecules."""
    if not case.preset.dipole:
        return {}
    if case.kind == "box" and (case.charge or not case.is_free_atom):
        reason = "molecule in a box" if not case.charge else f"charge {case.charge:+d} in a box"
        tags: Derived = {
            "DIPOL": (list(centre_of_mass(case.structure)), reason),
            "IDIPOL": (4, reason),
        }
        # VASP has LMONO for the energy of a charged cell; LDIPOL corrects the potential as well
        tags["LMONO" if case.charge else "LDIPOL"] = (True, reason)
        return tags
    if case.kind == "slab" and case.shape.is_asymmetric:
        reason = "slab with two different faces"
        return {
            "DIPOL": (list(case.shape.centre), reason),
            "IDIPOL": (3, reason),
            "LDIPOL": (True, reason),
        }
    return {}


def _free_atom(case: Case) -> Derived:
    if not case.is_free_atom or not case.preset.incar.get("NSW"):
        return {}
    reason = "a single atom has nothing to relax and does not vibrate"
    taken_away = dict.fromkeys(("EDIFFG", "NFREE", "POTIM"), (None, reason))
    return {**taken_away, "IBRION": (-1, reason), "NSW": (0, reason)}


def _tetrahedra(case: Case) -> Derived:
    n_points = prod(case.mesh)
    if case.preset.incar.get("ISMEAR") != -5 or n_points >= _TETRAHEDRA_FROM:
        return {}
    return {"ISMEAR": (0, f"{n_points} k-points, tetrahedra need {_TETRAHEDRA_FROM}")}


def _fine_grid(case: Case) -> Derived:
    """Return a density grid fine enough for Bader volumes, of sizes that FFTs like."""
    spacing = case.preset.fine_grid_spacing
    if spacing is None:
        return {}
    reason = f"grid spacing of at most {spacing} Angstrom"
    lengths = zip(("NGXF", "NGYF", "NGZF"), case.structure.lattice.abc, strict=True)
    return {tag: (_fft_size(ceil(length / spacing)), reason) for tag, length in lengths}


def _fft_size(at_least: int) -> int:
    """Return the next even number whose prime factors are 2, 3, 5 and 7."""
    return next(n for n in _even_numbers_from(at_least) if _without_small_factors(n) == 1)


def _even_numbers_from(start: int) -> Iterator[int]:
    n = start + start % 2
    while True:
        yield n
        n += 2


def _without_small_factors(n: int) -> int:
    for factor in (2, 3, 5, 7):
        while n % factor == 0:
            n //= factor
    return n


def _band(case: Case) -> Derived:
    if case.preset.task != "neb":
        return {}
    if not case.images or case.images < 1:
        raise InputError(
            f"task 'neb' needs images, the number between the end points (at least 1); "
            f"got {case.images}. Three are enough for a short hop with a climbing image."
        )
    tags: Derived = {"IMAGES": (case.images, "images between the end points")}
    if case.has_vtst:
        reason = "the worker declares VTST"
        tags |= {tag: (value, reason) for tag, value in case.preset.vtst.items()}
    return tags


def _vacuum_level(case: Case) -> Derived:
    """Return what gives the potential far from a molecule: the zero of its levels."""
    if case.kind != "box" or case.preset.task != "dos":
        return {}
    return {"LVHAR": (True, "levels of a molecule count from the vacuum level (LOCPOT)")}
