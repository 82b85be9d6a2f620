"""ENDS.json: energies of a band's ends, which stay where they are from part to part.

VASP has no such file and does not look at it. One that is torn, or of other ends or settings,
means that the ends are computed once more.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

from ...structures.files import write_atomic
from .folder import RunFolder

NAME = "ENDS.json"
_OF_THE_WAY = ("NSW",)  # what differs between the parts of a band, and not in an energy


def about_ends(run: RunFolder, engine: Sequence[str]) -> str:
    """Return a digest of all that the energies of the ends depend on.

    Parameters
    ----------
    run
        The folder of the band.
    engine
        Name, version and method.
    """
    ends = [
        (image.symbols, image.lattice.tolist(), image.fractional.tolist())
        for image in (run.images[0], run.images[-1])
    ]
    tags = {tag: value for tag, value in run.tags.items() if tag not in _OF_THE_WAY}
    mesh = (run.kpoints.points.tolist(), run.kpoints.weights.tolist())
    content = [list(engine), tags, mesh, run.potcar_symbols, run.valences, ends]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class EndMemory:
    """Remembers what the ends of a band have.

    Parameters
    ----------
    folder
        Of the band.
    about
        See `about_ends`.
    """

    def __init__(self, folder: Path, about: str) -> None:
        self._path, self._about = folder / NAME, about

    def recall(self) -> tuple[float, float] | None:
        """Return F of both ends in eV, None where nothing fits."""
        try:
            content = json.loads(self._path.read_text())
            if content["about"] != self._about:
                return None
            first, last = map(float, content["free_energies"])
            return (first, last) if math.isfinite(first + last) else None
        except (OSError, ValueError, KeyError, TypeError):  # missing or torn: computed again
            return None

    def remember(self, first: float, last: float) -> None:
        """Keep F of both ends, in eV."""
        content = {"about": self._about, "free_energies": [first, last]}
        write_atomic(self._path, json.dumps(content) + "\n")
