"""Stops an engine in time: STOPCAR, written when what is left of the job is needed for the rest."""

import json
import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from custodian.custodian import ErrorHandler

from ..results.parsing import image_folders
from ..results.parts import MARK
from ..structures.files import write_atomic
from .stopcars import read_mark, stopcar_places
from .walltime import margin

_log = logging.getLogger(__name__)

Asked = Literal["LSTOP", "LABORT"]

_STEP = re.compile(rb"LOOP\+:.*real time\s+([\d.]+)")
_OVERLAP = 200  # bytes; longer than a line of OUTCAR
_ABORT_SHARE = 1 / 3  # of the margin: then the step itself is given up


class StepTimes:
    """How long the ionic steps of a running calculation take, read from OUTCAR as it grows.

    Parameters
    ----------
    folder
        The run folder; of a band the first image tells, for all images make their steps together.
    """

    def __init__(self, folder: Path) -> None:
        images = image_folders(folder)
        self._path = (images[1] if images else folder) / "OUTCAR"
        self._offset = 0
        self.longest: float | None = None

    def look(self) -> float | None:
        """Return the longest step so far in seconds; None before the first has ended."""
        try:
            size = self._path.stat().st_size
            if size < self._offset:  # started anew after a correction
                self._offset = 0
            with self._path.open("rb") as stream:
                stream.seek(max(0, self._offset - _OVERLAP))
                data = stream.read()
        except OSError:
            return self.longest
        whole = data[: data.rfind(b"\n") + 1]
        self._offset = max(self._offset, size - (len(data) - len(whole)))
        found = [float(seconds) for seconds in _STEP.findall(whole)]
        self.longest = max([*found, *([self.longest] if self.longest else [])], default=None)
        return self.longest


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When a job ends, and how long it is in all."""

    end: float  # seconds since the epoch
    length_s: float
    margin_s: float | None = None  # at least this early; see `walltime.margin`


class Clock(ErrorHandler):  # type: ignore[misc]
    """A monitor of custodian's that corrects nothing: it writes STOPCAR when it is time.

    custodian's own WalltimeHandler reads SBATCH_TIMELIMIT (an option of sbatch in minutes) as
    seconds, ends custodian by an error, and knows no image folders.

    Parameters
    ----------
    deadline
        The end of the job.
    steps
        How long ionic steps take.
    """

    is_monitor = True

    def __init__(self, deadline: Deadline, steps: StepTimes) -> None:
        self._deadline = deadline
        self._steps = steps
        self._had_s = deadline.end - time.time()

    def check(self, directory: str = "./") -> bool:
        """Write STOPCAR when it is time; never an error."""
        folder = Path(directory)
        asked = self.due(time.time())
        if asked is not None:
            is_there = (folder / "STOPCAR").exists()
            is_sharper = asked == "LABORT" and (read_mark(folder) or {}).get("asked") == "LSTOP"
            if not is_there or is_sharper:
                self._stop(folder, asked)
        return False

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Correct nothing."""
        return {"errors": [], "actions": None}

    def due(self, now: float) -> Asked | None:
        """Return what STOPCAR has to ask for at this time."""
        deadline = self._deadline
        needed = margin(deadline.length_s, self._steps.look(), deadline.margin_s)
        left = deadline.end - now
        if left > needed:
            return None
        return "LSTOP" if left > _ABORT_SHARE * needed else "LABORT"

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log says of it."""
        return {"@module": type(self).__module__, "@class": type(self).__name__}

    def _stop(self, folder: Path, asked: Asked) -> None:
        """Write the mark first: a STOPCAR without it would be the user's own."""
        mark = {
            "asked": asked,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "left_s": round(self._deadline.end - time.time(), 1),
            "had_s": round(self._had_s, 1),
            "length_s": round(self._deadline.length_s, 1),
            "longest_step_s": self._steps.longest,
        }
        _log.warning("%s: %.0f s are left: STOPCAR %s", folder, mark["left_s"], asked)
        write_atomic(folder / MARK, json.dumps(mark, indent=1) + "\n")
        for place in stopcar_places(folder):
            write_atomic(place / "STOPCAR", f"{asked} = .TRUE.\n")
