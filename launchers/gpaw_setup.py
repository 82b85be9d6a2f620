"""GPAW installed in one step, and tried: what ``heterofire setup gpaw`` does."""

import fcntl
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from packaging.markers import Marker
from packaging.requirements import Requirement

from ..structures.errors import EngineError, InputError
from ..structures.files import write_atomic
from .gpaw_build import (
    PACKAGES,
    BuildTools,
    config_text,
    find_build_tools,
    own_config,
    require_build_tools,
)
from .gpaw_trial import GpawFacts, try_gpaw

_SHOWN = re.compile(r"^\s*(Collecting|Downloading|Building|Installing|Successfully|Created wheel)")
_COMPILED = re.compile(r"^\s*\S*(g\+\+|clang\+\+|mpicxx|mpic\+\+)\s.*\s-c\s")
_FILES_A_LINE = 10


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What would be installed, and how."""

    requirements: tuple[str, ...]  # of the extra heterofire[gpaw]
    config: Path  # read by GPAW's build
    config_text: str  # empty where the file is the user's own, which stays as it is
    tools: BuildTools | None  # None with a file of the user's own
    log: Path  # all that pip and the compiler say


def gpaw_requirements() -> tuple[str, ...]:
    """Return what the extra ``heterofire[gpaw]`` lists.

    Raises
    ------
    EngineError
        heterofire is not installed, or was before it had this extra.
    """
    try:
        listed = [Requirement(text) for text in requires("heterofire") or []]
    except PackageNotFoundError:
        listed = []
    names = [f"{r.name}{r.specifier}" for r in listed if _is_of_extra(r.marker)]
    if not names:
        raise EngineError(
            f"heterofire is not installed in {sys.prefix} with its extra 'gpaw': install it again "
            "(pip install . in its folder), then run the same command again."
        )
    return tuple(names)


def _is_of_extra(marker: Marker | None) -> bool:
    return bool(
        marker and marker.evaluate({"extra": "gpaw"}) and not marker.evaluate({"extra": ""})
    )


def prepare(*, serial: bool = False, plain: bool = False) -> Preparation:
    """Return what an installation would do; changes nothing.

    Parameters
    ----------
    serial, plain
        As in `find_build_tools`.

    Raises
    ------
    InputError
        An option that the user's own config file would make void.
    EngineError
        Something that GPAW cannot be built without is missing.
    """
    folder = _own_folder()
    own = own_config()
    common: Any = {"requirements": gpaw_requirements(), "log": folder / "gpaw_setup.log"}
    if own is None:
        tools = find_build_tools(serial=serial, plain=plain)
        require_build_tools(tools)
        text, config = config_text(tools), folder / "gpaw_config.py"
        return Preparation(config=config, config_text=text, tools=tools, **common)
    if serial or plain:
        raise InputError(
            f"--serial and --plain have no effect beside your own {own}: change that file, "
            "or set it aside (unset GPAW_CONFIG, or rename the file)."
        )
    return Preparation(config=own, config_text="", tools=None, **common)


def set_up_gpaw(
    *, serial: bool = False, plain: bool = False, force: bool = False, dry_run: bool = False,
    as_json: bool = False,
) -> int:  # fmt: skip
    """Install GPAW where it does not work yet, try it, and print what it is.

    Parameters
    ----------
    serial, plain
        As in `find_build_tools`.
    force
        Build it anew, also where it works.
    dry_run
        Say what would happen, with the config file; change nothing.
    as_json
        Print the facts of the working GPAW as JSON.

    Raises
    ------
    EngineError
        It cannot be built, or does not compute what it should; the message has the next step.
    """
    facts = GpawFacts(problem="built anew (--force)") if force else _installed()
    if not facts.problem:
        _say("GPAW is installed and works; nothing was done (--force builds it anew).")
    else:
        _say(f"GPAW: {facts.problem}")
        preparation = prepare(serial=serial, plain=plain)
        _describe(preparation)
        if dry_run:
            _say("Nothing was changed (--dry-run).")
            return 0
        facts = install(preparation)
    if as_json:
        print(json.dumps(asdict(facts), indent=2))
    else:
        print(f"{facts.describe()}: computed H2 in {facts.seconds:.1f} s")
    return 0


def install(preparation: Preparation) -> GpawFacts:
    """Build and install GPAW, and return what it is once it computed H2 right.

    Parameters
    ----------
    preparation
        From `prepare`.

    Raises
    ------
    EngineError
        As in `set_up_gpaw`.
    """
    _require_pip()
    with _alone(preparation.log) as (log, has_waited):
        if has_waited and not (facts := _installed()).problem:
            return facts
        if preparation.config_text:
            write_atomic(preparation.config, preparation.config_text)
        pip = _Pip(log, preparation)
        _build_and_install(pip, preparation.requirements)
    _say("trying it on H2 ...")
    facts = try_gpaw()
    if facts.problem:
        raise EngineError(
            f"GPAW was installed, but: {facts.problem}. {_next_step(preparation)} All that the "
            f"build said is in {preparation.log}."
        )
    return facts


class _Pip:
    """Runs pip with what it says kept in a log, and the gist of it told."""

    def __init__(self, log: TextIO, preparation: Preparation) -> None:
        self.log, self.preparation = log, preparation

    def __call__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
        self.log.write(f"+ {' '.join(command)}\n")
        self.log.flush()
        # The lock goes with the child: a second call waits for a pip whose parent was killed.
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            # On one core: GPAW's parallel build leaves the compiled part out of the wheel.
            env=os.environ
            | {"GPAW_CONFIG": str(self.preparation.config), "GPAW_BUILD_JOBS": "1"},
            stdin=subprocess.DEVNULL, pass_fds=[self.log.fileno()],
        ) as process:  # fmt: skip
            assert process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
            lines = self._follow(process.stdout)
        if process.returncode != 0:
            raise EngineError(
                f"pip ended with exit code {process.returncode}: {_last_words(lines)}. "
                f"{_next_step(self.preparation)} All of it is in {self.preparation.log}."
            )

    def _follow(self, stream: Any) -> list[str]:
        """Keep every line, tell the gist; return all of them."""
        lines, n_compiled = [], 0
        for line in stream:
            self.log.write(line)
            self.log.flush()
            lines.append(line)
            if _COMPILED.match(line):
                n_compiled += 1
                if n_compiled % _FILES_A_LINE == 0:
                    _say(f"{n_compiled} files compiled")
            elif _SHOWN.match(line):
                _say(line.strip())
        return lines


def _installed() -> GpawFacts:
    """Return what is there, with the problem where anything that is wanted is missing."""
    try:
        wanted = [Requirement(text) for text in gpaw_requirements()]
        found = {item.name: version(item.name) for item in wanted}
    except PackageNotFoundError as error:
        return GpawFacts(problem=f"{error.name} is not installed")
    other = [r for r in wanted if not r.specifier.contains(found[r.name], prereleases=True)]
    if other:
        old = ", ".join(f"{r.name} {found[r.name]} (wanted: {r.specifier})" for r in other)
        return GpawFacts(problem=f"installed is {old}")
    return try_gpaw()


def _describe(preparation: Preparation) -> None:
    """Say what would be installed, how, and what would make it better."""
    tools = preparation.tools
    _say(f"installs {', '.join(preparation.requirements)} into {sys.prefix}")
    if tools is None:
        _say(f"with your own config file {preparation.config}")
        return
    _say(f"with the config file {preparation.config}:")
    for line in preparation.config_text.splitlines()[1:]:
        _say(f"    {line}")
    for name in tools.missing():
        _say(f"not found or left out, and not needed: {name} (Debian: {PACKAGES[name]})")


def _build_and_install(pip: _Pip, requirements: Sequence[str]) -> None:
    """Build GPAW, put it in the place of what was there, and install what it needs."""
    gpaw = next(text for text in requirements if Requirement(text).name == "gpaw")
    with tempfile.TemporaryDirectory(prefix="heterofire-gpaw-") as folder:
        # Not from pip's cache: it knows a wheel by its source alone, not by the config file.
        pip("wheel", "-v", "--no-cache-dir", "--no-binary=gpaw", "--no-deps", "-w", folder, gpaw)
        wheel = str(next(Path(folder).glob("gpaw-*.whl")))
        pip("install", "--force-reinstall", "--no-deps", wheel)
        pip("install", wheel, *(text for text in requirements if text != gpaw))


def _next_step(preparation: Preparation) -> str:
    """Return what to try after a build that failed."""
    tools = preparation.tools
    if tools is None:
        return f"Change your config file {preparation.config}."
    if tools.mpi_compiler or tools.openblas or tools.libxc or tools.fftw:
        return "Try it without MPI and libraries: heterofire setup gpaw --plain."
    return "Mend what it names, then run the same command again."


def _last_words(lines: Sequence[str]) -> str:
    """Return the first error that a build names, else its last line.

    Examples
    --------
    >>> _last_words(["x.c:1:10: fatal error: xc.h: No such file", "ERROR: Failed building wheel"])
    'x.c:1:10: fatal error: xc.h: No such file'
    """
    said = [line.strip() for line in lines if line.strip()] or ["no output"]
    named = (line for line in said if re.search(r"error:|^ERROR", line))
    return next(named, said[-1]).rstrip(".")


def _own_folder() -> Path:
    """Return where config file and log lie: in this environment, or the user's cache."""
    if os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix) / "share" / "heterofire"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "heterofire"


def _require_pip() -> None:
    """Raise EngineError where pip cannot install into this Python."""
    if find_spec("pip") is None:
        raise EngineError(
            f"{sys.executable} has no pip: run {sys.executable} -m ensurepip (or uv pip install "
            "pip), then the same command again."
        )
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix == sys.base_prefix and marker.is_file():
        raise EngineError(
            f"{sys.executable} is managed by the system, which keeps pip out ({marker}): install "
            "heterofire into an environment of its own (python3 -m venv .venv)."
        )


@contextmanager
def _alone(log: Path) -> Iterator[tuple[TextIO, bool]]:
    """Give the empty log, once no other process installs here, and whether one did."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        has_waited = False
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            has_waited = True
            _say(f"waiting until another heterofire setup gpaw has ended (its log: {log}) ...")
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        yield stream, has_waited


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
