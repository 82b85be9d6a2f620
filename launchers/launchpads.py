"""Opens the LaunchPad, MongoDB's or the embedded one, and runs FireWorks' commands on it."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from socket import gethostname
from types import ModuleType
from typing import Any, Literal

from fireworks.core import rocket
from fireworks.core.launchpad import LaunchPad
from fireworks.utilities.fw_serializers import load_object_from_file
from pymongo.errors import PyMongoError

from ..structures.errors import InputError, StoreError
from ..structures.file_systems import is_local
from .claims import claim, is_alive
from .embedded import EmbeddedClient
from .reservations import job_of
from .servers import check_server, open_server

Command = Literal["lpad", "rlaunch", "qlaunch"]


# Each becomes one change of the file: a kill finds it done or not begun, never a workflow left
# locked or a launch that is finished while its firework still runs.
_WHOLE = (
    "_refresh_wf", "add_offline_run", "add_wf", "append_wf", "archive_wf", "bulk_add_wfs",
    "cancel_reservation", "change_launch_dir", "checkout_fw", "complete_launch", "defuse_fw",
    "defuse_wf", "delete_fws", "delete_wf", "detect_lostruns", "detect_unreserved",
    "forget_offline", "mark_fizzled", "pause_fw", "pause_wf", "ping_launch", "recover_offline",
    "reignite_fw", "reignite_wf", "rerun_fw", "rerun_lost", "reserve_fw", "reset",
    "restore_backup_data", "resume_fw", "set_priority", "set_reservation_id", "update_spec",
)  # fmt: skip


class EmbeddedLaunchPad(LaunchPad):  # type: ignore[misc]
    """FireWorks' LaunchPad on one file instead of a MongoDB server.

    Parameters
    ----------
    path
        The file; made, with an empty queue, when it is not there.
    logdir, strm_lvl
        FireWorks' own: folder of its log, level of what it prints.

    Raises
    ------
    StoreError
        From any method: the file is damaged, not a LaunchPad, or cannot be written.
    """

    connection: EmbeddedClient
    db: Any

    def __init__(
        self, path: str | Path, logdir: str | None = None, strm_lvl: str | None = None
    ) -> None:
        connection = EmbeddedClient(Path(path))
        # FireWorks makes a MongoDB client here; it never connects, and is replaced at once.
        super().__init__(logdir=logdir, strm_lvl=strm_lvl, mongoclient_kwargs={"connect": False})
        self.db.client.close()
        self.host, self.port = str(connection.file.path), None
        self.connection, self.db = connection, connection[self.name]
        for name in ("fireworks", "launches", "offline_runs", "fw_id_assigner", "workflows"):
            setattr(self, name, self.db[name])
        self.gridfs_fallback = None  # for what MongoDB refuses to store: over 16 MB
        self._start_counting()

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` needs; also how it is pickled."""
        return {"embedded": self.host, "logdir": self.logdir, "strm_lvl": self.strm_lvl}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> "EmbeddedLaunchPad":
        """Open the file that `to_dict` has named."""
        return cls(d["embedded"], d.get("logdir"), d.get("strm_lvl"))

    def checkout_fw(self, *args: Any, **kwargs: Any) -> Any:
        """Take a firework to run, as FireWorks does, and note which process has taken it."""
        firework, launch_id = super().checkout_fw(*args, **kwargs)
        if launch_id is not None and firework.state == "RUNNING":
            owner = {"_id": launch_id, "host": gethostname(), "process": claim(self._locks)}
            self.db.owners.replace_one({"_id": launch_id}, owner, upsert=True)
        return firework, launch_id

    def complete_launch(self, launch_id: int, *args: Any, **kwargs: Any) -> Any:
        """Store how a launch has ended, as FireWorks does, and forget its process."""
        self.db.owners.delete_one({"_id": launch_id})
        return super().complete_launch(launch_id, *args, **kwargs)

    def rerun_lost(self) -> list[int]:
        """Queue again what was running in a process that has died, and return the firework ids."""
        # Locks of a shared file system may hold on each machine for itself only.
        known = {} if is_local(self._locks.parent) else {"host": gethostname()}
        lost = []
        for owner in self.db.owners.find(known):
            if is_alive(owner["process"], self._locks):
                continue
            query = {"launch_id": owner["_id"], "state": "RUNNING"}
            launch = self.launches.find_one(query, {"fw_id": 1, "state_history": 1})
            # Of a job on a cluster the scheduler says whether it lives (see reconciling.py).
            if launch and job_of(launch) is None:
                self.mark_fizzled(owner["_id"])
                lost += self.rerun_fw(launch["fw_id"])
        return lost

    @property
    def _locks(self) -> Path:
        """Return the file in which the processes that use this LaunchPad show that they live."""
        return Path(f"{self.host}-workers")

    def _start_counting(self) -> None:
        """Give the first ids, once."""
        if self.fw_id_assigner.find_one() is None:
            with self.connection.file.writing():
                if self.fw_id_assigner.find_one() is None:
                    self._restart_ids(1, 1)


