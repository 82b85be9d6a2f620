"""GPAW as an engine: mode, data sets, charge, spin and notes of a run folder."""

import os
from dataclasses import replace
from importlib import metadata, util
from pathlib import Path
from typing import Any

from ...structures.errors import EngineError
from .electrons import check_moments, refuse_charged_cell, total_charge
from .folder import RunFolder
from .gpaw_checkpoints import FILES
from .gpaw_input import calculator_parameters, has_fixed_moment, ladder
from .gpaw_methods import chosen_basis, functional, method_name
from .gpaw_potential import GpawPotential
from .levels import KB_EV
from .poscars import Poscar
from .spins import check_electrons
from .stopping import Stopper

_SMEARING = {-1: "Fermi", 0: "Gaussian", -5: "tetrahedron", -4: "tetrahedron without Bloechl"}
_DISPERSION = {0: "none", 11: "D3(zero)", 12: "D3(BJ)"}
MIN_CYCLES = 150  # of each try; VASP's 60 are cycles of another kind


class GpawEngine:
    """Projector-augmented waves in GPAW, real-space LCAO or plane waves.

    Parameters
    ----------
    run
        The checked folder.

    Raises
    ------
    EngineError
        GPAW is not installed, has no data for an element, or several processes were started.
    """

    name = "gpaw"
    checkpoints: tuple[str, ...] = FILES

    def __init__(self, run: RunFolder) -> None:
        if util.find_spec("gpaw") is None:
            raise EngineError(
                "GPAW is not installed in this environment: run 'heterofire setup gpaw' once."
            )
        _refuse_several_processes()
        self.version = f"gpaw {metadata.version('gpaw')}"
        self.settings = replace(run.settings, nelm=max(run.settings.nelm, MIN_CYCLES))
        self._run = replace(run, settings=self.settings)
        self.method = method_name(run.tags, chosen_basis())
        self.ismear = self.settings.ismear
        self.holds_moment = has_fixed_moment(self.settings)
        self.is_lcao = self.settings.encut is None
        self.projection = "Mulliken" if self.is_lcao else "PAW spheres"
        self.vacuum_level = 0.0 if self.settings.is_isolated else None
        charge = total_charge(run)
        refuse_charged_cell(self.settings, charge)
        self._data_sets = data_sets(run.poscar.symbols, functional(run.tags))
        neutral = sum(self._data_sets[symbol]["electrons"] for symbol in run.poscar.symbols)
        self._n_electrons = int(neutral) - charge
        check_electrons(self.settings, self._n_electrons)
        check_moments(run)
        self._charge = charge
        self._parameters = calculator_parameters(self._run, charge)

    def potential(self, poscar: Poscar, folder: Path, stopper: Stopper) -> GpawPotential:
        """Return a calculator for a geometry; its log and checkpoint go into the folder."""
        return GpawPotential(self._run, poscar, folder, self._parameters, stopper)

    def details(self) -> dict[str, Any]:
        """Return what engine.json says of the method, for what must agree between two runs."""
        return {
            "functional": functional(self._run.tags),
            "dispersion": _DISPERSION[self.settings.ivdw],
            "cutoff": self.settings.encut,
            "smearing": _SMEARING.get(self.ismear, f"Methfessel-Paxton {self.ismear}"),
            "temperature_K": round(self.settings.sigma / KB_EV, 6),
            "data_sets": self._data_sets,
        }

    def notes(self) -> dict[str, str]:
        """Return how settings were translated."""
        notes = {
            "electrons": f"{self._n_electrons} valence electrons of GPAW's data sets, total charge "
            f"{self._charge:+d} e",
            "forces": "less their mean, the drift that grids cause, as in VASP",
            "SCF": f"density mixed by {ladder(self._run)[0]}; where that fails more patiently, "
            "and engine.json says so under 'remarks'",
        }
        if self.is_lcao:
            notes["ENCUT"] = f"not given: atomic orbitals, basis {chosen_basis()}"
            notes["projections"] = "Mulliken's, which sum to 1 in each level"
        else:
            notes["projections"] = "squares of the projections onto bound partial waves"
            if "h" in self._parameters:
                step = self._parameters["h"]
                notes["PREC"] = f"densities and potentials on steps of at most {step:.3f} Angstrom"
        if self.settings.is_isolated:
            notes["periodicity"] = "none: the molecule is computed without its periodic images"
        elif self.settings.idipol in (1, 2, 3):
            notes["IDIPOL"] = (
                f"{self.settings.idipol}: no periodic images along this axis, a dipole layer in "
                "the vacuum, as LDIPOL asks for; with IDIPOL alone VASP would correct the energy "
                "only"
            )
        return notes


def data_sets(symbols: tuple[str, ...], xc: str) -> dict[str, dict[str, Any]]:
    """Return electrons and fingerprint of the PAW data set of each element.

    Raises
    ------
    EngineError
        GPAW has none for an element.
    """
    from gpaw.setup_data import SetupData

    found: dict[str, dict[str, Any]] = {}
    for symbol in dict.fromkeys(symbols):
        try:
            data = SetupData(symbol, xc, readxml=True)
        except FileNotFoundError as error:
            raise EngineError(
                f"GPAW has no {xc} data set for {symbol}: {str(error).splitlines()[0]}"
            ) from error
        found[symbol] = {"electrons": int(data.Nv), "fingerprint": data.fingerprint}
    return found


def _refuse_several_processes() -> None:
    """Refuse to be one of several MPI processes: each would write the same files."""
    for variable in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        if int(os.environ.get(variable, "1") or 1) > 1:
            raise EngineError(
                f"{variable} = {os.environ[variable]}: this engine is one process. Start it "
                "without mpirun or srun -n; several calculations at a time use the cores better."
            )
