"""What a study file says of hosts: where the ion is put, how it hops, which charges are taken."""

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from .study_parts import PROFILES, Counts, NonNegative, Profile, StudyPart

HostPart = Literal["adhesion", "dos", "charges", "sites", "hops"]
ALL_PARTS: tuple[HostPart, ...] = get_args(HostPart)


class Host(StudyPart):
    """A model that takes up the ion; a name alone is that model with all parts of the study."""

    model: str
    profiles: tuple[Profile, ...] = PROFILES
    # What the study asks of every host, as far as it is wanted of this one.
    parts: tuple[HostPart, ...] = ALL_PARTS


class Sites(StudyPart):
    """Where the ion is put on each host."""

    region: Literal["gallery", "outer"]
    near: str | None = None  # an element that the ion touches there; hosts without it have none
    count: NonNegative | dict[Profile, NonNegative] = 2
    gallery_gap: float = Field(default=5.8, gt=3.0, lt=20.0)  # Angstrom, chalcogen to carbon plane


Extent = Literal["line", "plane", "all"]


HopKind = Literal["gallery", "surface", "through-layer"]


class HopPath(StudyPart):
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
    # An atom of each layer, far from the hop, keeps its place in the plane: in a small cell all
    # images of the ion hop together, and would push one layer over the other.
    hold_layers: bool = False
    gallery_gap: float = Field(default=5.8, gt=3.0, lt=20.0)
    incar: dict[Profile, dict[str, Any]] = {}  # tags of the band that win over the presets

    @model_validator(mode="after")
    def _network_is_in_a_plane(self) -> "HopPath":
        if self.network is not None and self.kind == "through-layer":
            raise ValueError("a network of hops lies on a face: take kind surface or gallery")
        return self


class Charges(StudyPart):
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
