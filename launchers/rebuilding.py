"""Stored calculations run once more and set beside what is stored; nothing is stored again."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..results.chosen_calculations import StoredCalculation, stored_calculations
from ..results.records import Band, Run
from ..results.store import ResultStore
from ..structures.errors import HeteroError, InputError
from ..structures.files import write_atomic
from ..workflows.calculations import Calculation
from ..workflows.custody import run_vasp
from ..workflows.folders import is_finished, prepare_anew
from ..workflows.parallelism import laid_on, vasp_command
from ..workflows.plans import Plan, Step
from ..workflows.potcar_files import potcar_library
from ..workflows.rebuilding import (
    Outcome,
    Trial,
    checked_start,
    largest_difference,
    method_variables,
    read_trial,
    stored_calculation,
    trials,
)
from ..workflows.starts import start_structure, starting_role
from ..workflows.study_reading import load_study, study_names
from ..workflows.subtractions import Subtraction
from .project import Project
from .settings import load_settings
from .worker import worker_environment

MARK = "rebuild.json"  # in a run folder of ours: what it is for, and whether it has been judged

_NO_KEY = (
    "plans no calculation of this key today: the study, a preset or heterofire has changed since"
)


@dataclass(frozen=True, kw_only=True)
class Rebuilding:
    """What was asked for."""

    tolerance: float = 0.005  # eV
    whole: bool = False
    as_stored: bool = False  # inputs from the database where no study plans them
    keep: bool = False
    study_files: tuple[str, ...] = ()
    folder: Path = Path("rebuilt")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One trial beside what is stored."""

    name: str
    key: str
    what: str
    stored: float | None  # E0 in eV; of a band as a whole that of the image that differs most
    new: float | None
    seconds: float | None
    verdict: str  # "same", "differs", "failed", "not rebuilt", "would run"
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """Return whether nothing speaks against the stored energy."""
        return self.verdict in ("same", "would run")

    @property
    def difference(self) -> float | None:
        """Return new - stored in eV."""
        if self.new is None or self.stored is None:
            return None
        return self.new - self.stored


@dataclass
class Rebuilder:
    """Runs trials of one database one after the other.

    Parameters
    ----------
    store
        Where the stored energies are; it is only read.
    database
        Its address.
    asked
        How.
    """

    store: ResultStore
    database: str
    asked: Rebuilding
    _plans: dict[tuple[str, ...], Plan] = field(default_factory=dict)

    def parts_of(self, item: StoredCalculation) -> list[StoredCalculation]:
        """Return what has energies of its own: of a density difference the runs behind it.

        Raises
        ------
        HeteroError
            The key of a difference cannot be computed again.
        """
        if item.kind != "difference":
            return [item]
        with environment(method_variables(item.engine, item.method)):
            step = self._step(item)
        if not isinstance(step, Subtraction):
            raise InputError(f"{item.name} ({item.key[:8]}) {_NO_KEY}")
        known = {found.key: found for found in stored_calculations(self.store)}
        return [known[key] for key in step.parents.values()]

    def trials_of(self, item: StoredCalculation) -> tuple[Trial, ...]:
        """Return the trials of a stored run or band.

        Raises
        ------
        HeteroError
            Its key cannot be computed again: no study plans it as it is stored.
        """
        record: Run | Band = (
            self.store.get_band(item.key) if item.kind == "band" else self.store.get_run(item.key)
        )
        with environment(method_variables(item.engine, item.method)):
            planned = self._planned(item, record)
        if self.asked.whole and isinstance(record, Run):
            start = start_structure(planned, self.store, starting_role(planned))
            checked_start(start, record, item.name)
        return trials(planned, record, key=item.key, whole=self.asked.whole)

    def _planned(self, item: StoredCalculation, record: Run | Band) -> Calculation:
        """Return the inputs from which the key is computed, or those that are stored."""
        try:
            step = self._step(item)
        except HeteroError:
            if not self.asked.as_stored or isinstance(record, Band):
                raise
            return stored_calculation(record, item.labels[0], key=item.key)
        if isinstance(step, Subtraction):
            raise InputError(f"{item.name} ({item.key[:8]}) {_NO_KEY}")
        return step

    def _step(self, item: StoredCalculation) -> Step:
        """Return the step of a study that has this very key."""
        reasons = []
        for label in item.labels:
            try:
                plan = self.plan(label.study, label.profile, item.engine)
            except HeteroError as error:
                reasons.append(str(error))
                continue
            found = [step for step in plan.steps if step.key == item.key]
            if found:
                return found[0]
            reasons.append(f"{label.study}, profile {label.profile}, {_NO_KEY}")
        raise InputError(
            f"the key of {item.name} ({item.key[:8]}) cannot be computed again: "
            f"{'; '.join(dict.fromkeys(reasons))}. Name its study file with --study, or take the "
            "inputs that are stored with it: --as-stored."
        )

    def is_planned(self, item: StoredCalculation) -> bool:
        """Return whether one of its studies plans this very key today.

        Raises
        ------
        HeteroError
            A study cannot be planned.
        """
        with environment(method_variables(item.engine, item.method)):
            plans = [self.plan(i.study, i.profile, item.engine) for i in item.labels]
        return any(step.key == item.key for plan in plans for step in plan.steps)

    def plan(self, study: str, profile: str, engine: str) -> Plan:
        """Return the plan of a study as it is today.

        Raises
        ------
        InputError
            There is no such study, and no file of it here.
        """
        settings = load_settings(engine=engine, database=self.database)
        about = (study, profile, engine, settings.method)
        if about not in self._plans:
            print(f"planning {study}, profile {profile} ...", file=sys.stderr)
            source = study_source(study, self.asked.study_files)
            self._plans[about] = Project(settings).plan(source, profile)
        return self._plans[about]

    def judge(self, item: StoredCalculation, trial: Trial) -> Verdict:
        """Run one trial and set it beside what is stored; a failure is a verdict, too."""
        started = time.monotonic()
        try:
            with environment(method_variables(item.engine, item.method)):
                outcome = self._run(item.engine, trial)
        except HeteroError as error:
            return _verdict(item, trial, "failed", reason=str(error))
        seconds = max(outcome.elapsed_s, time.monotonic() - started)
        worst = largest_difference(trial, outcome)
        is_same = abs(worst) <= self.asked.tolerance and not outcome.reasons
        folder = self.asked.folder / trial.folder_name
        _mark(folder, trial, judged=True)
        reason = "; ".join(outcome.reasons)
        if outcome.engine_version != item.engine_version:
            reason += f"{'; ' if reason else ''}{item.engine} {outcome.engine_version}, stored "
            reason += item.engine_version
        if is_same and not self.asked.keep:
            shutil.rmtree(folder)
        elif not is_same:
            reason += f"{'; ' if reason else ''}see {folder}"
        verdict = "same" if is_same else "failed" if outcome.reasons else "differs"
        return _verdict(
            item, trial, verdict, reason=reason, worst=worst, energies=outcome, seconds=seconds
        )

    def _run(self, engine: str, trial: Trial) -> Outcome:
        """Write the run folder, run what stands behind VASP in it, and read what it gave."""
        settings = load_settings(engine=engine, database=self.database)
        env = worker_environment(settings)
        calculation = laid_on(trial.calculation, env, os.environ)
        folder = self.asked.folder / trial.folder_name
        _make_room(folder, trial)
        folder.mkdir(parents=True, exist_ok=True)
        _mark(folder, trial, judged=False)  # first: a kill leaves a folder that is known again
        library = potcar_library(env.get("potcars")) if engine == "vasp" else None
        prepare_anew(calculation, self.store, folder, potcar_dir=library)
        if not is_finished(calculation, folder):
            run_vasp(folder.resolve(), vasp_command(calculation, env))
        return read_trial(trial, self.store, folder)


