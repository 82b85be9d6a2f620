"""FireWorks' configuration files for a cluster, from what its user says about it."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ..structures.files import write_atomic
from .cluster_choices import ClusterChoices
from .mongodb_addresses import launchpad_entries, without_password
from .settings import OWN_ENGINES, engine_command, read_yaml
from .walltimes import format_walltime

__all__ = [
    "MISCONFIGURED",
    "Q_TYPES",
    "ClusterChoices",
    "ConfigFile",
    "cluster_files",
    "write_cluster_files",
]

Q_TYPES = {"slurm": "SLURM", "pbs": "PBS", "sge": "SGE", "lsf": "LoadSharingFacility"}
# FireWorks' own templates for these two know neither walltime (SGE), nor project and nodes (LSF).
_OWN_TEMPLATES = ("sge", "lsf")
# What ends a job whose modules cannot be loaded: EX_CONFIG of sysexits.h, no use in trying again.
MISCONFIGURED = 78
_JOB_NAME_LENGTH = {"slurm": 100, "pbs": 15, "sge": 100, "lsf": 100}  # 15: Torque and old PBS
_OUR_CONFIG = ("FWORKER_LOC", "LAUNCHPAD_LOC", "QUEUEADAPTER_LOC", "QUEUE_JOBNAME_MAXLEN")


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """One file to be written."""

    name: str
    text: str
    is_secret: bool = False

    @property
    def shown(self) -> str:
        """Return the content as a person may see it."""
        return without_password(self.text)


def cluster_files(folder: Path, choices: ClusterChoices, *, python: str = "") -> list[ConfigFile]:
    """Return FireWorks' files for a project folder; nothing is written.

    Parameters
    ----------
    folder
        The project; the files name it, because jobs start elsewhere.
    choices
        What init was told.
    python
        The Python that jobs run; by default this one.

    Returns
    -------
    list of ConfigFile
        ``FW_config.yaml``, ``my_fworker.yaml``; ``my_qadapter.yaml`` for a queue, with a template
        where FireWorks' own lacks something; ``my_launchpad.yaml`` when a MongoDB is named.
    """
    python = python or sys.executable
    made = [ConfigFile(name="my_fworker.yaml", text=_yaml(_fworker(choices, python)))]
    if choices.mongodb or choices.mongodb_env:
        text = _yaml(_launchpad(choices))
        made.append(ConfigFile(name="my_launchpad.yaml", text=text, is_secret=True))
    if choices.kind != "local":
        text = _yaml(_qadapter(folder, choices, python))
        made.append(ConfigFile(name="my_qadapter.yaml", text=text))
    if choices.kind in _OWN_TEMPLATES:
        name = _template_name(choices.kind)
        template = files(__package__) / "queue_templates" / name
        made.append(ConfigFile(name=name, text=template.read_text(encoding="utf-8")))
    # Last: with it the others are found from everywhere.
    made.append(ConfigFile(name="FW_config.yaml", text=_yaml(_fw_config(folder, choices))))
    return made


def write_cluster_files(folder: Path, choices: ClusterChoices) -> list[Path]:
    """Write FireWorks' files for a project folder, each whole or not at all.

    A file with a secret has mode 600 from its first byte on. Existing files are replaced: ask
    before (see ``initialising.existing_files``).
    """
    _queue_logs(folder).mkdir(parents=True, exist_ok=True)
    return [
        write_atomic(folder / file.name, file.text, mode=0o600 if file.is_secret else None)
        for file in cluster_files(folder, choices)
    ]


def _fworker(choices: ClusterChoices, python: str) -> dict[str, Any]:
    """Return FireWorks' description of the worker."""
    commands = {
        name: command
        for name in ("std", "gam", "ncl")
        if (command := getattr(choices, f"vasp_{name}")) is not None
    }
    env: dict[str, Any] = {"engine": choices.engine}
    if choices.engine in OWN_ENGINES:
        env["vasp_cmd"] = shlex.join((python, *engine_command(choices.engine)[1:]))
    elif commands:
        env["vasp_cmd"] = commands.get("std") or next(iter(commands.values()))
    if commands:
        env |= {"vasp_cmds": commands, "vtst": choices.vtst}
    if choices.potcars:
        env["potcars"] = str(choices.potcars)
    if choices.scratch:
        env["scratch"] = choices.scratch
    env["heterofire"] = {
        "cluster": {
            "kind": choices.kind,
            "cores_per_node": choices.cores,
            "max_nodes": choices.nodes,
            "walltime_s": choices.walltime_s,
        }
    }
    return {"name": choices.kind, "category": "", "query": "{}", "env": env}


