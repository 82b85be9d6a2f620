"""What all parts of a study file share."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ..structures.errors import InputError

Profile = Literal["quick", "paper", "converged"]
PROFILES: tuple[Profile, ...] = ("quick", "paper", "converged")
Counts = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Repeats = tuple[Counts, Counts, Counts]


def pick(value: Any, profile: Profile) -> Any:
    """Return a value that may be given once for all profiles or for each of them.

    Examples
    --------
    >>> pick({"quick": 3, "paper": 5}, "paper"), pick(2, "quick")
    (5, 2)
    """
    if not isinstance(value, dict):
        return value
    if profile not in value:
        raise InputError(f"no value for profile {profile!r}; given are {', '.join(value)}")
    return value[profile]
