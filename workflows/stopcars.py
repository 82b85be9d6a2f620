"""STOPCAR and the mark beside it that says it was written for lack of time."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..results.parsing import image_folders
from ..results.parts import MARK


def stopcar_places(folder: Path) -> Sequence[Path]:
    """Return where a STOPCAR may be looked for: the folder, and the images of a band."""
    return [folder, *image_folders(folder)[1:-1]]


def remove_stopcars(folder: Path) -> None:
    """Remove what no engine took: the next run would stop at its first step."""
    for place in stopcar_places(folder):
        (place / "STOPCAR").unlink(missing_ok=True)


def remove_mark(folder: Path) -> None:
    """Remove the mark of an earlier run, which says nothing about the one that starts."""
    (folder / MARK).unlink(missing_ok=True)


def read_mark(folder: Path) -> Mapping[str, Any] | None:
    """Return what the clock wrote when it asked a run to stop; None where it did not."""
    with contextlib.suppress(OSError, ValueError):
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return mark if isinstance(mark, dict) else None
    return None
