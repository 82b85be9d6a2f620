"""What collects the steps and requests of a study while it is walked through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymatgen.core import Structure

from ..results.records import Label
from ..results.requests import BarrierRequest, Request
from ..structures.sites import Site
from ..structures.transformations import Transformation
from .calculations import Calculation
from .inputs import make_inputs
from .plans import Plan, shared_method
from .study import Profile, Study
from .subtractions import Subtraction

if TYPE_CHECKING:
    from ..structures.models import Model
    from .systems import System


@dataclass(frozen=True, kw_only=True)
class Start:
    """Which finished calculations a new one starts from, see `Calculation`."""

    parents: Mapping[str, str] = field(default_factory=dict)
    image: int | None = None
    atoms: tuple[int, ...] | None = None
    rank: int | None = None
    transformation: Transformation | None = None


@dataclass
class Planner:
    """Collects calculations and requests while a study is walked through."""

    study: Study
    profile: Profile
    engine: str
    method_of: Callable[[Mapping[str, Any]], str]  # by INCAR
    has_vtst: bool
    calculations: dict[str, Calculation] = field(default_factory=dict)
    phases: dict[str, Calculation] = field(default_factory=dict)
    subtractions: list[Subtraction] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    hop_hosts: list["Model"] = field(default_factory=list)  # in the order of the study
    hop_sites: dict[tuple[str | float, ...], tuple[Site, Site]] = field(default_factory=dict)
    crystals: Mapping[str, Structure] = field(default_factory=dict)  # of the study's own files
    systems: dict[str, "System"] = field(default_factory=dict)  # molecules and complexes by name

    def plan(self, source: str) -> Plan:
        """Return what was collected."""
        return Plan(
            study=self.study.study,
            source=source,
            profile=self.profile,
            engine=self.engine,
            method=shared_method(self.calculations.values()),
            calculations=tuple(self.calculations.values()),
            requests=tuple(self.requests),
            subtractions=tuple(self.subtractions),
        )

    def add(
        self,
        model: str,
        name: str,
        task: str,
        structure: Structure,
        *,
        start: Start | None = None,
        n_images: int = 0,
        final: Structure | None = None,
        tags: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Calculation:
        """Add one calculation; the same one asked for twice is one."""
        start = start or Start()
        changed = start.transformation
        own = self.study.overrides.get(self.profile, {})
        overrides = {**own.get("every", {}), **own.get(task, {})}
        inputs = make_inputs(
            structure,
            task=task,
            profile=self.profile,
            overrides={**overrides, **(tags or {})},
            images=n_images or None,
            has_vtst=self.has_vtst or self.engine != "vasp",
            engine=self.engine,
            **options,
        )
        calculation = Calculation(
            label=self.label(model, task, name),
            structure=structure,
            incar=inputs.incar,
            kpoints=inputs.kpoints,
            potcar_symbols=tuple(inputs.potcar_symbols),
            engine=self.engine,
            method=self.method_of(inputs.incar),
            charge=options.get("charge", 0),
            n_images=n_images,
            final=final,
            nelect=inputs.nelect,
            parents=start.parents,
            image=start.image,
            atoms=start.atoms,
            rank=start.rank,
            transformation=changed.model_dump(mode="json") if changed else None,
            changes=tuple(inputs.changes),
            warnings=tuple(inputs.warnings),
        )
        return self.calculations.setdefault(calculation.key, calculation)

    def add_band(
        self,
        model: str,
        folder: str,
        ends: Mapping[str, Calculation],
        *,
        n_images: int,
        before: Calculation | None = None,
        **options: Any,
    ) -> Calculation:
        """Add the band between two relaxed ends, or where the one before goes on between others."""
        keys = {role: calculation.key for role, calculation in ends.items()}
        if before is not None:
            keys["band"] = before.key
        return self.add(
            model,
            f"{folder}/neb" if before is None else f"{folder}/neb-refine",
            "neb",
            ends["initial"].structure,
            start=Start(parents=keys),
            n_images=n_images,
            final=ends["final"].structure,
            **options,
        )

    def add_barrier(self, label: str, band: Calculation, *, mesh: str = "") -> None:
        """Ask for the barriers of a band; with the mesh where another one of the hop counts."""
        self.requests.append(
            BarrierRequest(
                model=band.label.model,
                label=label,
                band=band.key,
                initial=band.parents["initial"],
                final=band.parents["final"],
                ion=self.study.ion,
                mesh=mesh,
            )
        )

    def refined_mesh(self) -> dict[str, Any] | None:
        """Return the options of the mesh on which relaxations go on, where the study has one."""
        spacing = self.study.refine_spacing.get(self.profile)
        if spacing is None:
            return None
        return {"kpoint_spacing": spacing, "kpoint_style": "Monkhorst-Pack"}

    def refine(self, relaxed: Calculation, name: str) -> Calculation:
        """Return the relaxation whose geometry counts: this one, or its second part off Gamma."""
        mesh = self.refined_mesh()
        if mesh is None:
            return relaxed
        start = Start(parents={"structure": relaxed.key})
        return self.add(relaxed.label.model, name, "relax", relaxed.structure, start=start, **mesh)

    def final_mesh(self) -> dict[str, Any]:
        """Return the options of the mesh of energies and charges, where the study has one."""
        spacing = self.study.final_spacing.get(self.profile)
        return {} if spacing is None else {"kpoint_spacing": spacing}

    def subtract(self, model: str, whole: Calculation, fragments: Mapping[str, str]) -> Subtraction:
        """Add the density of a whole less those of its fragments, given by name and key."""
        task = "charge-difference"
        difference = Subtraction(
            label=self.label(model, task, f"{model}/{task}"),
            joint=whole.key,
            fragments=fragments,
            engine=self.engine,
        )
        self.subtractions.append(difference)
        return difference

    def label(self, model: str, task: str, name: str) -> Label:
        """Return what a step is for."""
        about = {"study": self.study.study, "profile": self.profile}
        return Label(**about, model=model, task=task, name=name)
