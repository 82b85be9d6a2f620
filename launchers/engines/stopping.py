"""Ways a run ends early: STOPCAR and signals; and the lock of its folder."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

from ...structures.errors import EngineError
from ...structures.files import write_error
from .incars import parse_incar
from .tags import normal

Stop = Literal["soft", "hard"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """A signal asked the engine to end now."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stopper:
    """Tells between two steps whether to go on.

    Parameters
    ----------
    folder
        Where STOPCAR would be.
    """

    def __init__(self, folder: Path) -> None:
        self._stopcar = folder / "STOPCAR"
        self._signal = 0

    @contextmanager
    def listening(self) -> Iterator["Stopper"]:
        """Catch SIGTERM and SIGINT while the block runs; they act at the next `check`."""
        old = {number: signal.signal(number, self._remember) for number in _SIGNALS}
        try:
            yield self
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number

    def act_on_signals(self) -> None:
        """End the run if a signal has come; STOPCAR is left for the next `check`.

        Raises
        ------
        Interrupted
            A signal has come.
        """
        if self._signal:
            raise Interrupted(self._signal)

    def check(self) -> Stop | None:
        """Return how STOPCAR asks to stop, and remove it so that the next run can start.

        Raises
        ------
        Interrupted
            A signal has come.
        """
        self.act_on_signals()
        try:
            tags = parse_incar(self._stopcar.read_text())
        except OSError:
            return None
        stop: Stop | None = None
        if normal(tags.get("LABORT", "F")) == "T":
            stop = "hard"
        elif normal(tags.get("LSTOP", "F")) == "T":
            stop = "soft"
        if stop:
            self._stopcar.unlink(missing_ok=True)
        return stop


@contextmanager
def locked(folder: Path, *, patience: float = 60.0) -> Iterator[None]:
    """Hold the folder's lock while the block runs.

    Parameters
    ----------
    folder
        The run folder; the lock file stays there.
    patience
        Seconds to wait for another engine.

    Raises
    ------
    EngineError
        Another engine still runs in the folder.
    """
    path = folder / ".heterofire.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise write_error(path, error) from error
    os.set_inheritable(handle, True)  # for the processes of a band's images, see `image_workers`
    try:
        _wait_for_lock(handle, folder, patience)
        yield
    finally:
        os.close(handle)


def _wait_for_lock(handle: int, folder: Path, patience: float) -> None:
    """Take the lock or raise after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"another engine has been running in {folder} for {patience:.0f} s. Wait for "
                    "it, or end it, before starting a second one there."
                ) from None
            time.sleep(min(0.2, patience / 10))
        else:
            return
