"""One VASP run folder as it is planned, and the hash that makes it one of a kind."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ..results.records import Label, folder_name

# Tags that change how fast a run is, or what it writes, but no number in it.
_NOT_PHYSICS = frozenset({"NCORE", "NPAR", "KPAR", "NSIM", "LWAVE", "LCHARG", "SYSTEM", "AMIX"})
_VIBRATIONS = 5  # IBRION


@dataclass(frozen=True, kw_only=True)
class Calculation:
    """A calculation to be done: structure, inputs, engine, and where its start comes from.

    ``structure`` is the start as planned. Where ``parents`` names calculations, their relaxed
    structures take its place when the folder is written: ``{"structure": key}`` for one start,
    ``{"initial": key, "final": key}`` for the end points of a band (``via 1``, ``via 2`` ... for
    what lies between them, ``band`` for an earlier one whose images go on), ``{"band": key}`` for
    one image of a finished band, ``{"host": key}``
    for a host to which the planned structure adds atoms. Roles such as ``structure 1``,
    ``structure 2`` are alternatives, of which the one of the wanted rank in energy is taken.
    """

    label: Label
    structure: Structure
    incar: Mapping[str, Any]
    kpoints: Mapping[str, Any]
    potcar_symbols: tuple[str, ...]
    engine: str  # "vasp", "xtb"
    method: str  # "GFN1-xTB"; "" where the INCAR says it all
    charge: int = 0
    nelect: float | None = None  # electrons of the cell, by ZVAL and charge
    n_images: int = 0  # between the end points; 0 for anything but a band
    final: Structure | None = None  # the other end point of a band, as planned
    parents: Mapping[str, str] = field(default_factory=dict)
    image: int | None = None  # which image of the parent band to start from
    # Which atoms of the parent to keep; None: all. Of a host: where its atoms are in the structure.
    atoms: tuple[int, ...] | None = None
    rank: int | None = None  # of several parents of one role, by their E0; None: the lowest
    transformation: Mapping[str, Any] | None = None  # what is done to the parent's structure
    changes: tuple[str, ...] = ()  # every tag that differs from its preset
    warnings: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Return the identity: a hash of structure, inputs, engine and method."""
        start = dict(self.parents) or _canonical_structure(self.structure)
        if any(
            role.startswith("host") for role in self.parents
        ):  # it says where the host's atoms are, but not what is added
            start = {**start, "planned": _canonical_structure(self.structure)}
        identity = {
            "start": start,
            "species": [str(site.specie) for site in self.structure],
            "incar": {k: v for k, v in sorted(self.incar.items()) if k not in _NOT_PHYSICS},
            "kpoints": dict(self.kpoints),
            "potcars": list(self.potcar_symbols),
            "engine": self.engine,
            "method": self.method,
            "charge": self.charge,
            "images": self.n_images,
            # Left out where unused, so that keys of before these fields stay what they are.
            **{
                name: part
                for name in ("image", "atoms", "rank", "transformation")
                if (part := getattr(self, name)) is not None
            },
        }
        if self.parents and self.incar.get("IBRION") == _VIBRATIONS:
            # A relaxation's parent has the same frozen atoms; here they say what vibrates.
            identity["dynamics"] = _dynamics(self.structure)
        text = json.dumps(identity, sort_keys=True, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def n_bands(self) -> int:
        """Return VASP's default number of bands (manual, NBANDS), without spin-orbit."""
        half = (self.nelect or 0.0) / 2
        return max(math.ceil(half + max(len(self.structure) / 2, 3)), math.ceil(0.6 * 2 * half))

    @property
    def folder_name(self) -> str:
        """Return the name of the run folder: readable, and unlike any other's."""
        return folder_name(self.label.name, self.key)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, as it travels in a FireWorks spec."""
        return {
            "label": asdict(self.label),
            "structure": _pack(self.structure),
            "final": _pack(self.final) if self.final is not None else None,
            "nelect": self.nelect,
            "incar": json.loads(json.dumps(dict(self.incar), default=_plain)),
            "kpoints": json.loads(json.dumps(dict(self.kpoints), default=_plain)),
            "potcar_symbols": list(self.potcar_symbols),
            "engine": self.engine,
            "method": self.method,
            "charge": self.charge,
            "n_images": self.n_images,
            "parents": dict(self.parents),
            "image": self.image,
            "atoms": None if self.atoms is None else list(self.atoms),
            "rank": self.rank,
            "transformation": self.transformation and dict(self.transformation),
            "changes": list(self.changes),
            "warnings": list(self.warnings),
            "key": self.key,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Calculation":
        """Return the calculation that ``to_dict`` wrote; its key comes along unchanged."""
        values = {k: v for k, v in data.items() if k != "key"}
        values["label"] = Label(**values["label"])
        for name in ("structure", "final"):
            if values[name] is not None:
                values[name] = Structure.from_dict(json.loads(values[name]))
        for name in ("potcar_symbols", "changes", "warnings", "atoms"):
            values[name] = None if values[name] is None else tuple(values[name])
        calculation = cls(**values)
        calculation.__dict__["key"] = data["key"]
        return calculation


def _pack(structure: Structure) -> str:
    """Return the structure as text; FireWorks would turn a dictionary into an object again."""
    return json.dumps(structure.as_dict(), default=_plain)


def _plain(value: Any) -> Any:
    """Return numpy numbers and arrays as what JSON knows."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be written as JSON")


def _canonical_structure(structure: Structure) -> dict[str, Any]:
    """Return lattice, positions and frozen directions, rounded far below any physics."""
    positions = np.round(structure.frac_coords, 8) % 1.0
    return {
        "lattice": np.round(structure.lattice.matrix, 8).tolist(),
        "positions": (np.round(positions, 8) + 0.0).tolist(),
        "dynamics": _dynamics(structure),
    }


def _dynamics(structure: Structure) -> list[list[bool]] | None:
    """Return which directions of each atom are free; None where all are."""
    dynamics = structure.site_properties.get("selective_dynamics")
    return None if dynamics is None else np.asarray(dynamics, dtype=bool).tolist()