def _launchpad(choices: ClusterChoices) -> dict[str, Any]:
    """Return FireWorks' description of the LaunchPad on a MongoDB server."""
    if choices.mongodb_env:
        host = f"${{{choices.mongodb_env}}}"
        return {"host": host, "uri_mode": True, "name": "fireworks", "logdir": None}
    password = choices.password.get_secret_value() if choices.password else None
    return launchpad_entries(choices.mongodb or "", password)


def _qadapter(folder: Path, choices: ClusterChoices, python: str) -> dict[str, Any]:
    """Return FireWorks' description of the queue."""
    kind, total = choices.kind, choices.nodes * choices.cores
    size: dict[str, dict[str, Any]] = {
        "slurm": {"nodes": choices.nodes, "ntasks_per_node": choices.cores},
        "pbs": {"nnodes": choices.nodes, "ppnode": choices.cores},
        "sge": {"ntasks": total, "parallel_environment": choices.parallel_environment},
        "lsf": {"ntasks": total, "ntasks_per_node": choices.cores},
    }
    adapter: dict[str, Any] = {"_fw_name": "CommonAdapter", "_fw_q_type": Q_TYPES[kind]}
    if kind in _OWN_TEMPLATES:
        adapter["_fw_template_file"] = str(folder / _template_name(kind))
    adapter |= {"queue": choices.partition, "account": choices.account, **size[kind]}
    adapter |= {"walltime": format_walltime(choices.walltime_s, kind), "job_name": "heterofire"}
    if choices.mongodb_env:  # Slurm and LSF hand the environment to the job as it is
        passed = {"pbs": {"env": ""}, "sge": {"pass_variables": choices.mongodb_env}}
        adapter |= passed.get(kind, {})
    adapter["logdir"] = str(_queue_logs(folder))
    adapter["pre_rocket"] = _before_the_rocket(choices)
    adapter["rocket_launch"] = _rocket_launch(folder, choices, python)
    return {name: value for name, value in adapter.items() if value is not None}


def _before_the_rocket(choices: ClusterChoices) -> str:
    """Return what a job does first."""
    lines = ["export OMP_NUM_THREADS=1"]
    if choices.modules:
        # Where the job's shell is no login shell, nobody has defined `module` yet.
        lines.append("command -v module >/dev/null 2>&1 || . /etc/profile")
    lines += [
        f"module load {name} || {{ echo 'heterofire: cannot load module {name}' >&2; "
        f"exit {MISCONFIGURED}; }}"
        for name in choices.modules
    ]
    return "\n".join(lines)


def _rocket_launch(folder: Path, choices: ClusterChoices, python: str) -> str:
    """Return what a job runs when FireWorks' own qlaunch submits it."""
    launchpad, worker = folder / "my_launchpad.yaml", folder / "my_fworker.yaml"
    rlaunch = [str(Path(python).parent / "rlaunch")]
    if choices.mongodb_env:  # FireWorks itself cannot take an address from the environment
        rlaunch = [python, "-P", "-m", "heterofire.launchers", "rlaunch"]
    if choices.mongodb or choices.mongodb_env:
        rlaunch += ["-l", str(launchpad)]
    return shlex.join([*rlaunch, "-w", str(worker), "singleshot"])


def _fw_config(folder: Path, choices: ClusterChoices) -> dict[str, Any]:
    """Return FireWorks' own settings: where the other files are; what else is set there stays."""
    ours: dict[str, Any] = {"FWORKER_LOC": str(folder / "my_fworker.yaml")}
    if choices.mongodb or choices.mongodb_env:
        ours["LAUNCHPAD_LOC"] = str(folder / "my_launchpad.yaml")
    if choices.kind != "local":
        ours["QUEUEADAPTER_LOC"] = str(folder / "my_qadapter.yaml")
        ours["QUEUE_JOBNAME_MAXLEN"] = _JOB_NAME_LENGTH[choices.kind]
    existing = folder / "FW_config.yaml"
    found = read_yaml(existing) if existing.is_file() else {}
    return {name: value for name, value in found.items() if name not in _OUR_CONFIG} | ours


def _template_name(kind: str) -> str:
    return f"{Q_TYPES[kind]}_template.txt"


def _queue_logs(folder: Path) -> Path:
    """Return the folder for what FireWorks logs about submissions."""
    return folder / "runs" / ".queue"


class _Dumper(yaml.SafeDumper):
    """Writes a script as the lines it has."""


def _as_lines(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_lines)


def _yaml(data: Mapping[str, Any]) -> str:
    text: str = yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, width=1000)
    return text
