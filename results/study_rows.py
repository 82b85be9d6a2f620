"""The stored calculations of one study, without their arrays: settings, status, structures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pymatgen.core import Structure
from sqlalchemy import Select, select

from ..structures.errors import InputError
from .records import Settings, folder_name
from .schema import CALCULATIONS, PROPERTIES, SOURCES, USES
from .store import ResultStore

_ISOLATED = 4  # IDIPOL: of a molecule in a box
_HELD = [False, False, False]


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """One calculation of a study as it is stored."""

    names: tuple[str, ...]  # "MoS2@NC/K-gallery-1/relax"; all that it serves for, sorted
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    columns: Mapping[str, Any]  # of the table of calculations, as they are
    # Another calculation of the same name has taken its place: the study was planned anew.
    is_superseded: bool = False

    @property
    def name(self) -> str:
        """Return the first of its names."""
        return self.names[0]

    @property
    def key(self) -> str:
        """Return the identity of the calculation."""
        return str(self.columns["key"])

    @property
    def kind(self) -> str:
        """Return "run", "band" or "difference"."""
        return str(self.columns["kind"])

    @property
    def folder_name(self) -> str:
        """Return a name for a folder of its own: readable, and unlike any other's."""
        return folder_name(self.name, self.key)

    @cached_property
    def settings(self) -> Settings:
        """Return what must agree before two energies may be subtracted."""
        values = self._json("settings")
        values["potcars"] = tuple(values["potcars"])
        values["hubbard_u"] = tuple((element, u) for element, u in values["hubbard_u"])
        return Settings(**values)

    @cached_property
    def incar(self) -> Mapping[str, Any]:
        """Return the tags of its last part; empty for what no program computed."""
        return dict(self._json("incar"))

    @cached_property
    def kpoints(self) -> Mapping[str, Any]:
        """Return style, divisions and number of k-points; empty where they are not stored."""
        return dict(self._json("kpoints"))

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """Return what the arrays cannot say: reasons, images, algorithms of charges."""
        return dict(self._json("details"))

    @cached_property
    def structures(self) -> tuple[Structure, ...]:
        """Return the structure at the end; of a band, that of each image."""
        return tuple(Structure.from_dict(entry) for entry in self.entries())

    @cached_property
    def initial_structure(self) -> Structure | None:
        """Return the structure at the start; None where it is not stored, as for bands."""
        found = self._json("initial_structure")
        return None if found is None else Structure.from_dict(found)

    @cached_property
    def n_held(self) -> int:
        """Return how many atoms were held in all three directions."""
        sites = self.entries()[0]["sites"]
        return sum(s.get("properties", {}).get("selective_dynamics") == _HELD for s in sites)

    @property
    def n_images(self) -> int:
        """Return the images between the end points; 0 for anything but a band."""
        return max(len(self.details.get("images", ())) - 2, 0)

    @property
    def is_isolated(self) -> bool:
        """Return whether it was treated as a molecule or atom in a box."""
        return self.incar.get("IDIPOL") == _ISOLATED or bool(self.incar.get("LMONO"))

    @property
    def largest_force(self) -> float | None:
        """Return the largest force at the end in eV/Angstrom; of a band, among its images."""
        if self.kind == "band":
            forces = [image["max_force"] for image in self.details["images"][1:-1]]
            return max((force for force in forces if force is not None), default=None)
        force: float | None = self.columns["max_force"]
        return force

    @property
    def status(self) -> str:
        """Return "converged" or "unconverged"."""
        return str(self.columns["status"])

    @property
    def corrections(self) -> tuple[str, ...]:
        """Return what custodian changed."""
        return tuple(self._json("corrections"))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the run said about itself."""
        return tuple(self._json("notes"))

    def _json(self, column: str) -> Any:
        return json.loads(self.columns[column])

    def entries(self) -> list[dict[str, Any]]:
        """Return the structures as pymatgen writes them: reading them is a hundred times faster."""
        found = self._json("structure")
        return found if isinstance(found, list) else [found]


def study_rows(store: ResultStore, study: str, profile: str, engine: str) -> list[StudyRow]:
    """Return the calculations of a study that one engine computed, by name.

    Raises
    ------
    InputError
        There are none; says which studies the database has.
    """
    asked = (USES.c.study == study, USES.c.profile == profile, CALCULATIONS.c.engine == engine)
    joined = CALCULATIONS.join(USES, USES.c.key == CALCULATIONS.c.key)
    uses = select(USES.c.key, USES.c.name, USES.c.task, USES.c.model).select_from(joined)
    rows = select(CALCULATIONS).where(
        CALCULATIONS.c.key.in_(select(USES.c.key).select_from(joined).where(*asked))
    )
    with store.reading() as connection:
        served = connection.execute(uses.where(*asked).order_by(USES.c.name)).all()
        found = [dict(row) for row in connection.execute(rows).mappings()]
        wanted = connection.execute(_sources(study, profile, engine)).scalars().all()
    if not found:
        raise InputError(_nothing_there(store, study, profile, engine))
    current = _current(served, {row["key"]: row["created"] for row in found}, frozenset(wanted))
    made = [_made(row, [use for use in served if use.key == row["key"]], current) for row in found]
    return sorted(made, key=lambda row: (row.name, row.is_superseded, row.key))


def _made(row: Mapping[str, Any], uses: Sequence[Any], current: frozenset[str]) -> StudyRow:
    return StudyRow(
        names=tuple(use.name for use in uses),
        tasks=tuple(sorted({use.task for use in uses})),
        models=tuple(sorted({use.model for use in uses})),
        columns=row,
        is_superseded=row["key"] not in current,
    )


def _sources(study: str, profile: str, engine: str) -> Select[Any]:
    """Return the keys that numbers of the study were derived from."""
    return (
        select(SOURCES.c.key)
        .join(PROPERTIES, PROPERTIES.c.id == SOURCES.c.property_id)
        .where(
            PROPERTIES.c.study == study,
            PROPERTIES.c.profile == profile,
            PROPERTIES.c.engine == engine,
        )
        .distinct()
    )


def _current(
    uses: Sequence[Any], created: Mapping[str, str], wanted: frozenset[str]
) -> frozenset[str]:
    """Return the keys that stand for their names: what a number needs, else the newest."""
    by_name: dict[str, list[str]] = {}
    for use in uses:
        by_name.setdefault(use.name, []).append(use.key)
    chosen = set(wanted)
    for keys in by_name.values():
        if not chosen.intersection(keys):
            chosen.add(max(keys, key=lambda key: (created[key], key)))
    return frozenset(chosen)


def _nothing_there(store: ResultStore, study: str, profile: str, engine: str) -> str:
    """Return what was asked for, and what there is instead."""
    query = (
        select(USES.c.study, USES.c.profile, CALCULATIONS.c.engine)
        .select_from(CALCULATIONS.join(USES, USES.c.key == CALCULATIONS.c.key))
        .distinct()
        .order_by(USES.c.study, USES.c.profile, CALCULATIONS.c.engine)
    )
    with store.reading() as connection:
        there = [" ".join(row) for row in connection.execute(query)]
    return (
        f"no calculations of {study}, profile {profile}, engine {engine} in {store.name}; "
        f"it has: {'; '.join(there) or 'none of any study'}. Name one of these with --profile and "
        f"--engine, or run: heterofire run {study} --profile {profile}"
    )