def _as_one_change(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method, run as one change of the LaunchPad's file."""

    @wraps(method)
    def whole(self: EmbeddedLaunchPad, *args: Any, **kwargs: Any) -> Any:
        with self.connection.file.writing(keep_on_error=True):
            return method(self, *args, **kwargs)

    return whole


for _name in _WHOLE:
    setattr(EmbeddedLaunchPad, _name, _as_one_change(getattr(EmbeddedLaunchPad, _name)))


class AnyLaunchPad(LaunchPad):  # type: ignore[misc]
    """FireWorks' LaunchPad, whose files may also be those of embedded ones."""

    @classmethod
    def from_file(cls, filename: str, f_format: str | None = None) -> LaunchPad:
        """Open the server that a YAML or JSON file names, or the embedded LaunchPad in the file."""
        if Path(filename).suffix in (".yaml", ".yml"):
            return open_server(Path(filename))
        if f_format or Path(filename).suffix == ".json":
            return LaunchPad.from_file(filename, f_format)
        return EmbeddedLaunchPad(filename)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> LaunchPad:
        """Open what `to_dict` has described."""
        return (EmbeddedLaunchPad if "embedded" in d else LaunchPad).from_dict(d)


def open_launchpad(
    *, my_launchpad: Path | None = None, embedded: Path, strm_lvl: str | None = None
) -> LaunchPad:
    """Return the LaunchPad on the MongoDB server that a file names, or else the embedded one.

    Parameters
    ----------
    my_launchpad
        FireWorks' own ``my_launchpad.yaml``, or None.
    embedded
        File of the embedded LaunchPad, made on first use; not touched when `my_launchpad` is given.
    strm_lvl
        Level of what FireWorks prints, such as ``WARNING``; its own default if None.

    Raises
    ------
    InputError
        `my_launchpad` is not there or is not what FireWorks writes.
    StoreError
        The embedded file is damaged, not a LaunchPad, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     launchpad = open_launchpad(embedded=Path(folder) / "launchpad.db")
    ...     launchpad.get_fw_ids()
    []
    """
    if my_launchpad is None:
        return EmbeddedLaunchPad(embedded, strm_lvl=strm_lvl)
    return open_server(my_launchpad, strm_lvl=strm_lvl)


def rerun_lost(launchpad: LaunchPad) -> list[int]:
    """Queue again what was running in processes that have died, at once instead of after hours.

    Returns
    -------
    list of int
        Their firework ids. Always empty for MongoDB, where only time tells: ``lpad
        detect_lostruns --time SECONDS --rerun``.
    """
    lost: list[int] = launchpad.rerun_lost() if isinstance(launchpad, EmbeddedLaunchPad) else []
    return lost


def run_fireworks_command(
    kind: Command, args: list[str], *, my_launchpad: Path | None = None, embedded: Path
) -> int:
    """Run FireWorks' own ``lpad``, ``rlaunch`` or ``qlaunch`` on the chosen LaunchPad.

    Nothing is written outside the LaunchPad for it: FireWorks' option ``-l`` is set to the file,
    and an ``-l`` among `args` wins. The job scripts of ``qlaunch`` name the embedded file, so that
    a job reaches it from any folder.

    Parameters
    ----------
    args
        The arguments after the command's name.
    my_launchpad, embedded
        As for `open_launchpad`.

    Returns
    -------
    int
        The command's exit code.

    Raises
    ------
    InputError, StoreError
        As `open_launchpad` does, and when the MongoDB server cannot be reached.
    """
    chosen = my_launchpad
    if chosen is None and not {"-h", "--help", "-v", "--version"} & set(args):
        open_launchpad(embedded=embedded)  # FireWorks wants the file to be there
        chosen = embedded
    elif chosen and not {"-h", "--help", "-v", "--version", "init"} & set(args):
        check_server(open_launchpad(my_launchpad=chosen, embedded=embedded), chosen)
    script = import_module(f"fireworks.scripts.{kind}_run")
    before = ["-l", str(chosen)] if chosen else []
    with _our_launchpad(script, embedded if my_launchpad is None else None):
        try:
            return int(getattr(script, kind)([*before, *args]) or 0)
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except PyMongoError as error:
            words = str(error).split(", Timeout:")[0]
            raise StoreError(f"{chosen}: {words}. Is the MongoDB server running?") from error
        except (ValueError, FileNotFoundError) as error:
            raise InputError(f"{kind}: {error}") from error


def pin_rlaunch(rocket_launch: str, embedded: Path) -> str:
    """Return the command of a job script so that it opens this embedded LaunchPad.

    Parameters
    ----------
    rocket_launch
        The entry of ``my_qadapter.yaml``. What precedes ``rlaunch`` (such as ``srun``) and its
        options stay; an ``-l`` there comes later and therefore wins.

    Examples
    --------
    >>> print(pin_rlaunch("srun -n 1 rlaunch singleshot", Path("/data/launchpad.db")))
    srun -n 1 .../python... -m heterofire.launchers rlaunch -l /data/launchpad.db singleshot
    """
    ours = shlex.join(
        [sys.executable, "-m", "heterofire.launchers", "rlaunch", "-l", str(embedded)]
    )
    # A function, because a replacement text would have its backslashes read as group numbers.
    return re.sub(
        r"(\S*heterofire\s+)?(?<!\S)\S*\brlaunch(?!\S)", lambda _: ours, rocket_launch, count=1
    )


@contextmanager
def _our_launchpad(script: ModuleType, embedded: Path | None) -> Iterator[None]:
    """Let a command, and the rockets it starts, open embedded LaunchPads as well."""

    def load_pinned(filename: str) -> Any:
        adapter = load_object_from_file(filename)
        if embedded and "rocket_launch" in adapter:
            adapter["rocket_launch"] = pin_rlaunch(adapter["rocket_launch"], embedded.resolve())
        return adapter

    with ExitStack() as patches:
        for module in (script, rocket):
            patches.enter_context(_set(module, "LaunchPad", AnyLaunchPad))
        if hasattr(script, "load_object_from_file"):
            patches.enter_context(_set(script, "load_object_from_file", load_pinned))
        yield


@contextmanager
def _set(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Give a module's name another value for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