def _verdict(
    item: StoredCalculation,
    trial: Trial,
    verdict: str,
    *,
    reason: str = "",
    worst: float | None = None,
    energies: Outcome | None = None,
    seconds: float | None = None,
) -> Verdict:
    """Return a verdict with the pair of energies that differs most."""
    pairs = [] if energies is None else list(zip(trial.stored, energies.energies, strict=True))
    stored, new = next((pair for pair in pairs if pair[1] - pair[0] == worst), (None, None))
    return Verdict(
        name=item.name,
        key=item.key,
        what=trial.what,
        stored=trial.stored[0] if stored is None and len(trial.stored) == 1 else stored,
        new=new,
        seconds=seconds,
        verdict=verdict,
        reason=reason,
    )


def _about(trial: Trial) -> dict[str, Any]:
    """Return what tells the folder of one trial from that of another."""
    return {
        "stored_key": trial.key,
        "what": trial.what,
        "key": trial.calculation.key,
        "method": trial.method,
        "heterofire": __version__,
    }


def _mark(folder: Path, trial: Trial, *, judged: bool) -> None:
    write_atomic(folder / MARK, json.dumps({**_about(trial), "judged": judged}, indent=1) + "\n")


def _make_room(folder: Path, trial: Trial) -> None:
    """Leave what an interrupted rebuild can go on from; begin anew where it came to its end.

    Raises
    ------
    InputError
        The folder is not of a rebuild.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{folder} is there and is no run folder of a rebuild: move it away, or name another "
            "folder with -o."
        ) from None
    if mark.get("judged") or {k: v for k, v in mark.items() if k != "judged"} != _about(trial):
        shutil.rmtree(folder)


def study_source(study: str, files: Sequence[str]) -> str:
    """Return what a study is loaded by: its name, one of the files, or STUDY.yaml here.

    Raises
    ------
    InputError
        It is none of these.
    """
    for file in files:
        if Path(file).suffix in (".yaml", ".yml") and load_study(file).study == study:
            return file
    if study in study_names():
        return study
    for name in (f"{study}.yaml", f"{study}.yml"):
        if Path(name).is_file() and load_study(name).study == study:
            return name
    raise InputError(f"there is no study {study!r}, and no file {study}.yaml here")


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for planning and for the engine that is started, and put them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
