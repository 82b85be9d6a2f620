"""Input presets: YAML files with a parent, one for each task, in three profiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from ..structures.errors import InputError
from .incar_tags import tag_problem

PROFILES = ("quick", "paper", "converged", "gpaw")
ROOT = "common"

_MERGED = ("incar", "vtst")  # parent's tags stay unless the child names them
_REPLACED = ("kpoints", "dipole", "fine_grid_spacing")
_LAYER_KEYS = frozenset((*_MERGED, *_REPLACED))
_FILE_KEYS = _LAYER_KEYS | {"description", "parent", "profiles"}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a task starts from in a profile, before the structure has had its say."""

    task: str
    profile: str
    parents: tuple[str, ...]  # nearest first: ("static", "common")
    incar: Mapping[str, Any]
    vtst: Mapping[str, Any]  # INCAR tags laid on top when the worker has VTST
    kpoints: Mapping[str, Any]  # {"mesh": [1, 1, 1]} or {"spacing": 1/Angstrom, 2 pi included}
    dipole: bool  # correct the dipole of asymmetric slabs and of molecules
    fine_grid_spacing: float | None  # Angstrom, for NGXF, NGYF, NGZF; None: VASP's own grid


def task_names() -> tuple[str, ...]:
    """Return the tasks that have a preset, sorted.

    Examples
    --------
    >>> task_names()
    ('bulk', 'charge', 'dos', 'elf', 'molecule', 'neb', 'relax', 'static', 'vibrations')
    """
    return tuple(sorted(name for name in _documents() if name != ROOT))


def load_preset(task: str, profile: str) -> Preset:
    """Return the preset of a task in a profile, with all its parents applied.

    Parameters
    ----------
    task
        One of ``task_names()``.
    profile
        One of ``PROFILES``.

    Raises
    ------
    InputError
        There is no such task or profile.

    Examples
    --------
    >>> preset = load_preset("dos", "paper")
    >>> preset.parents, preset.incar["ENCUT"], preset.incar["NEDOS"]
    (('static', 'common'), 400, 3001)
    """
    _check_name("task", task, task_names())
    _check_name("profile", profile, PROFILES)
    return resolve(_documents(), task, profile)


def resolve(documents: Mapping[str, Any], task: str, profile: str) -> Preset:
    """Return a preset from parsed files: parents first, and in each file the profile last.

    Parameters
    ----------
    documents
        Parsed YAML by file name without suffix.

    Raises
    ------
    InputError
        A parent is missing, or a file is its own ancestor.
    """
    chain = _chain(documents, task)
    merged: dict[str, dict[str, Any]] = {name: {} for name in _MERGED}
    replaced: dict[str, Any] = {"kpoints": {}, "dipole": False, "fine_grid_spacing": None}
    for name in reversed(chain):
        document = documents[name]
        for layer in (document, document.get("profiles", {}).get(profile, {})):
            for key in _MERGED:
                merged[key].update(layer.get(key, {}))
            replaced.update({key: layer[key] for key in _REPLACED if key in layer})
    kept: dict[str, Any] = {
        key: {tag: tags[tag] for tag in sorted(tags) if tags[tag] is not None}
        for key, tags in merged.items()
    }
    return Preset(task=task, profile=profile, parents=chain[1:], **kept, **replaced)


def validate_presets(documents: Mapping[str, Any] | None = None) -> list[str]:
    """Return what is wrong with the preset files, one sentence each; empty when all is well.

    Parameters
    ----------
    documents
        Parsed YAML by file name; the shipped files when left out.

    Examples
    --------
    >>> validate_presets()
    []
    """
    documents = _documents() if documents is None else documents
    problems = []
    for name, document in documents.items():
        if unknown := sorted(set(document) - _FILE_KEYS):
            problems.append(f"{name}.yaml: unknown key {unknown[0]!r}")
        for profile, layer in document.get("profiles", {}).items():
            if profile not in PROFILES:
                problems.append(f"{name}.yaml: unknown profile {profile!r}")
            if unknown := sorted(set(layer) - _LAYER_KEYS):
                problems.append(f"{name}.yaml: unknown key {unknown[0]!r} in profile {profile}")
        try:
            presets = [resolve(documents, name, profile) for profile in PROFILES]
        except InputError as error:
            problems.append(f"{name}.yaml: {error}")
            continue
        tags = {
            item for preset in presets for item in (*preset.incar.items(), *preset.vtst.items())
        }
        found = [tag_problem(tag, value) for tag, value in sorted(tags, key=str)]
        problems.extend(f"{name}.yaml: {problem}" for problem in found if problem)
    return problems


def _check_name(what: str, name: str, allowed: tuple[str, ...]) -> None:
    """Raise InputError, with the nearest match, unless the name is allowed."""
    if name not in allowed:
        near = get_close_matches(name, allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"unknown {what} {name!r}; there are {', '.join(allowed)}.{hint}")


def _chain(documents: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a file and its ancestors, nearest first."""
    chain = [name]
    while parent := documents[chain[-1]].get("parent"):
        if parent not in documents:
            raise InputError(f"parent {parent!r} of {chain[-1]}.yaml does not exist")
        if parent in chain:
            raise InputError(f"{parent}.yaml is its own ancestor: {' < '.join([*chain, parent])}")
        chain.append(parent)
    return tuple(chain)


@cache
def _documents() -> dict[str, Any]:
    """Return the shipped preset files, parsed once."""
    folder: Traversable = files(__package__) / "presets"
    return {
        file.name.removesuffix(".yaml"): yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    }
