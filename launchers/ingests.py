"""What ``collect FOLDER`` found and did: what was taken in, and why the rest was not."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ..results.encoding import Encoded
from ..results.records import Label


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A run or band that was stored."""

    name: str
    folder: str
    key: str
    study: str  # that of the call; of a folder of heterofire's own the one it was made for
    model: str
    formula: str
    task: str
    status: str
    e0: float | None  # eV; None of a band
    highest_image: float | None  # eV above the first image, E0; None of a run
    method: str


@dataclass(frozen=True, kw_only=True)
class Left:
    """A run or folder that was left out."""

    name: str
    folder: str
    reason: str
    again: bool  # the next call looks at it again, even if no file has changed


@dataclass(kw_only=True)
class Ingest:
    """What one call found and did, so far."""

    study: str
    n_found: int = 0  # runs, bands, and folders of VASP's without any
    to_read: list[str] = field(default_factory=list)
    n_bytes_to_read: int = 0
    n_read: int = 0
    n_files: int = 0  # of the runs that were read
    n_bytes: int = 0  # of these files, as they lie on the disk
    seconds: float = 0.0  # spent reading
    taken: list[Taken] = field(default_factory=list)
    same: list[tuple[str, str]] = field(default_factory=list)  # name, and as what it is stored
    unchanged: list[str] = field(default_factory=list)  # in the database already
    left_out: list[Left] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        plain = asdict(self)
        plain["same"] = [{"name": name, "stored_as": other} for name, other in self.same]
        return plain


def taken_as(key: str, label: Label, encoded: Encoded) -> Taken:
    """Return what people want to see of a run or band that was stored."""
    row = encoded.row
    energies = [image["e0"] for image in json.loads(row["details"]).get("images", ())]
    return Taken(
        name=label.name,
        folder=row["folder"],
        key=key,
        study=label.study,
        model=label.model,
        formula=row["formula"],
        task=label.task,
        status=row["status"],
        e0=row["e0"],
        highest_image=max(energies) - energies[0] if energies else None,
        method=row["method"],
    )
