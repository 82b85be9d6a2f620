"""What all parts of a study file share."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..structures.errors import InputError

Profile = Literal["quick", "paper", "converged", "gpaw"]
PROFILES: tuple[Profile, ...] = ("quick", "paper", "converged", "gpaw")
Size = Literal["quick", "paper", "converged"]  # of the named models

Counts = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Repeats = tuple[Counts, Counts, Counts]


class StudyPart(BaseModel):
    """A part of a study file: it never changes, and a key that it has not is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def pick(value: Any, profile: Profile) -> Any:
    """Return a value that may be given once for all profiles or for each of them.

    Profile gpaw has what quick has, unless the value names it.

    Examples
    --------
    >>> pick({"quick": 3, "paper": 5}, "paper"), pick(2, "quick")
    (5, 2)
    >>> pick({"quick": 3, "paper": 5}, "gpaw"), pick({"quick": 3, "gpaw": 1}, "gpaw")
    (3, 1)
    """
    if not isinstance(value, dict):
        return value
    for name in (profile, size_like(profile)):
        if name in value:
            return value[name]
    raise InputError(f"no value for profile {profile!r}; given are {', '.join(value)}")


def size_like(profile: Profile) -> Size:
    """Return whose sizes a profile takes: its own, those of quick for gpaw.

    So it is with numbers of sites and images. Tags and limits that are there for the sake of xTB
    are not taken over.

    Examples
    --------
    >>> size_like("paper"), size_like("gpaw")
    ('paper', 'quick')
    """
    return "quick" if profile == "gpaw" else profile
