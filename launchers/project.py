"""A project folder opened: its settings, result store and LaunchPad, each when first wanted."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..structures.errors import InputError, StoreError
from .mongodb_addresses import without_password
from .settings import Settings, load_settings

if TYPE_CHECKING:
    from fireworks import LaunchPad

    from ..results.store import ResultStore
    from ..workflows.plans import Plan
    from ..workflows.study import Profile

_SERVER_TIMEOUT_S = 8


def checked_profile(name: str) -> "Profile":
    """Return the profile of that name, or say which there are."""
    from ..workflows.study import PROFILES  # pydantic is slow to import

    for profile in PROFILES:
        if profile == name:
            return profile
    raise InputError(f"unknown profile {name!r}; known are {', '.join(PROFILES)}")


@dataclass
class Project:
    """What every command works on.

    Parameters
    ----------
    settings
        Where things are on this machine.
    """

    settings: Settings

    @classmethod
    def here(cls, engine: str | None) -> Self:
        """Open the project in the current folder."""
        return cls(load_settings(engine=engine))

    @cached_property
    def store(self) -> "ResultStore":
        """Return the result store; the file is made on first use."""
        from ..results.store import ResultStore  # SQLAlchemy is slow to import

        return ResultStore.open(self.settings.database)

    @cached_property
    def launchpad(self) -> "LaunchPad":
        """Return the LaunchPad; the embedded one is made on first use."""
        from .launchpads import open_launchpad  # FireWorks is slow to import

        launchpad = open_launchpad(
            my_launchpad=self.settings.my_launchpad,
            embedded=self.settings.launchpad,
            strm_lvl="ERROR",
        )
        if self.settings.my_launchpad is not None:
            _check_server(launchpad, self.settings.my_launchpad)
        return launchpad

    def plan(self, study: str, profile: str) -> "Plan":
        """Return the plan of a study for this project's engine."""
        from ..workflows.planning import plan_study  # pymatgen is slow to import
        from ..workflows.study import load_study

        return plan_study(
            load_study(study),
            checked_profile(profile),
            engine=self.settings.engine,
            method=self.settings.method,
            has_vtst=self.settings.has_vtst,
            source=study,
        )

    def stored_keys(self, plan: "Plan") -> frozenset[str]:
        """Return the keys of a plan's calculations that are stored; makes no file to look."""
        database = self.settings.database
        if "://" not in database and not Path(database).exists():
            return frozenset()
        return frozenset(c.key for c in plan.steps if self.store.has(c.key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if "store" in self.__dict__:
            self.store.close()


def _check_server(launchpad: "LaunchPad", named_in: Path) -> None:
    """Refuse a MongoDB server that does not answer, before anything relies on it."""
    import pymongo  # slow to import
    from pymongo.errors import PyMongoError

    try:
        with pymongo.timeout(_SERVER_TIMEOUT_S):
            launchpad.db.command("ping")
    except PyMongoError as error:
        reason = without_password(str(error).split(", Timeout:")[0])
        raise StoreError(
            f"the MongoDB server that {named_in} names does not answer: {reason}. Start it or "
            "correct the file; without the file the LaunchPad is a file in this folder."
        ) from error
