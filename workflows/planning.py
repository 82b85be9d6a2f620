"""From a study to its calculations and to what is derived from them. Nothing runs here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pymatgen.core import Structure

from ..results.requests import (
    ChargeRequest,
    DosRequest,
    InterlayerRequest,
)
from ..structures.boxes import MOLECULES
from ..structures.catalogue import build_named
from ..structures.crystals import crystal_facts
from ..structures.edits import group_by_element, hold_atoms
from ..structures.formats import read_structure
from ..structures.models import Model
from ..structures.mof_clusters import cluster_names
from ..structures.molecule_library import library_names
from ..structures.sites import find_sites, insert_ion
from ..structures.species import box_species
from .adatom_planning import add_adatom
from .adhesion_planning import add_adhesion
from .binding_planning import binding_requests
from .calculations import Calculation
from .charge_planning import add_host_charges, add_site_charges
from .complex_planning import add_complex
from .decomposition_planning import add_decomposition
from .electronic_planning import add_electronic
from .equations import equation_request
from .hop_planning import add_hops
from .host_parts import ALL_PARTS, HostPart, Sites
from .molecular_parts import FREE
from .phase_parts import Phase
from .phases import build_phase, checked_species
from .planner import Planner, Start
from .plans import Plan, mesh_name
from .reactions import reaction_request
from .route_planning import add_route
from .study import Profile, Study, pick
from .systems import System, add_boxed, bond_request


def plan_study(
    study: Study,
    profile: Profile,
    *,
    engine: str,
    method: str | Callable[[Mapping[str, Any]], str] = "",
    has_vtst: bool = False,
    source: str = "",
) -> Plan:
    """Return every calculation and derived property of a study in one profile.

    Parameters
    ----------
    study
        The validated study.
    profile
        ``quick``, ``paper``, ``converged`` or ``gpaw``.
    engine, method
        What the workers run: ``"vasp"`` with no method, ``"xtb"`` with ``"GFN1-xTB"``, ``"gpaw"``
        with a function that returns the method of an INCAR.
    has_vtst
        Whether the workers' VASP has the VTST patch (climbing image); heterofire's own engines
        climb without it.
    source
        What the study was loaded by, when that is not its name.

    Returns
    -------
    Plan
        Calculations come after their parents.
    """
    method_of = method if callable(method) else lambda _: method
    planner = Planner(study, profile, engine, method_of, has_vtst, crystals=own_crystals(study))
    for name, phase in study.phases.items():
        add_phase(planner, name, phase)
    for name, part in study.complexes_in(profile).items():
        add_complex(planner, name, part)
    planner.requests += [equation_request(planner, equation) for equation in study.equations]
    for electronic in study.electronic:
        add_electronic(planner, electronic)
    for decomposition in study.decompositions:
        add_decomposition(planner, decomposition)
    for adatom in study.adatoms:
        add_adatom(planner, adatom)
    hosts = [
        (_host_model(planner, wanted.model), wanted.parts) for wanted in study.hosts_in(profile)
    ]
    planner.hop_hosts += [model for model, parts in hosts if "hops" in parts]
    for model, parts in hosts:
        add_host(planner, model, parts)
    for route in study.routes:
        add_route(planner, route)
    for reaction in study.reactions:
        planner.requests.append(reaction_request(reaction, study.per, planner.phases, profile))
    return planner.plan(source or study.study)


def own_crystals(study: Study) -> dict[str, Structure]:
    """Return the structures of a study's own files, by the crystal that they are or stand in for.

    Raises
    ------
    InputError
        A file cannot be read, or its name is neither that of a crystal that comes along nor wanted
        by a phase.
    """
    wanted = {phase.crystal for phase in study.phases.values()}
    found = {}
    for name, path in study.crystals.items():
        if name not in wanted:
            crystal_facts(name)  # an unknown name gets an error that lists the known ones
        structure = read_structure(path)
        structure.remove_oxidation_states()
        found[name] = group_by_element(structure)
    return found


def add_phase(planner: Planner, name: str, phase: Phase) -> None:
    """Add what energies are measured against: an atom, molecule or crystal."""
    if phase.molecule is not None and phase.molecule not in MOLECULES:
        species = checked_species(phase.molecule, phase.charge)
        boxed = box_species(species)
        relaxed = add_boxed(planner, name, f"{name}/molecule", "molecule", boxed)
        planner.phases[name] = relaxed
        planner.systems[name] = System(name=name, boxed=boxed, relaxed=(relaxed,))
        is_ours = phase.molecule in (*library_names(), *cluster_names())
        about = (FREE, name, relaxed.key, species, boxed.atoms)
        if is_ours and (lengths := bond_request(*about, is_alone=True)):
            planner.requests.append(lengths)
        return
    structure = build_phase(phase, planner.profile, planner.crystals)
    task = "bulk" if phase.crystal else "molecule"
    planner.phases[name] = planner.add(
        name, f"{name}/{task}", task, structure, charge=phase.charge, is_slab=False
    )


def add_host(planner: Planner, model: Model, parts: Sequence[HostPart] = ALL_PARTS) -> None:
    """Add a host by itself, and of what the study asks of hosts the parts that are wanted."""
    rough = planner.add(model.name, f"{model.name}/relax", "relax", model.structure)
    host = _refined(planner, rough)
    if model.bottom:
        planner.requests.append(_interlayer(model, host, "without ion"))
    if planner.study.adhesion and model.bottom and "adhesion" in parts:
        add_adhesion(planner, model, host)
    if planner.study.dos and "dos" in parts:
        dos = planner.add(
            model.name,
            f"{model.name}/dos",
            "dos",
            model.structure,
            start=Start(parents={"structure": host.key}),
        )
        planner.requests.append(_dos_request(planner, model, dos))
    has_charges = "charges" in parts
    if planner.study.charges and has_charges:
        add_host_charges(planner, model, host)
    for sites in planner.study.sites if "sites" in parts else ():
        _add_sites(planner, model, (rough, host), sites, has_charges=has_charges)
    for path in planner.study.hops_in(planner.profile) if "hops" in parts else ():
        add_hops(planner, model, path, rough)


def _host_model(planner: Planner, name: str) -> Model:
    """Return a host, with the layers held as they were built that the profile holds."""
    study, profile = planner.study, planner.profile
    vacuum = study.vacuums.get(profile)
    model = build_named(name, study.size(profile), planner.crystals, vacuum=vacuum)
    layers = study.held_layers.get(profile, ()) if model.bottom else ()
    atoms = [i for layer in layers for i in getattr(model, layer)]
    return replace(model, structure=hold_atoms(model.structure, atoms)) if atoms else model


def _add_sites(
    planner: Planner,
    model: Model,
    hosts: tuple[Calculation, Calculation],
    sites: Sites,
    *,
    has_charges: bool,
) -> None:
    """Add the ion at the best-ranked sites of one region.

    Parameters
    ----------
    hosts
        The host as first relaxed, and as finally.
    """
    rough_host, host = hosts
    ion, count = planner.study.ion, pick(sites.count, planner.profile)
    if not count:
        return
    gap = sites.gallery_gap if sites.region == "gallery" else None
    found = find_sites(
        model, sites.region, ion=ion, gallery_gap=gap, max_sites=count, near=sites.near
    )
    charges = planner.study.charges
    final_task = "charge" if has_charges and charges and charges.sites else "static"
    final_host = _on_final_mesh(planner, host, final_task) if found else host
    for site in found:
        structure = insert_ion(model, site, ion=ion)
        name = f"{model.name}/{ion}-{site.name}/relax"
        rough = planner.add(model.name, name, "relax", structure)
        with_ion = _refined(planner, rough)
        final = _on_final_mesh(planner, with_ion, final_task)
        planner.requests += binding_requests(planner, model, site.name, final, final_host)
        if final is not rough:
            quantity = f"at {mesh_name(rough)} k-points"
            planner.requests += binding_requests(
                planner, model, site.name, rough, rough_host, quantity=quantity
            )
        if model.bottom:
            planner.requests.append(_interlayer(model, with_ion, site.name))
        if final_task == "charge":
            add_site_charges(planner, model, with_ion, site.name)
        else:
            planner.requests.append(
                ChargeRequest(model=model.name, label=site.name, key=with_ion.key, element=ion)
            )


def _refined(planner: Planner, relaxed: Calculation) -> Calculation:
    """Return the relaxation whose geometry counts, named beside the first one."""
    return planner.refine(relaxed, f"{relaxed.label.name.rpartition('/')[0]}/refine")


def _on_final_mesh(planner: Planner, relaxed: Calculation, task: str) -> Calculation:
    """Return the run whose energy counts: the relaxation, or a finer mesh at its geometry.

    Where charges are taken at that geometry on the same mesh, this is their run.
    """
    mesh = planner.final_mesh()
    return _go_on(planner, relaxed, task, task, mesh) if mesh else relaxed


def _go_on(
    planner: Planner, relaxed: Calculation, name: str, task: str, mesh: Mapping[str, Any]
) -> Calculation:
    """Add what starts from a relaxed geometry on another mesh, named beside that relaxation."""
    return planner.add(
        relaxed.label.model,
        f"{relaxed.label.name.rpartition('/')[0]}/{name}",
        task,
        relaxed.structure,
        start=Start(parents={"structure": relaxed.key}),
        **mesh,
    )


def _dos_request(planner: Planner, model: Model, dos: Calculation) -> DosRequest:
    """Return the request for a host's DOS; per area where hosts have cells of their own."""
    if not planner.study.dos_per_area:
        return DosRequest(model=model.name, label="host", key=dos.key)
    metals = [el.symbol for el in model.structure.composition if el.is_transition_metal]
    return DosRequest(
        model=model.name, label="host", key=dos.key, d_elements=tuple(metals), area=model.area
    )


def _interlayer(model: Model, calculation: Calculation, label: str) -> InterlayerRequest:
    """Return the request for the distance between the two layers of a model."""
    return InterlayerRequest(
        model=model.name, label=label, key=calculation.key, bottom=model.bottom, top=model.top
    )
