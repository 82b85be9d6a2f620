"""The parts of a study file about molecules: complexes, how they come apart, ions beside them."""

from typing import Any

from pydantic import Field, model_validator

from .study_parts import PROFILES, Counts, NonNegative, Profile, StudyPart

FREE = "free"  # stands for no host at all


class Complex(StudyPart):
    """A molecule on another one, on a cluster, or on another complex."""

    host: str  # a phase that is a molecule, or another complex
    guest: str  # a phase that is a molecule
    profiles: tuple[Profile, ...] = PROFILES
    anchor: str  # place on the host, as `heterofire dock HOST GUEST --list` names it
    heads: tuple[str, ...] = ()  # elements of the guest that may look at the anchor
    candidates: Counts | dict[Profile, Counts] = 1  # placements, ranked by their energy as built
    keep: Counts | dict[Profile, Counts] = 1  # of the best of them, that are relaxed
    # Relaxed with the atoms of the host where they are in the relaxed host.
    hold_host: dict[Profile, bool] = {}
    charges: dict[Profile, bool] = {}  # charges of the parts from the density
    difference: dict[Profile, bool] = {}  # density of the whole less those of its parts


class Equation(StudyPart):
    """An energy between molecules and ions; atoms, charge and electrons must balance."""

    model: str  # "Li-TFSI"
    label: str  # "Li+ ion and TFSI-"
    quantity: str = "binding energy"
    reference: str = ""  # what the energy is measured against
    reactants: dict[str, Counts]  # phases that are molecules or crystals, and how many
    products: dict[str, Counts]
    electrons: int = 0  # released at the vacuum level; negative: taken up


class Scission(StudyPart):
    """A bond that breaks, how far its ends are pulled apart, and which of the two pieces leaves."""

    name: str  # "C-S"
    bond: tuple[str, str]  # atoms of the molecule, counted by element: S1, N1
    to: float = Field(default=3.2, gt=1.0, lt=8.0)  # Angstrom
    towards: str = ""  # element that the second atom goes to: Li, for F that leaves as LiF
    points: Counts | dict[Profile, Counts] = 4  # of the relaxed scan
    # The ends stay held where the scan has brought them: for pieces that would fall together again.
    hold: bool = False
    leaves: str = ""  # an atom of the piece that leaves ...
    ions: NonNegative = 0  # ... with so many of the nearest ions
    phase: str = ""  # ... as this phase

    @model_validator(mode="after")
    def _what_leaves_is_a_phase(self) -> "Scission":
        if bool(self.leaves) != bool(self.phase) or (self.ions and not self.leaves):
            raise ValueError("leaves, ions and phase go together: which piece leaves, and as what")
        return self


class Decomposition(StudyPart):
    """How a molecule comes apart, step after step, by itself and on hosts."""

    name: str  # "LiTFSI"
    molecule: str  # the phase that comes apart; neutral
    # "free", or the name of a complex whose guest is the molecule.
    where: tuple[str, ...] = Field(min_length=1)
    leave_out: dict[Profile, tuple[str, ...]] = {}  # of these, where it costs too much
    # Taken up by the molecule as it is, before the first bond breaks ...
    electrons: NonNegative = 0
    donor: str = ""  # ... from so many atoms of this phase, whose ions stay with the molecule
    donor_at: tuple[str, ...] = ()  # atoms of the molecule that they are put beside; none: all
    steps: tuple[Scission, ...] = Field(min_length=1)
    # Where ions that stay behind are also tried at their best contacts; the lower state counts.
    ions_anew: dict[Profile, tuple[str, ...]] = {}
    images: Counts | dict[Profile, Counts] = 3
    hold_host: dict[Profile, bool] = {}
    charges: dict[Profile, tuple[str, ...]] = {}  # where they are taken from the density
    elf: dict[Profile, tuple[str, ...]] = {}  # where it is computed in every state
    incar: dict[Profile, dict[str, Any]] = {}  # tags of the bands that win over the presets

    def where_in(self, profile: Profile) -> tuple[str, ...]:
        """Return where it is computed in a profile."""
        return tuple(n for n in self.where if n not in self.leave_out.get(profile, ()))

    @model_validator(mode="after")
    def _electrons_come_from_somewhere(self) -> "Decomposition":
        if self.electrons and not self.donor:
            raise ValueError("electrons need a donor: the phase that gives them, such as Li")
        named = (self.charges, self.elf, self.leave_out, self.ions_anew)
        unknown = {n for part in named for names in part.values() for n in names} - set(self.where)
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} is not in 'where'")
        return self


class Electronic(StudyPart):
    """Systems whose densities of states are drawn on one energy scale."""

    systems: tuple[str, ...] = Field(min_length=1)  # phases that are molecules, complexes
    d_elements: tuple[str, ...] = ()  # with a d-band centre
    deep_element: str = ""  # whose lowest states align runs that have no vacuum level


class Adatom(StudyPart):
    """Hops of the study's ion on a slab, bare or beside a complex that lies on it."""

    surface: str  # a named model
    complex: str = ""  # that lies on the surface; empty: bare
    heads: tuple[str, ...] = ()  # what of it looks down, as in `heterofire dock`: plane, N, any
    images: Counts | dict[Profile, Counts] = 3
    # All but the ion is held, save what is this near to the hop (Angstrom); nothing by default.
    free_within: dict[Profile, float] = {}
    spin: dict[Profile, bool] = {}  # false: none, even where the complex has moments
    incar: dict[Profile, dict[str, Any]] = {}  # tags of the band that win over the presets
