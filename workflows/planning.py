"""From a study to its calculations and to what is derived from them. Nothing runs here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ..results.records import Floats, Label
from ..results.requests import (
    BarrierRequest,
    ChargeRequest,
    DosRequest,
    EnergyRequest,
    InterlayerRequest,
    LegRequest,
    Request,
)
from ..structures.hops import Hop, build_hop
from ..structures.models import Model, build_model
from ..structures.sites import Site, find_sites, insert_ion
from .calculations import Calculation
from .inputs import make_inputs
from .phases import build_phase
from .plans import Plan
from .reactions import reaction_request
from .study import HopPath, Phase, Profile, Sites, Study, pick


def plan_study(
    study: Study,
    profile: Profile,
    *,
    engine: str,
    method: str = "",
    has_vtst: bool = False,
    source: str = "",
) -> Plan:
    """Return every calculation and derived property of a study in one profile.

    Parameters
    ----------
    study
        The validated study.
    profile
        ``quick``, ``paper`` or ``converged``.
    engine, method
        What the workers run: ``"vasp"`` with no method, or ``"xtb"`` with ``"GFN1-xTB"``.
    has_vtst
        Whether the workers' VASP has the VTST patch (climbing image); the embedded engine
        climbs without it.
    source
        What the study was loaded by, when that is not its name.

    Returns
    -------
    Plan
        Calculations come after their parents.
    """
    planner = _Planner(study, profile, engine, method, has_vtst)
    for name, phase in study.phases.items():
        planner.add_phase(name, phase)
    for host in study.hosts:
        planner.add_host(build_model(host, size=study.size(profile)))
    for reaction in study.reactions:
        planner.requests.append(reaction_request(reaction, study.per, planner.phases, profile))
    return planner.plan(source or study.study)


@dataclass
class _Planner:
    """Collects calculations and requests while a study is walked through."""

    study: Study
    profile: Profile
    engine: str
    method: str
    has_vtst: bool
    calculations: dict[str, Calculation] = field(default_factory=dict)
    phases: dict[str, Calculation] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    hop_starts: dict[str, Site] = field(default_factory=dict)

    def plan(self, source: str) -> Plan:
        """Return what was collected."""
        return Plan(
            study=self.study.study,
            source=source,
            profile=self.profile,
            engine=self.engine,
            method=self.method,
            calculations=tuple(self.calculations.values()),
            requests=tuple(self.requests),
        )

    def add(
        self,
        model: str,
        name: str,
        task: str,
        structure: Structure,
        *,
        parents: Mapping[str, str] | None = None,
        n_images: int = 0,
        final: Structure | None = None,
        tags: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Calculation:
        """Add one calculation; the same one asked for twice is one."""
        overrides = self.study.overrides.get(self.profile, {}).get(task, {})
        inputs = make_inputs(
            structure,
            task=task,
            profile=self.profile,
            overrides={**overrides, **(tags or {})},
            images=n_images or None,
            has_vtst=self.has_vtst or self.engine == "xtb",
            **options,
        )
        label = Label(
            study=self.study.study, profile=self.profile, model=model, task=task, name=name
        )
        calculation = Calculation(
            label=label,
            structure=structure,
            incar=inputs.incar,
            kpoints=inputs.kpoints,
            potcar_symbols=tuple(inputs.potcar_symbols),
            engine=self.engine,
            method=self.method,
            charge=options.get("charge", 0),
            n_images=n_images,
            final=final,
            nelect=inputs.nelect,
            parents=parents or {},
            changes=tuple(inputs.changes),
            warnings=tuple(inputs.warnings),
        )
        return self.calculations.setdefault(calculation.key, calculation)

    def add_phase(self, name: str, phase: Phase) -> None:
        """Add what energies are measured against: an atom, molecule or crystal."""
        structure = build_phase(phase, self.profile)
        task = "bulk" if phase.crystal else "molecule"
        self.phases[name] = self.add(
            name, f"{name}/{task}", task, structure, charge=phase.charge, is_slab=False
        )

    def add_host(self, model: Model) -> None:
        """Add a host by itself, with the ion at each site, and the ion's hops."""
        host = self.add(model.name, f"{model.name}/relax", "relax", model.structure)
        self.requests.append(_interlayer(model, host, "without ion"))
        if self.study.dos:
            dos = self.add(
                model.name,
                f"{model.name}/dos",
                "dos",
                model.structure,
                parents={"structure": host.key},
            )
            self.requests.append(DosRequest(model=model.name, label="host", key=dos.key))
        for sites in self.study.sites:
            self._add_sites(model, host, sites)
        for path in self.study.hops:
            self._add_hop(model, path)

    def _add_sites(self, model: Model, host: Calculation, sites: Sites) -> None:
        """Add the ion at the best-ranked sites of one region."""
        ion, count = self.study.ion, pick(sites.count, self.profile)
        gap = sites.gallery_gap if sites.region == "gallery" else None
        for site in find_sites(model, sites.region, ion=ion, gallery_gap=gap, max_sites=count):
            structure = insert_ion(model, site, ion=ion)
            name = f"{model.name}/{ion}-{site.name}/relax"
            with_ion = self.add(model.name, name, "relax", structure)
            self.requests += self._binding(model, site.name, with_ion, host)
            self.requests.append(_interlayer(model, with_ion, site.name))
            self.requests.append(
                ChargeRequest(model=model.name, label=site.name, key=with_ion.key, element=ion)
            )

    def _binding(
        self, model: Model, site: str, with_ion: Calculation, host: Calculation
    ) -> list[Request]:
        """Return the binding energy of one ion against each reference."""
        ion, requests = self.study.ion, list[Request]()
        for reference in self.study.ion_references:
            phase = self.phases[reference.phase]
            per_ion = 1 / phase.structure.composition[ion]
            legs = [
                LegRequest(role=f"{model.name} with {ion} at {site}", factor=1, key=with_ion.key),
                LegRequest(role=model.name, factor=-1, key=host.key),
                LegRequest(role=reference.name, factor=-per_ion, key=phase.key),
            ]
            if reference.electrons:
                legs.append(
                    LegRequest(role="electron at the vacuum level", factor=-reference.electrons)
                )
            requests.append(
                EnergyRequest(
                    model=model.name,
                    label=site,
                    quantity=f"{ion} binding energy",
                    reference=reference.name,
                    legs=tuple(legs),
                    equation=f"{model.name} + {reference.name} -> {ion}@{model.name}",
                )
            )
        return requests

    def _add_hop(self, model: Model, path: HopPath) -> None:
        """Add a hop: both end points relaxed, then the band between them."""
        ion = self.study.ion
        # All hosts share one cell, so that their barriers can belong to one and the same path.
        start = self.hop_starts.get(path.kind)
        hop = build_hop(model, path.kind, ion=ion, gallery_gap=path.gallery_gap, start=start)
        self.hop_starts.setdefault(path.kind, hop.initial_site)
        label, ends = f"{ion}-hop-{path.kind}", {}
        for role, structure in (("initial", hop.initial), ("final", hop.final)):
            held = _freeze(structure, path, hop)
            name = f"{model.name}/{label}/{role}"
            ends[role] = self.add(model.name, name, "relax", held)
        keys = {role: calculation.key for role, calculation in ends.items()}
        band = self.add(
            model.name,
            f"{model.name}/{label}/neb",
            "neb",
            ends["initial"].structure,
            parents=keys,
            n_images=pick(path.images, self.profile),
            final=ends["final"].structure,
            tags=path.incar.get(self.profile),
        )
        self.requests.append(
            BarrierRequest(model=model.name, label=path.kind, band=band.key, ion=ion, **keys)
        )


def _interlayer(model: Model, calculation: Calculation, label: str) -> InterlayerRequest:
    """Return the request for the distance between the two layers of a model."""
    return InterlayerRequest(
        model=model.name, label=label, key=calculation.key, bottom=model.bottom, top=model.top
    )


def _freeze(structure: Structure, path: HopPath, hop: Hop) -> Structure:
    """Return the structure with the path's frozen elements held, but for those near the hop."""
    if not path.freeze:
        return structure
    ion = len(structure) - 1
    ends = [end.frac_coords[ion] for end in (hop.initial, hop.final)]
    free = []
    for site in structure:
        away = min(_along_plane(structure, site.frac_coords, end) for end in ends)
        is_free = site.specie.symbol not in path.freeze or away < path.free_within
        free.append([is_free] * 3)
    result: Structure = structure.copy()
    result.add_site_property("selective_dynamics", free)
    return result


def _along_plane(structure: Structure, first: Floats, second: Floats) -> float:
    """Return the shortest distance of two places parallel to the layers, in Angstrom."""
    flat = [np.array([*place[:2], 0.0]) for place in (first, second)]
    return float(structure.lattice.get_all_distances([flat[0]], [flat[1]])[0, 0])
