"""A study: one YAML file that says which models, which energies, which figures."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..results.figure_names import drawing_of
from ..structures.errors import InputError
from .molecular_parts import FREE, Adatom, Complex, Decomposition, Electronic, Equation
from .preset_files import task_names
from .study_parts import (
    PROFILES,
    Counts,
    NonNegative,
    Profile,
    Repeats,
    Size,
    pick,
    size_like,
)

__all__ = ["PROFILES", "Profile", "Study", "pick"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# Of k-points in 1/Angstrom, 2 pi included; above 3 even a cell of 2 Angstrom has Gamma alone.
Spacing = Annotated[float, Field(gt=0, le=3, strict=True)]
HostPart = Literal["adhesion", "dos", "charges", "sites", "hops"]
ALL_PARTS: tuple[HostPart, ...] = get_args(HostPart)


class Host(_Part):
    """A model that takes up the ion; a name alone is that model with all parts of the study."""

    model: str
    profiles: tuple[Profile, ...] = PROFILES
    # What the study asks of every host, as far as it is wanted of this one.
    parts: tuple[HostPart, ...] = ALL_PARTS


class Sites(_Part):
    """Where the ion is put on each host."""

    region: Literal["gallery", "outer"]
    near: str | None = None  # an element that the ion touches there; hosts without it have none
    count: NonNegative | dict[Profile, NonNegative] = 2
    gallery_gap: float = Field(default=5.8, gt=3.0, lt=20.0)  # Angstrom, chalcogen to carbon plane


Extent = Literal["line", "plane", "all"]


HopKind = Literal["gallery", "surface", "through-layer"]


class HopPath(_Part):
    """A hop of the ion, computed as a nudged elastic band on each host."""

    kind: HopKind
    profiles: tuple[Profile, ...] = PROFILES
    # Which of the symmetry-distinct hops between neighbouring sites: those that lead on along a
    # line, everywhere in the plane, or all; without it, one hop to the nearest like site.
    network: Extent | dict[Profile, Extent] | None = None
    images: Counts | dict[Profile, Counts] = 3
    # Elements held fixed, at the end points as well ...
    freeze: tuple[str, ...] | dict[Profile, tuple[str, ...]] = ()
    free_within: float = Field(default=0.0, ge=0)  # ... but not this near, Angstrom along the plane
    gallery_gap: float = Field(default=5.8, gt=3.0, lt=20.0)
    incar: dict[Profile, dict[str, Any]] = {}  # tags of the band that win over the presets

    @model_validator(mode="after")
    def _network_is_in_a_plane(self) -> "HopPath":
        if self.network is not None and self.kind == "through-layer":
            raise ValueError("a network of hops lies on a face: take kind surface or gallery")
        return self


class Charges(_Part):
    """Which charges are taken from densities, each by a charge run at a finished geometry."""

    sites: bool = True  # the ion at every site
    hops: tuple[HopKind, ...] | dict[Profile, tuple[HopKind, ...]] = ()  # ... and every image
    differences: bool = True  # of each host against its two layers, frozen in its geometry
    elf: bool = False  # of each host

    @property
    def all_hops(self) -> set[str]:
        """Return the hops that any profile wants charges of."""
        by_profile = self.hops.values() if isinstance(self.hops, dict) else [self.hops]
        return {kind for kinds in by_profile for kind in kinds}


class Phase(_Part):
    """What an energy is measured against, or a partner in a reaction."""

    atom: str | None = None
    molecule: str | None = None
    crystal: str | None = None
    charge: int = 0
    supercell: Repeats | dict[Profile, Repeats] = (1, 1, 1)
    replace: dict[str, str] = {}  # an atom of the key's element becomes the value's
    n_replace: Counts | dict[Profile, Counts] = 1  # ... in this many places, far from each other
    remove: str | None = None  # one atom of this element is taken out

    @model_validator(mode="after")
    def _one_source(self) -> "Phase":
        sources = [s for s in (self.atom, self.molecule, self.crystal) if s is not None]
        if len(sources) != 1:
            raise ValueError("give exactly one of: atom, molecule, crystal")
        return self


class IonReference(_Part):
    """What the ion's binding energy is measured against."""

    name: str
    phase: str
    electrons: int = 0  # electrons at the vacuum level that the phase lacks per ion


class Reaction(_Part):
    """A route; its coefficients are found by balancing, never given."""

    name: str
    reactants: tuple[str, ...]
    products: tuple[str, ...]
    series: str = ""  # e.g. "without Se", "with Se"
    ratio: dict[
        Profile, dict[str, Counts]
    ] = {}  # atoms among the reactants, where balancing leaves a choice

    def ratio_for(self, profile: Profile) -> dict[str, int]:
        """Return the fixed ratio of atoms in one profile; empty where balancing decides."""
        return self.ratio.get(profile, self.ratio.get(size_like(profile), {}))


class RouteState(_Part):
    """One state of a reaction on a surface: what lies on it, and what has left it."""

    name: str  # "PS4 + *OH"
    species: tuple[str, ...]  # molecules on the surface, the first one placed first
    ions: int = Field(default=0, ge=0)  # counter-ions of the study's ion, for a neutral cell
    phases: tuple[str, ...] = ()  # one formula unit of each has formed beside the surface


class Route(_Part):
    """A reaction on a surface, state after state, balanced by named reservoirs."""

    name: str  # "to MoS2"
    surface: str  # a named model
    states: tuple[RouteState, ...] = Field(min_length=2)
    reservoirs: tuple[str, ...] = ()  # phases that give or take what a state lacks
    freeze: dict[Profile, tuple[str, ...]] = {}  # elements of the surface that are held
    vibrations: dict[Profile, bool] = {}  # of what lies on the surface: ZPE and -TS
    temperature_kelvin: float = Field(default=298.15, ge=0)


class Normalisation(_Part):
    """Reaction energies are per this many atoms of these elements among the reactants."""

    elements: tuple[str, ...]
    atoms: float = Field(gt=0)
    unit_name: str  # "MoX2": the unit becomes eV/MoX2


class Study(_Part):
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
    figures: tuple[str, ...] = ()

    @field_validator("hosts", mode="before")
    @classmethod
    def _names_are_hosts(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [{"model": item} if isinstance(item, str) else item for item in value]

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
    def _figures_exist(cls, value: tuple[str, ...], about: ValidationInfo) -> tuple[str, ...]:
        for name in value:
            try:
                drawing_of(about.data.get("study", ""), name)
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

    def size(self, profile: Profile) -> Size:
        """Return which size of the named models a profile takes; by default its own name."""
        return self.sizes.get(profile, size_like(profile))


def _refuse_unknown(where: str, names: Sequence[str], known: set[str], profile: Profile) -> None:
    """Refuse names of systems that are not there, or come later."""
    for name in names:
        if name not in known:
            raise ValueError(
                f"{where}: {name!r} is not among {', '.join(sorted(known)) or 'none'} (molecules, "
                f"and complexes of profile {profile} that come before)"
            )
