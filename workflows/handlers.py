"""custodian's corrections, made to fit: bands image by image, frozen runs, a record of each.

custodian's handlers look at one folder. In a band INCAR is in the folder on top and the outputs
are in 01, 02 ..., of which only the first prints on the screen; no handler looks there.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler
from custodian.utils import backup
from custodian.vasp.handlers import (
    FrozenJobErrorHandler,
    NonConvergingErrorHandler,
    VaspErrorHandler,
)

from ..results.parsing import image_folders
from ..structures.files import write_atomic
from .clock import StepTimes
from .corrections import apply_to_inputs, record_correction

_log = logging.getLogger(__name__)

_FROZEN_MOST_S = 6 * 3600.0
_FROZEN_LEAST_S = 1800.0
_FROZEN_STEPS = 3  # the longest step so far, without a single line about the next one
_SPEAKING = ("vasp.out", "stdout", "OSZICAR", "OUTCAR")
_INPUTS = ("INCAR", "KPOINTS", "POSCAR")  # a handler writes to them, in its own view only
_SEEN = ("OSZICAR", "OUTCAR", "CONTCAR", "vasprun.xml", "WAVECAR", "CHGCAR")


def handlers_for(folder: Path, steps: StepTimes) -> list[ErrorHandler]:
    """Return the corrections that custodian may make in a folder, most specific first."""
    own = (VaspErrorHandler(), NonConvergingErrorHandler(), Frozen(steps))
    return [Correcting(handler, images=image_folders(folder)[1:-1]) for handler in own]


class Frozen(FrozenJobErrorHandler):  # type: ignore[misc]
    """Finds a run that has been silent for much longer than its own steps take.

    custodian waits 6 h, whatever the run, and looks at the screen output only.
    """

    def __init__(self, steps: StepTimes) -> None:
        super().__init__()
        self._steps = steps

    def check(self, directory: str = "./") -> bool:
        """Tell whether no file of the run, or of any image, has grown for too long."""
        folder = Path(directory)
        places = [folder, *image_folders(folder)]
        times = [
            path.stat().st_mtime
            for place in places
            for name in _SPEAKING
            if (path := place / name).is_file()
        ]
        return bool(times) and time.time() - max(times) > patience(self._steps.look())


def patience(longest_step_s: float | None) -> float:
    """Return after how many silent seconds a run is called frozen.

    Examples
    --------
    >>> patience(None), patience(20.0), patience(3600.0), patience(86400.0)
    (21600.0, 1800.0, 10800.0, 21600.0)
    """
    if longest_step_s is None:
        return _FROZEN_MOST_S
    return min(max(_FROZEN_STEPS * longest_step_s, _FROZEN_LEAST_S), _FROZEN_MOST_S)


class Correcting(ErrorHandler):  # type: ignore[misc]
    """One of custodian's handlers that looks into every image and leaves a record.

    Parameters
    ----------
    inner
        custodian's handler.
    images
        The folders of the moving images of a band; empty for any other run.
    """

    is_monitor = True

    def __init__(self, inner: ErrorHandler, images: Sequence[Path] = ()) -> None:
        self._inner = inner
        self._images = list(images)
        self._found: Path | None = None
        self._errors: list[str] = []

    def __repr__(self) -> str:
        return f"{self.name} ({', '.join(self._errors) or 'nothing found'})"

    def check(self, directory: str = "./") -> bool:
        """Tell whether the handler finds its error, in a band in any image."""
        try:
            return self._check(Path(directory))
        except Exception:  # cut files and binary output: what is wrong with them, parsing says
            _log.warning("%s cannot look at %s", self.name, directory, exc_info=True)
            return False

    def _check(self, folder: Path) -> bool:
        self._found = None
        if not self._images or isinstance(self._inner, Frozen):
            return bool(self._inner.check(str(folder)))
        for image in self._images:
            with image_view(folder, image) as view:
                if self._inner.check(str(view)):
                    self._found = image
                    return True
        return False

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Let the handler correct what it found, and write down what it did."""
        folder = Path(directory)
        try:
            result = self._correct(folder)
        except Exception as error:  # a handler that stumbles over cut files must not hide why
            _log.warning("%s failed in %s", self.name, folder, exc_info=True)
            words = f"could not be corrected: {type(error).__name__}: {error}"
            result = {"errors": [words], "actions": None}
        self._errors = [str(error) for error in result.get("errors") or []]
        if result.get("actions"):
            record_correction(folder, self.name, result)
        return result

    @property
    def name(self) -> str:
        """Return the name under which the correction is known."""
        return type(self._inner).__name__

    def as_dict(self) -> dict[str, Any]:
        """Return what custodian's log says of it: custodian's own handler."""
        return {"@module": type(self._inner).__module__, "@class": self.name}

    def _correct(self, folder: Path) -> dict[str, Any]:
        if not self._images:
            return dict(self._inner.correct(str(folder)))
        image = self._found or self._images[0]
        with image_view(folder, image) as view:
            result = dict(self._inner.correct(str(view)))
        actions = [a for a in result.get("actions") or [] if a.get("dict") != "POSCAR"]
        if actions:
            _back_up(folder, self._images)
            apply_to_inputs(folder, actions)
            _apply_to_files(self._images, actions)
        where = f"image {image.name}: " if self._found else ""
        errors = [f"{where}{error}" for error in result.get("errors") or []]
        return result | {"errors": errors, "actions": actions or None}


@contextmanager
def image_view(folder: Path, image: Path) -> Iterator[Path]:
    """Show an image of a band as the run folder that custodian's handlers expect.

    Inputs are copies, for handlers write to them; outputs are links. The first image prints on
    the screen of the band, the others into ``stdout`` of their own folders. POTCAR is left out: no
    handler corrects it, and to read it takes custodian a second for each look.
    """
    with tempfile.TemporaryDirectory(prefix="heterofire-image-") as made:
        view = Path(made)
        for name in _INPUTS:
            for source in (image / name, folder / name):
                if source.is_file():
                    shutil.copyfile(source, view / name)
                    break
        for name, source in [
            *((name, image / name) for name in _SEEN),
            ("vasp.out", folder / "vasp.out" if image.name == "01" else image / "stdout"),
        ]:
            if source.is_file():
                (view / name).symlink_to(source.resolve())
        if not (view / "vasp.out").exists():
            (view / "vasp.out").touch()
        yield view


def _apply_to_files(images: Sequence[Path], actions: Sequence[Mapping[str, Any]]) -> None:
    """Copy or delete files in every image; a band of which one image moves is another band."""
    for action in actions:
        name, changes = action.get("file"), action["action"]
        if name is None:
            continue
        for source in (image / name for image in images):
            if "_file_delete" in changes:
                source.unlink(missing_ok=True)
            elif "_file_copy" in changes and source.is_file() and source.stat().st_size:
                write_atomic(source.with_name(changes["_file_copy"]["dest"]), source.read_bytes())


def _back_up(folder: Path, images: Sequence[Path]) -> None:
    """Keep the files of a run that failed, as custodian does.

    What an image printed is moved: until the next run prints, the old error would count again.
    """
    backup({"INCAR", "KPOINTS", "vasp.out"}, directory=str(folder))
    for image in images:
        backup({"OSZICAR", "OUTCAR", "CONTCAR", "POSCAR", "stdout"}, directory=str(image))
        (image / "stdout").unlink(missing_ok=True)
