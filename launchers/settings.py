"""Where things are on this machine: read once, handed down, never looked up again."""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..structures.errors import InputError

DEFAULT_ENGINE = "xtb"
OWN_ENGINES = ("xtb", "gpaw")  # that `heterofire engine` starts
ENGINES = ("vasp", *OWN_ENGINES)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One project folder and the machine it is worked on from."""

    folder: Path  # the project: where the command was started
    runs: Path  # run folders
    database: str  # result database, a path or URL
    launchpad: Path  # embedded LaunchPad, used when my_launchpad is None
    my_launchpad: Path | None  # FireWorks' file that names a MongoDB
    my_qadapter: Path | None = None  # FireWorks' file that describes the queue
    worker_env: Mapping[str, Any]  # env of my_fworker.yaml
    engine: str  # one of ENGINES
    method: str  # what no input file says: "GFN1-xTB", GPAW's basis "szp(dzp)"; "" for VASP
    vasp_cmd: tuple[str, ...]  # what stands behind VASP on this machine

    @property
    def has_vtst(self) -> bool:
        """Return whether the workers' VASP climbs: VTST declared, or an engine of ours."""
        return self.engine in OWN_ENGINES or bool(self.worker_env.get("vtst", False))

    def method_of(self, incar: Mapping[str, Any]) -> str:
        """Return what the engine computes for an INCAR; empty where the INCAR says it all.

        Raises
        ------
        InputError
            The INCAR asks for a functional or dispersion that the engine does not have.
        """
        if self.engine != "gpaw":
            return self.method
        from .engines.gpaw_methods import method_name  # pulls in the engines' package

        return method_name(incar, self.method)


def load_settings(
    *, engine: str | None = None, folder: Path | None = None, database: str | None = None
) -> Settings:
    """Return the settings of a project folder.

    Parameters
    ----------
    engine
        What the user asked for; by default what ``my_fworker.yaml`` has behind ``vasp_cmd``,
        and the embedded engine where there is no such file.
    folder
        The project folder; by default the current one.
    database
        A file, a URL, or "reference"; by default what HETEROFIRE_DB names, else results.db.

    Raises
    ------
    InputError
        A file is not readable YAML, or the engine is not there; names file and remedy.
    """
    project = (folder or Path.cwd()).resolve()
    worker_env = _worker_env(project)
    name = engine or _engine_behind(worker_env.get("vasp_cmd")) or DEFAULT_ENGINE
    if name not in ENGINES:
        raise InputError(f"unknown engine {name!r}; known are {', '.join(ENGINES)}")
    return Settings(
        folder=project,
        runs=project / "runs",
        database=database_address(database, project),
        launchpad=project / "launchpad.db",
        my_launchpad=_config_file(project, "my_launchpad.yaml", "LAUNCHPAD_LOC"),
        my_qadapter=_config_file(project, "my_qadapter.yaml", "QUEUEADAPTER_LOC"),
        worker_env=worker_env,
        engine=name,
        method=_method(name),
        vasp_cmd=_command(name, worker_env.get("vasp_cmd")),
    )


def database_address(database: str | None = None, folder: Path | None = None) -> str:
    """Return the path or URL of the database that was named, else of the project folder's."""
    named = database or os.environ.get("HETEROFIRE_DB")
    return named or str((folder or Path.cwd()).resolve() / "results.db")


def engine_command(name: str) -> tuple[str, ...]:
    """Return the command that runs an embedded engine with this very Python.

    With -P, so that nothing in a run folder is imported.
    """
    return (sys.executable, "-P", "-m", "heterofire.launchers.cli", "engine", name)


def _method(engine: str) -> str:
    """Return what the engine computes where no input file says it."""
    if engine == "gpaw":
        from .engines.gpaw_methods import chosen_basis  # pulls in the engines' package

        return chosen_basis()
    if engine == "xtb":
        from .engines.xtb_engine import chosen_method  # pulls in numpy

        return chosen_method()
    return ""


def _command(engine: str, configured: str | None) -> tuple[str, ...]:
    """Return what to start in a run folder; empty when VASP is asked for but not configured."""
    if engine == "vasp":
        return tuple(shlex.split(configured)) if configured else ()
    return engine_command(engine)


def _engine_behind(vasp_cmd: str | None) -> str | None:
    """Return which engine a worker's ``vasp_cmd`` starts.

    Examples
    --------
    >>> _engine_behind("srun vasp_std"), _engine_behind("heterofire engine gpaw")
    ('vasp', 'gpaw')
    """
    if not vasp_cmd:
        return None
    words = shlex.split(vasp_cmd)
    if "engine" in words[:-1]:
        return words[words.index("engine") + 1]
    return "vasp"


def _worker_env(project: Path) -> Mapping[str, Any]:
    """Return the env of FireWorks' worker file, empty when there is none."""
    path = _config_file(project, "my_fworker.yaml", "FWORKER_LOC")
    if path is None:
        return {}
    env = read_yaml(path).get("env") or {}
    if not isinstance(env, dict):
        raise InputError(f"{path}: env must be a mapping such as 'vasp_cmd: srun vasp_std'")
    return env


def _config_file(project: Path, name: str, variable: str) -> Path | None:
    """Return a FireWorks file: in the project folder, else where FW_config.yaml says."""
    if (project / name).is_file():
        return project / name
    for config in (project / "FW_config.yaml", _user_config()):
        if config is None or not config.is_file():
            continue
        settings = read_yaml(config)
        named = settings.get(variable)
        if named is None and settings.get("CONFIG_FILE_DIR"):
            named = str(Path(settings["CONFIG_FILE_DIR"]) / name)
        if named and Path(named).expanduser().is_file():
            return Path(named).expanduser()
    return None


def _user_config() -> Path | None:
    """Return FireWorks' own configuration file of this user."""
    named = os.environ.get("FW_CONFIG_FILE")
    return Path(named) if named else Path.home() / ".fireworks" / "FW_config.yaml"


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML mapping; errors name the file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping")
    return data
