"""The FireTasks: write, run, parse, derive. Each is a thin skin on one function.

Their names are stored in LaunchPads for good: a test pins them. Those that need the result database
say so: they are run where it is when compute nodes cannot reach it.
"""

import logging
import os
import time
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, Firework, FWAction, explicit_serialize
from pydantic import TypeAdapter

from ..results.store import ResultStore
from ..structures.errors import RunError
from .calculations import Calculation
from .walltime import JobTimes, allotment, job_times, margin, worker_options

_log = logging.getLogger(__name__)

_OF_THE_LAUNCH = ("_fw_env", "_job_info")  # FireWorks puts them into the spec of a running one
_LEAST_WAIT_S = 10.0  # past the end of a job, so that a rapidfire does not spin


def open_store(fw_spec: dict[str, Any]) -> ResultStore:
    """Return the result store: the worker's own, else the one named when it was submitted."""
    env = fw_spec.get("_fw_env", {})
    database = env.get("database") or fw_spec.get("heterofire", {}).get("database")
    if not database:
        raise RunError(
            "no result database: set 'database' in the env of my_fworker.yaml or HETEROFIRE_DB"
        )
    return ResultStore.open(database)


@explicit_serialize
class WriteInputs(FiretaskBase):  # type: ignore[misc]
    """Write the run folder, or find that nothing is left to do."""

    needs_database = True
    required_params = ("calculation",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from .folders import check_engine, prepare_folder  # pulls in pymatgen's VASP classes
        from .parallelism import laid_on
        from .potcar_files import potcar_library

        env = fw_spec.get("_fw_env", {})
        calculation = laid_on(Calculation.from_dict(self["calculation"]), env, os.environ)
        check_engine(calculation, env)
        with open_store(fw_spec) as store:
            library = potcar_library(env.get("potcars")) if calculation.engine == "vasp" else None
            state = prepare_folder(calculation, store, Path.cwd(), potcar_dir=library)
            if state == "stored":
                store.add_use(calculation.key, calculation.label)
        return FWAction(stored_data={"prepared": state}, exit=state == "stored")


@explicit_serialize
class RunVasp(FiretaskBase):  # type: ignore[misc]
    """Run what stands behind ``vasp_cmd`` on this worker, unless its outputs are complete.

    Where the job ends first, the rest is queued as a detour: the same firework in the same folder.
    """

    required_params = ("calculation",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from .continuing import MAX_PARTS, halt_of  # pulls in pymatgen's VASP classes
        from .custody import run_vasp  # pulls in custodian
        from .folders import is_finished
        from .parallelism import vasp_command

        calculation = Calculation.from_dict(self["calculation"])
        if is_finished(calculation, Path.cwd()):
            return FWAction(stored_data={"engine_started": False})
        env = fw_spec.get("_fw_env", {})
        command = vasp_command(calculation, env)
        options, times = worker_options(env), job_times()
        margin_s = options.get("walltime_margin_s")
        if times is not None and times.left() < margin(times.length(), least_s=margin_s):
            _wait_for_the_end(times)
            return _continuation(calculation, fw_spec, {"continued": 0, "engine_started": False})
        about: dict[str, float | None] = {"margin_s": margin_s}
        if times is not None:
            about |= {"deadline": times.end, "length_s": times.length()}
        corrections = run_vasp(Path.cwd(), command, **about)
        told: dict[str, Any] = {"engine_started": True, "corrections": list(corrections)}
        halt = halt_of(Path.cwd(), calculation.incar, options.get("max_parts", MAX_PARTS))
        if halt is None:
            return FWAction(stored_data=told)
        told |= {"continued": halt.n_parts, "n_steps": halt.n_steps}
        part = {"part": halt.n_parts, "n_steps": halt.n_steps, "had_s": halt.mark.get("had_s")}
        return _continuation(calculation, fw_spec, told, part)


def _continuation(
    calculation: Calculation,
    fw_spec: dict[str, Any],
    told: dict[str, Any],
    part: dict[str, Any] | None = None,
) -> FWAction:
    """Return the action that queues the rest of a calculation before all that waits for it."""
    spec = {name: value for name, value in fw_spec.items() if name not in _OF_THE_LAUNCH}
    about = {**spec.get("heterofire", {}), "halted_in": allotment()}
    if part is not None:
        about["parts"] = [*about.get("parts", []), part]
    document = {"name": calculation.label.name, "spec": {**spec, "heterofire": about}, "fw_id": -1}
    detour = Firework.from_dict(document)
    return FWAction(stored_data=told, detours=[detour], exit=True)


def _wait_for_the_end(times: JobTimes) -> None:
    """Wait until a job that has no time left ends: it would take up the same work again."""
    wait_s = max(times.left(), _LEAST_WAIT_S)
    _log.warning("%.0f s are left of this job, too few to start anything", times.left())
    time.sleep(wait_s)


@explicit_serialize
class ParseRun(FiretaskBase):  # type: ignore[misc]
    """Read the folder strictly and store what it says."""

    needs_database = True
    required_params = ("calculation",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from .collecting import store_folder

        calculation = Calculation.from_dict(self["calculation"])
        with open_store(fw_spec) as store:
            return FWAction(stored_data=store_folder(calculation, store, Path.cwd()))


@explicit_serialize
class SubtractDensities(FiretaskBase):  # type: ignore[misc]
    """Subtract the densities of fragments from that of the whole and store the difference."""

    needs_database = True
    required_params = ("subtraction",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from .differences import store_difference  # pulls in pymatgen's VASP classes
        from .subtractions import Subtraction

        subtraction = Subtraction.from_dict(self["subtraction"])
        with open_store(fw_spec) as store:
            if store.has(subtraction.key):
                store.add_use(subtraction.key, subtraction.label)
                return FWAction(stored_data={"prepared": "stored"})
            return FWAction(stored_data=store_difference(subtraction, store, Path.cwd()))


@explicit_serialize
class DeriveProperties(FiretaskBase):  # type: ignore[misc]
    """Derive every property that a study asks for from the stored runs."""

    needs_database = True
    required_params = ("study", "profile", "engine", "requests")

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from ..results.derive import derive  # pulls in pandas and scipy
        from ..results.requests import Request

        requests = TypeAdapter(list[Request]).validate_python(self["requests"])
        about = {name: self[name] for name in ("study", "profile", "engine")}
        with open_store(fw_spec) as store:
            properties = derive(store, requests, **about)
            store.replace_properties(**about, properties=properties)
        return FWAction(stored_data={"n_properties": len(properties)})
