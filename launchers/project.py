"""A project folder opened: its settings, result store and LaunchPad, each when first wanted."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..results.reference import is_reference, refuse_to_write
from ..structures.errors import InputError
from .settings import Settings, load_settings

if TYPE_CHECKING:
    from fireworks import LaunchPad

    from ..results.store import ResultStore
    from ..workflows.plans import Plan
    from ..workflows.study import Profile


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
    def here(cls, engine: str | None, database: str | None = None) -> Self:
        """Open the project in the current folder."""
        return cls(load_settings(engine=engine, database=database))

    @cached_property
    def store(self) -> "ResultStore":
        """Return the result store; the file is made on first use."""
        from ..results.store import ResultStore  # SQLAlchemy is slow to import

        return ResultStore.open(self.settings.database)

    @cached_property
    def launchpad(self) -> "LaunchPad":
        """Return the LaunchPad; the embedded one is made on first use."""
        from .launchpads import open_launchpad  # FireWorks is slow to import
        from .servers import check_server

        launchpad = open_launchpad(
            my_launchpad=self.settings.my_launchpad,
            embedded=self.settings.launchpad,
            strm_lvl="ERROR",
        )
        if self.settings.my_launchpad is not None:
            check_server(launchpad, self.settings.my_launchpad)
        return launchpad

    def plan(self, study: str, profile: str) -> "Plan":
        """Return the plan of a study for this project's engine."""
        from ..workflows.planning import plan_study  # pymatgen is slow to import
        from ..workflows.study_reading import load_study
        from .engine_checks import check_engine

        name = checked_profile(profile)
        plan = plan_study(
            load_study(study),
            name,
            engine=self.settings.engine,
            method=self.settings.method_of,
            has_vtst=self.settings.has_vtst,
            source=study,
        )
        check_engine(plan, self.settings.engine)
        return plan

    def has_store(self) -> bool:
        """Return whether there is a result database to look into."""
        database = self.settings.database
        return "://" in database or is_reference(database) or Path(database).exists()

    def check_writable(self) -> None:
        """Refuse to compute for a database that is only read, before anything is started."""
        refuse_to_write(self.settings.database, "nothing was started")

    def stored_keys(self, plan: "Plan") -> frozenset[str]:
        """Return the keys of a plan's calculations that are stored; makes no file to look."""
        if not self.has_store():
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
        self.close()

    def close(self) -> None:
        """Let go of the result store."""
        if "store" in self.__dict__:
            self.store.close()
