"""What the machine with the databases and a compute node without them leave for each other.

Beside the run, in ``offline/<launch id>/`` of its folder; each launch has its own, so a late job of
an earlier launch never writes where a later one is read:

``order.json``   what to run; written where the databases are
``begun.json``   which worker took it up, or that it was withdrawn: whoever comes first
``beat.json``    when the worker was last alive
``task-1.json``  what the first task decided, then ``task-2.json`` ...
``end.json``     written last: the launch has ended, and these are its files

All but the beat carry a checksum and appear whole or not at all.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireworks.utilities.fw_serializers import DATETIME_HANDLER

from ..structures.errors import RunError
from ..structures.files import write_atomic, write_error

FOLDER = "offline"
OFFLINE = "offline"  # the worker of a launch that is out: recovery never takes it for a dead one
VERSION = 1
WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Spool:
    """The files of one launch.

    Examples
    --------
    >>> spool = Spool.of(Path("runs/K_static-1a2b3c4d"), 17)
    >>> print(spool.folder, spool.run_folder, spool.launch_id)
    runs/K_static-1a2b3c4d/offline/17 runs/K_static-1a2b3c4d 17
    """

    folder: Path

    @classmethod
    def of(cls, run_folder: Path, launch_id: int) -> "Spool":
        """Return the spool of a launch in a run folder."""
        return cls(run_folder / FOLDER / str(launch_id))

    @property
    def run_folder(self) -> Path:
        """Return the folder that the tasks run in."""
        return self.folder.parent.parent

    @property
    def launch_id(self) -> int:
        """Return FireWorks' number of the launch."""
        return int(self.folder.name)

    @property
    def is_newest(self) -> bool:
        """Tell whether no later launch was ordered in the same run folder."""
        others = (p.name for p in self.folder.parent.iterdir() if (p / "order.json").exists())
        return all(int(name) <= self.launch_id for name in others if name.isdigit())

    def order(self) -> dict[str, Any] | None:
        """Return what was ordered."""
        return read_sealed(self.folder / "order.json")

    def begun(self) -> dict[str, Any] | None:
        """Return who took the order up, or who withdrew it; None while nobody did."""
        return read_sealed(self.folder / "begun.json")

    def end(self) -> dict[str, Any] | None:
        """Return how the launch ended; None before it has."""
        return read_sealed(self.folder / "end.json")

    def task(self, number: int) -> dict[str, Any] | None:
        """Return what a task decided; None before it has."""
        return read_sealed(self.folder / f"task-{number}.json")

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one of the files, sealed."""
        write_atomic(self.folder / f"{name}.json", sealed(content))

    def begin(self, content: Mapping[str, Any]) -> bool:
        """Take the order up, or withdraw it; False when somebody did either before."""
        return write_first(self.folder / "begun.json", sealed(content))

    def beat(self) -> None:
        """Say that the worker lives."""
        write_atomic(self.folder / "beat.json", json.dumps({"at": time.time()}))


def sealed(content: Mapping[str, Any]) -> str:
    """Return the text of a file whose damage is noticed.

    Examples
    --------
    >>> unsealed(sealed({"state": "COMPLETED"}))
    {'state': 'COMPLETED'}
    """
    body = json.dumps(content, default=DATETIME_HANDLER, sort_keys=True)
    return json.dumps({"sha256": _digest(body), "content": body}) + "\n"


def unsealed(text: str) -> dict[str, Any]:
    """Return the content of a sealed text; ValueError when it is not what was written."""
    outer = json.loads(text)
    if not isinstance(outer, dict) or _digest(str(outer.get("content"))) != outer.get("sha256"):
        raise ValueError("the checksum does not fit")
    content: dict[str, Any] = json.loads(outer["content"])
    return content


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Return the content of a sealed file, None when it is not there.

    Raises
    ------
    RunError
        It is damaged; the message names it.
    """
    try:
        return unsealed(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be trusted: {error}") from error


def write_first(path: Path, text: str) -> bool:
    """Write a file unless there is one already; of several writers one gets True."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o644)
            os.link(temporary, path)  # unlike a rename, refused when the name is taken
        except FileExistsError:
            return False
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
    return True


def file_sizes(folder: Path) -> dict[str, int]:
    """Return name and size of the files of a run, those of image folders included."""
    images = [p for p in folder.glob("[0-9][0-9]") if p.is_dir()]
    files = [p for place in (folder, *images) for p in place.iterdir() if p.is_file()]
    return {
        str(p.relative_to(folder)): p.stat().st_size for p in files if not p.name.startswith(".")
    }


def not_arrived(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """Return the files that this machine does not see as the node left them.

    Network file systems show a file of another machine some seconds late.
    """
    return [name for name, size in sizes.items() if _size(folder / name) != size]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
