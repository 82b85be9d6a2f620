"""What a study file says of phases, the reactions between them, and routes on surfaces."""

from pydantic import Field, model_validator

from .study_parts import Counts, Profile, Repeats, StudyPart, size_like


class Phase(StudyPart):
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


class IonReference(StudyPart):
    """What the ion's binding energy is measured against."""

    name: str
    phase: str
    electrons: int = 0  # electrons at the vacuum level that the phase lacks per ion


class Reaction(StudyPart):
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


class RouteState(StudyPart):
    """One state of a reaction on a surface: what lies on it, and what has left it."""

    name: str  # "PS4 + *OH"
    species: tuple[str, ...]  # molecules on the surface, the first one placed first
    ions: int = Field(default=0, ge=0)  # counter-ions of the study's ion, for a neutral cell
    phases: tuple[str, ...] = ()  # one formula unit of each has formed beside the surface


class Route(StudyPart):
    """A reaction on a surface, state after state, balanced by named reservoirs."""

    name: str  # "to MoS2"
    surface: str  # a named model
    states: tuple[RouteState, ...] = Field(min_length=2)
    reservoirs: tuple[str, ...] = ()  # phases that give or take what a state lacks
    freeze: dict[Profile, tuple[str, ...]] = {}  # elements of the surface that are held
    vibrations: dict[Profile, bool] = {}  # of what lies on the surface: ZPE and -TS
    temperature_kelvin: float = Field(default=298.15, ge=0)


class Normalisation(StudyPart):
    """Reaction energies are per this many atoms of these elements among the reactants."""

    elements: tuple[str, ...]
    atoms: float = Field(gt=0)
    unit_name: str  # "MoX2": the unit becomes eV/MoX2
