"""A study: one YAML file that says which models, which energies, which figures."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ..results.figure_names import drawing_of
from ..structures.errors import InputError
from .host_parts import Charges, HopPath, Host, Sites
from .molecular_parts import FREE, Adatom, Complex, Decomposition, Electronic, Equation
from .phase_parts import IonReference, Normalisation, Phase, Reaction, Route
from .preset_files import task_names
from .study_parts import PROFILES, Profile, Size, StudyPart, pick, size_like

__all__ = ["PROFILES", "Profile", "Study", "pick"]

# Of k-points in 1/Angstrom, 2 pi included; above 3 even a cell of 2 Angstrom has Gamma alone.
Spacing = Annotated[float, Field(gt=0, le=3, strict=True)]


class StudyFigure(StudyPart):
    """A figure of the study; a name alone is that figure in every profile."""

    figure: str  # its number in the paper, or what is drawn
    profiles: tuple[Profile, ...] = PROFILES


class Study(StudyPart):
    """A validated study file."""

    study: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    paper: str = ""
    ion: str = "K"
    hosts: tuple[Host, ...] = ()
    sizes: dict[Profile, Size] = {}
    # Angstrom above the film, where the model's own 20 are not wanted: what computes without
    # periodic images along c needs less, and its cost goes with the cell.
    vacuums: dict[Profile, Annotated[float, Field(ge=8.0, le=60.0)]] = {}
    held_layers: dict[Profile, tuple[Literal["bottom", "top"], ...]] = {}  # of hosts of two layers
    sites: tuple[Sites, ...] = ()
    # Hosts, with and without the ion, are relaxed a second time with k-points at most this far
    # apart (1/Angstrom) on an even Monkhorst-Pack mesh: none of them is Gamma, where graphene's
    # Dirac point lies in some cells. So do bands, from where they came to on the
    # profile's own mesh.
    refine_spacing: dict[Profile, Spacing] = {}
    # Binding energies come from one more field with k-points at most this far apart (1/Angstrom),
    # at the relaxed geometry: that of the charges where they are wanted, else a static run.
    final_spacing: dict[Profile, Spacing] = {}
    hops: tuple[HopPath, ...] = ()
    charges: Charges | None = None
    adhesion: bool = False  # of each host's two layers, and the strain energy of each
    routes: tuple[Route, ...] = ()
    # Files of crystals that phases name; they win over crystals that come along by the same name.
    crystals: dict[str, str] = {}
    phases: dict[str, Phase] = {}
    ion_references: tuple[IonReference, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    complexes: dict[str, Complex] = {}  # by name, each after those it builds on
    equations: tuple[Equation, ...] = ()
    electronic: tuple[Electronic, ...] = ()
    decompositions: tuple[Decomposition, ...] = ()
    adatoms: tuple[Adatom, ...] = ()
    per: Normalisation | None = None
    dos: bool = True
    dos_per_area: bool = False  # for hosts whose cells differ
    # profile -> task, or "every" -> INCAR tags
    overrides: dict[Profile, dict[str, dict[str, Any]]] = {}
    figures: tuple[StudyFigure, ...] = ()

    @field_validator("hosts", mode="before")
    @classmethod
    def _names_are_hosts(cls, value: Any) -> Any:
        return _names_as("model", value)

    @field_validator("figures", mode="before")
    @classmethod
    def _names_are_figures(cls, value: Any) -> Any:
        return _names_as("figure", value)

    @field_validator("overrides")
    @classmethod
    def _tasks_exist(
        cls, value: dict[Profile, dict[str, dict[str, Any]]]
    ) -> dict[Profile, dict[str, dict[str, Any]]]:
        known = ("every", *task_names())
        for profile, tasks in value.items():
            for task in tasks:
                if task not in known:
                    raise ValueError(f"{profile}: no task {task!r}; there are {', '.join(known)}")
        return value

    @field_validator("figures")
    @classmethod
    def _figures_exist(
        cls, value: tuple[StudyFigure, ...], about: ValidationInfo
    ) -> tuple[StudyFigure, ...]:
        for item in value:
            try:
                drawing_of(about.data.get("study", ""), item.figure)
            except InputError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _phases_exist(self) -> "Study":
        wanted = [r.phase for r in self.ion_references]
        wanted += [name for r in self.reactions for name in (*r.reactants, *r.products)]
        wanted += [name for r in self.routes for name in r.reservoirs]
        wanted += [name for r in self.routes for state in r.states for name in state.phases]
        wanted += [name for e in self.equations for name in (*e.reactants, *e.products)]
        wanted += [name for d in self.decompositions for name in (d.molecule, d.donor) if name]
        steps = [step for d in self.decompositions for step in d.steps]
        wanted += [step.phase for step in steps if step.phase]
        for name in wanted:
            if name not in self.phases:
                known = ", ".join(self.phases) or "none"
                raise ValueError(f"phase {name!r} is not among the phases ({known})")
        missing = (self.charges.all_hops if self.charges else set()) - {h.kind for h in self.hops}
        if missing:
            raise ValueError(f"charges want the hops {', '.join(sorted(missing))}, not in hops")
        if self.reactions and self.per is None:
            raise ValueError("reactions need 'per': which atoms their energies are counted on")
        return self

    @model_validator(mode="after")
    def _systems_exist(self) -> "Study":
        for profile in PROFILES:
            self._check_systems(profile)
        for decomposition in self.decompositions:
            for name in decomposition.where:
                part = self.complexes.get(name)
                if part and part.guest != decomposition.molecule:
                    where = f"decomposition {decomposition.name!r}"
                    raise ValueError(f"{where}: the guest of {name!r} is {part.guest!r}")
        return self

    def _check_systems(self, profile: Profile) -> None:
        """Refuse names of molecules and complexes that the profile has not, or has only later."""
        molecules = {name for name, phase in self.phases.items() if phase.molecule}
        known = set(molecules)
        complexes = self.complexes_in(profile)
        for name, part in complexes.items():
            _refuse_unknown(f"complex {name!r}", (part.host,), known, profile)
            _refuse_unknown(f"the guest of complex {name!r}", (part.guest,), molecules, profile)
            known.add(name)
        for electronic in self.electronic:
            _refuse_unknown("electronic", electronic.systems, known, profile)
        for decomposition in self.decompositions:
            where = f"decomposition {decomposition.name!r}"
            names = decomposition.where_in(profile)
            _refuse_unknown(where, names, {FREE, *complexes}, profile)
        for adatom in self.adatoms:
            names = (adatom.complex,) if adatom.complex else ()
            _refuse_unknown(f"adatom on {adatom.surface}", names, known, profile)

    def complexes_in(self, profile: Profile) -> dict[str, Complex]:
        """Return the complexes of a profile by name."""
        return {n: part for n, part in self.complexes.items() if profile in part.profiles}

    def hosts_in(self, profile: Profile) -> tuple[Host, ...]:
        """Return the hosts of a profile."""
        return tuple(host for host in self.hosts if profile in host.profiles)

    def hops_in(self, profile: Profile) -> tuple[HopPath, ...]:
        """Return the hops of a profile."""
        return tuple(hop for hop in self.hops if profile in hop.profiles)

    def figures_in(self, profile: Profile) -> tuple[str, ...]:
        """Return the names of the figures of a profile."""
        return tuple(item.figure for item in self.figures if profile in item.profiles)

    def size(self, profile: Profile) -> Size:
        """Return which size of the named models a profile takes; by default its own name."""
        return self.sizes.get(profile, size_like(profile))


def _names_as(key: str, value: Any) -> Any:
    """Return parts of a list that are names alone as mappings with that key."""
    if not isinstance(value, list | tuple):
        return value
    return [{key: item} if isinstance(item, str) else item for item in value]


def _refuse_unknown(where: str, names: Sequence[str], known: set[str], profile: Profile) -> None:
    """Refuse names of systems that are not there, or come later."""
    for name in names:
        if name not in known:
            raise ValueError(
                f"{where}: {name!r} is not among {', '.join(sorted(known)) or 'none'} (molecules, "
                f"and complexes of profile {profile} that come before)"
            )
