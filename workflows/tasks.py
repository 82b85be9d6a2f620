"""The FireTasks: write, run, parse, derive. Each is a thin skin on one function.

Their names are stored in LaunchPads for good: a test pins them.
"""

import logging
import os
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, FWAction, explicit_serialize
from pydantic import TypeAdapter

from ..results.store import ResultStore
from ..structures.errors import RunError
from .calculations import Calculation

_log = logging.getLogger(__name__)


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
    """Run what stands behind ``vasp_cmd`` on this worker, unless its outputs are complete."""

    required_params = ("calculation",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from .custody import run_vasp  # pulls in custodian
        from .folders import is_finished
        from .parallelism import vasp_command

        calculation = Calculation.from_dict(self["calculation"])
        if is_finished(calculation, Path.cwd()):
            return FWAction(stored_data={"engine_started": False})
        command = vasp_command(calculation, fw_spec.get("_fw_env", {}))
        corrections = run_vasp(Path.cwd(), command)
        return FWAction(stored_data={"engine_started": True, "corrections": list(corrections)})


@explicit_serialize
class ParseRun(FiretaskBase):  # type: ignore[misc]
    """Read the folder strictly and store what it says."""

    required_params = ("calculation",)

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        from .collecting import store_folder

        calculation = Calculation.from_dict(self["calculation"])
        with open_store(fw_spec) as store:
            return FWAction(stored_data=store_folder(calculation, store, Path.cwd()))


@explicit_serialize
class SubtractDensities(FiretaskBase):  # type: ignore[misc]
    """Subtract the densities of fragments from that of the whole and store the difference."""

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
