"""What ``heterofire init`` is told about a cluster, checked before anything is written."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from ..structures.errors import InputError
from .mongodb_addresses import check_address, password_in, user_in
from .walltimes import parse_walltime

Kind = Literal["slurm", "pbs", "sge", "lsf", "local"]
KINDS: tuple[str, ...] = get_args(Kind)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+:=/-]*")
_FOR_A_SHELL = re.compile(r"[|&;<>`$\\\n\r*?(){}]")


class ClusterChoices(BaseModel):
    """What ``heterofire init`` was told about a cluster, or about this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    engine: Literal["vasp", "xtb", "gpaw"] = "vasp"
    account: str | None = None
    partition: str | None = None  # or queue
    cores: int = Field(default=1, ge=1, le=4096)  # of one node
    nodes: int = Field(default=1, ge=1, le=10000)  # that one calculation may take at most
    walltime_s: int = 86400
    modules: tuple[str, ...] = ()  # in the order in which they are loaded
    vasp_std: str | None = None  # the command, "srun vasp_std"
    vasp_gam: str | None = None
    vasp_ncl: str | None = None
    vtst: bool = False
    potcars: Path | None = None
    scratch: str | None = None  # may hold variables of the job: "/scratch/$USER"
    parallel_environment: str = "mpi"  # SGE's -pe
    mongodb: str | None = None  # address without password
    password: SecretStr | None = None
    mongodb_env: str | None = None  # variable that holds the address at run time

    @classmethod
    def checked(cls, answers: Mapping[str, Any]) -> "ClusterChoices":
        """Return the choices, or say which one is wrong.

        Raises
        ------
        InputError
            Names each wrong value and its flag; a password is never shown.
        """
        try:
            return cls(**{name: value for name, value in answers.items() if value is not None})
        except ValidationError as error:
            raise InputError("; ".join(_problem(item) for item in error.errors())) from None

    @field_validator("account", "partition", "parallel_environment")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError("holds a character that no scheduler's names have")
        return name

    @field_validator("modules")
    @classmethod
    def _check_modules(cls, modules: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in modules if not _NAME.fullmatch(name)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no name of a module such as vasp/6.4.3")
        return modules

    @field_validator("walltime_s", mode="before")
    @classmethod
    def _check_walltime(cls, walltime: int | str) -> int:
        try:
            return parse_walltime(walltime) if isinstance(walltime, str) else walltime
        except InputError as error:
            raise ValueError(str(error)) from error

    @field_validator("vasp_std", "vasp_gam", "vasp_ncl")
    @classmethod
    def _check_command(cls, command: str | None) -> str | None:
        if command is None:
            return None
        if _FOR_A_SHELL.search(command):
            raise ValueError("no shell reads this command: give program and arguments only")
        if not shlex.split(command):
            raise ValueError("is empty")
        return command

    @field_validator("potcars")
    @classmethod
    def _check_potcars(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.expanduser().is_dir():
            raise ValueError(f"{folder} is not a folder")
        return None if folder is None else folder.expanduser().resolve()

    @field_validator("scratch")
    @classmethod
    def _check_scratch(cls, folder: str | None) -> str | None:
        if folder is not None and not re.fullmatch(r"(/|\$\{?\w+\}?)[\w${}./+@=-]*", folder):
            raise ValueError("should be a whole path such as /scratch/$USER")
        return folder

    @field_validator("mongodb_env")
    @classmethod
    def _check_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError("is no name of an environment variable")
        return name

    @field_validator("mongodb")
    @classmethod
    def _check_mongodb(cls, uri: str | None) -> str | None:
        if uri is None:
            return None
        try:
            check_address(uri)
        except InputError as error:
            raise ValueError(str(error)) from error
        if password_in(uri):
            raise ValueError(
                "leave the password out: it would show in the list of processes. It is asked for "
                "on a terminal, or taken from HETEROFIRE_MONGODB_PASSWORD"
            )
        return uri

    @model_validator(mode="after")
    def _check_together(self) -> "ClusterChoices":
        if self.mongodb and self.mongodb_env:
            raise ValueError("give --mongodb or --mongodb-env, not both")
        if self.mongodb and user_in(self.mongodb) and self.password is None:
            raise ValueError(
                "--mongodb names a user but there is no password: run it on a terminal, or set "
                "HETEROFIRE_MONGODB_PASSWORD"
            )
        if self.engine == "vasp" and self.kind != "local" and not self.vasp_std:
            raise ValueError("--vasp-std is missing, such as --vasp-std 'srun vasp_std'")
        if self.kind == "lsf" and not self.partition:
            raise ValueError("--partition is missing: FireWorks counts LSF's jobs by queue")
        return self


def _problem(item: Any) -> str:
    """Return what is wrong with one choice; values that may be secret are not shown."""
    reason = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return reason
    name = str(item["loc"][0])
    flag = {"kind": "--cluster", "walltime_s": "--walltime", "modules": "--module"}.get(
        name, "--" + name.replace("_", "-")
    )
    is_shown = name not in ("password", "mongodb", "modules") and repr(item["input"]) not in reason
    shown = f" {item['input']!r}" if is_shown else ""
    return f"{flag}{shown}: {reason}"
