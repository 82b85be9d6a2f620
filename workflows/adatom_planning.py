"""Hops of the ion over a metal face, bare and beside a complex that lies on it."""

from dataclasses import dataclass

from pymatgen.core import Structure

from ..structures.adatoms import AdatomSite, adatom_sites, hop_sites, put_adatom
from ..structures.catalogue import build_named
from ..structures.edits import element_order, hold_atoms
from ..structures.slab_docking import dock_on_slab
from .calculations import Calculation
from .molecular_parts import Adatom
from .planner import Planner, Start
from .study import pick


@dataclass(frozen=True, kw_only=True)
class _Face:
    """A slab, with or without something on it."""

    name: str
    structure: Structure  # one block of atoms per element
    slab: tuple[int, ...]  # atoms of the slab itself
    spin: list[float] | bool | None  # starting moments; False: none


def add_adatom(planner: Planner, part: Adatom) -> None:
    """Add the face, the ion at two neighbouring sites, and the band between them."""
    face = _face(planner, part)
    host = planner.add(
        face.name, f"{face.name}/relax", "relax", _held(planner, part, face), spin=face.spin
    )
    ion = planner.study.ion
    sites = hop_sites(face.structure, adatom_sites(face.structure, ion, face.slab))
    ends = {
        role: _add_end(planner, part, face, host, sites, i)
        for i, role in enumerate(("initial", "final"))
    }
    band = planner.add_band(
        face.name,
        f"{face.name}/{ion}-hop",
        ends,
        n_images=pick(part.images, planner.profile),
        tags=part.incar.get(planner.profile),
        spin=_with_ion(face, sites[0], ion)[2],
    )
    planner.add_barrier(f"{ion} hop over {sites[0].name}s", band)


def _face(planner: Planner, part: Adatom) -> _Face:
    """Return the face of a hop."""
    model = build_named(part.surface, planner.study.size(planner.profile), planner.crystals)
    n = len(model.structure)
    if not part.complex:
        return _Face(name=model.name, structure=model.structure, slab=tuple(range(n)), spin=None)
    system = planner.systems[part.complex]
    docked = dock_on_slab(model.structure, system.species, heads=part.heads or None)[0]
    places = element_order(docked.structure)
    moments = system.species.moments
    spin: list[float] | bool | None = None
    if moments is not None:
        spin = [0.0 if i < n else moments[i - n] for i in places]
    if not part.spin.get(planner.profile, True):
        spin = False
    slab = tuple(place for place, i in enumerate(places) if i < n)
    name = f"{part.complex}/{model.name}"
    grouped = Structure.from_sites([docked.structure[i] for i in places])
    return _Face(name=name, structure=grouped, slab=slab, spin=spin)


def _held(planner: Planner, part: Adatom, face: _Face) -> Structure:
    """Return the face as it is to be relaxed: all of it held where the profile says so."""
    if planner.profile not in part.free_within:
        return face.structure
    return hold_atoms(face.structure, range(len(face.structure)))


def _add_end(
    planner: Planner,
    part: Adatom,
    face: _Face,
    host: Calculation,
    sites: tuple[AdatomSite, AdatomSite],
    which: int,
) -> Calculation:
    """Add the ion at one of the two sites, on the relaxed face."""
    ion = planner.study.ion
    structure, own, spin = _with_ion(face, sites[which], ion)
    near = part.free_within.get(planner.profile)
    if near is not None:
        places = [site.frac_coords for site in sites]
        away = structure.lattice.get_all_distances(structure.frac_coords, places).min(axis=1)
        structure = hold_atoms(structure, [i for i in own if away[i] > near])
    role = ("initial", "final")[which]
    return planner.add(
        face.name,
        f"{face.name}/{ion}-hop/{role}",
        "relax",
        structure,
        start=Start(parents={"host": host.key}, atoms=own),
        spin=spin,
    )


def _with_ion(
    face: _Face, site: AdatomSite, ion: str
) -> tuple[Structure, tuple[int, ...], list[float] | bool | None]:
    """Return the face with the ion in its element's block, where the face's atoms are, moments."""
    with_ion = put_adatom(face.structure, site, ion)
    places = element_order(with_ion)
    grouped = Structure.from_sites([with_ion[i] for i in places])
    where = {atom: place for place, atom in enumerate(places)}
    own = tuple(where[i] for i in range(len(face.structure)))
    if not isinstance(face.spin, list):
        return grouped, own, face.spin
    spin = [*face.spin, 0.0]
    return grouped, own, [spin[i] for i in places]
