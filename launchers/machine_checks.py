"""What a machine must offer before anything is started on it: Python, packages, disk, locks."""

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from ..structures.errors import StoreError
from ..structures.file_systems import check_locks, file_system_type, is_local

_OLDEST_PYTHON = (3, 11)
_FULL_GB, _TIGHT_GB = 0.5, 5.0
_TRIAL_BYTES = 4_000_000
_CLOCK_OK_S, _CLOCK_BAD_S = 5.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str  # what was found
    remedy: str = ""  # what to do about it; empty when all is well


def check_python() -> Check:
    """Check that Python is new enough.

    Examples
    --------
    >>> check_python().status
    'ok'
    """
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Check(name="Python", status="ok", message=found)
    wanted = ".".join(str(n) for n in _OLDEST_PYTHON)
    return Check(
        name="Python", status="failed", message=found,
        remedy=f"Install Python {wanted} or newer and make a new environment with it.",
    )  # fmt: skip


def check_packages(requirements: Sequence[str] | None = None) -> Check:
    """Check that every package is there, in a version that was tried.

    Parameters
    ----------
    requirements
        As pip writes them, ``"ase>=3.23,<4"``; heterofire's own when left out.

    Examples
    --------
    >>> check_packages(["numpy>=1", "no-such-package>=1"]).message
    'no-such-package is missing'
    """
    name = "packages"
    try:
        listed = requires("heterofire") or [] if requirements is None else requirements
    except PackageNotFoundError:
        return Check(
            name=name, status="warning", message="heterofire is not installed, only imported",
            remedy="Install it: pip install -e . in its folder.",
        )  # fmt: skip
    wanted = [Requirement(text) for text in listed]
    needed = [item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]
    found = {item.name: _version(item.name) for item in needed}
    missing = [name for name, installed in found.items() if installed is None]
    other = [
        f"{item.name} {found[item.name]} (tried: {item.specifier})"
        for item in needed
        if found[item.name]
        and not item.specifier.contains(found[item.name] or "", prereleases=True)
    ]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return Check(
            name=name, status="failed", message=f"{', '.join(missing)} {verb} missing",
            remedy=f"pip install {' '.join(missing)}",
        )  # fmt: skip
    if other:
        return Check(
            name=name, status="warning", message=", ".join(other),
            remedy="Install heterofire into an environment of its own.",
        )  # fmt: skip
    return Check(name=name, status="ok", message=f"{len(needed)} found")


def check_disk_space(folder: Path) -> Check:
    """Check that the folder's disk has room for runs."""
    free_gb = shutil.disk_usage(_existing(folder)).free / 1e9
    message = f"{free_gb:.1f} GB free at {folder}"
    if free_gb >= _TIGHT_GB:
        return Check(name="disk space", status="ok", message=message)
    return Check(
        name="disk space",
        status="failed" if free_gb < _FULL_GB else "warning",
        message=message,
        remedy="Free some space or work in another folder: VASP's CHGCAR and WAVECAR take GB.",
    )


def check_run_folder(runs: Path) -> Check:
    """Check that run folders can be made."""
    with scratch_in(runs):
        return Check(name="run folder", status="ok", message=f"{runs} can be written")


def check_file_locks(folder: Path) -> Check:
    """Check that locks keep two workers apart."""
    with scratch_in(folder) as scratch:
        check_locks(scratch)
    kind = file_system_type(_existing(folder))
    if is_local(_existing(folder)):
        return Check(name="file locks", status="ok", message=f"work on {kind}")
    return Check(
        name="file locks", status="warning",
        message=f"work within this machine; between machines on {kind} they are untested",
        remedy="Use one machine, or a MongoDB server through my_launchpad.yaml.",
    )  # fmt: skip


def check_scratch(scratch: str | None) -> Check:
    """Check that the jobs' scratch folder takes a file, where this machine has it.

    Parameters
    ----------
    scratch
        As in my_fworker.yaml, such as ``/scratch/$USER``; None when none is named.
    """
    name = "scratch"
    if not scratch:
        return Check(name=name, status="ok", message="none named; jobs work in their run folder")
    folder = Path(os.path.expandvars(scratch)).expanduser()
    if not folder.is_dir():
        return Check(
            name=name, status="warning", message=f"{folder} is not on this machine",
            remedy="Fine where nodes have a disk of their own (heterofire doctor --test-job looks "
            "there); else make it, or correct scratch in my_fworker.yaml.",
        )  # fmt: skip
    free = shutil.disk_usage(folder).free
    problem = _trial_write(folder)
    if problem or free < _FULL_GB * 1e9:
        message = f"{folder}: {problem or 'nearly full'}, {free} bytes free"
    else:
        message = f"{free / 1e9:.1f} GB free at {folder}"
    is_tight = free < _TIGHT_GB * 1e9
    bad: Literal["failed", "warning"] = "failed" if problem or free < _FULL_GB * 1e9 else "warning"
    return Check(
        name=name, status=bad if problem or is_tight else "ok", message=message,
        remedy="Free some space, or name another folder (scratch in the env of my_fworker.yaml): "
        "VASP's CHGCAR and WAVECAR take GB." if problem or is_tight else "",
    )  # fmt: skip


def check_clock(folder: Path, server_s: float | None = None) -> Check:
    """Check that this machine's clock agrees with the file system's, and the server's.

    FireWorks takes a job for lost by the time of its last sign of life, and `make`-like decisions
    compare file times: clocks that differ by minutes make both wrong.

    Parameters
    ----------
    folder
        Where a scratch file is made, and removed again.
    server_s
        How far the MongoDB server's clock is ahead, in seconds; None without a server.
    """
    with tempfile.NamedTemporaryFile(dir=_existing(folder), prefix=".heterofire-doctor-") as file:
        file.write(b".")
        file.flush()
        disk_s = os.fstat(file.fileno()).st_mtime - time.time()
    return _clock_check({f"the file system of {folder}": disk_s, "the MongoDB server": server_s})


def _clock_check(ahead: dict[str, float | None]) -> Check:
    """Return the check of how far each clock is ahead of this machine's."""
    known = {name: seconds for name, seconds in ahead.items() if seconds is not None}
    worst = max(known, key=lambda name: abs(known[name]))
    off = abs(known[worst])
    message = f"{worst} is {off:.1f} s {'ahead of' if known[worst] > 0 else 'behind'} this machine"
    if off <= _CLOCK_OK_S:
        found = " and ".join(known)
        return Check(name="clocks", status="ok", message=f"{found} within {_CLOCK_OK_S:.0f} s")
    return Check(
        name="clocks", status="failed" if off > _CLOCK_BAD_S else "warning", message=message,
        remedy="Have the clocks set (NTP): jobs are taken for lost by their last sign of life.",
    )  # fmt: skip


def _trial_write(folder: Path) -> str:
    """Write a few MB and take them away again; return what went wrong."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".heterofire-doctor-") as file:
            file.write(bytes(_TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return ""


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Give a scratch folder on the same disk, and take it away again.

    Examples
    --------
    >>> with scratch_in(Path("not/yet/there")) as scratch:
    ...     scratch.is_dir()
    True
    >>> scratch.exists()
    False
    """
    with tempfile.TemporaryDirectory(dir=_existing(folder), prefix=".heterofire-doctor-") as name:
        yield Path(name)


def check_writable(path: Path) -> None:
    """Raise StoreError unless the file may be written."""
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path} may not be written: change its permissions (chmod u+w {path}).")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())


def _version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
