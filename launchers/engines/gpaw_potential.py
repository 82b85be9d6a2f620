"""GPAW as a calculator bound to one set of atoms, cell, charge and spin."""

import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import Hartree

from ...structures.errors import EngineError
from . import gpaw_checkpoints as checkpoints
from .folder import RunFolder
from .gpaw_cells import Placement, open_axes, placement
from .gpaw_dispersion import Dispersion, dispersion_of
from .gpaw_input import Mixing, ladder, starting_moments, with_grid
from .gpaw_isolated import without_images
from .gpaw_levels import weights
from .gpaw_moves import take_along
from .poscars import Poscar
from .potentials import Evaluation, FloatArray, KPoints, ScfCycle
from .stopping import Interrupted, Stopper
from .tags import wants_densities, wants_potential

# Going on from a field that has not converged costs it one cycle (HF, LCAO and plane waves).
SAVE_EVERY_S = 600.0
WORTH_KEEPING_S = 30.0  # of a field that a signal ends; whoever sends it waits half a minute


class GpawPotential:
    """One geometry after the other, each from the density and wave functions of the one before.

    Parameters
    ----------
    run
        The checked folder.
    poscar
        The geometry, or image, to begin with.
    folder
        Of the run, or of the image: GPAW's log and the checkpoint are kept here.
    parameters
        GPAW's, all but the mixer; see `calculator_parameters`.
    stopper
        Lets signals act between two cycles.
    """

    def __init__(
        self,
        run: RunFolder,
        poscar: Poscar,
        folder: Path,
        parameters: Mapping[str, Any],
        stopper: Stopper,
    ) -> None:
        self._run = run
        self._poscar = poscar
        self._folder = folder
        self._stopper = stopper
        self._saved_at = time.monotonic()  # or when the field began
        axes = open_axes(run.settings)
        self._periodic = (0 not in axes, 1 not in axes, 2 not in axes)
        self._dispersion: Dispersion | None = dispersion_of(
            run.settings, dict(run.tags), poscar.symbols, poscar.lattice, self._periodic
        )
        self._parameters, grid = with_grid(parameters, poscar.lattice, axes)
        self._asked = repr(sorted(self._parameters.items()))
        self.placement: Placement = placement(poscar.fractional, poscar.lattice, axes, grid)
        self._ladder = list(ladder(run))
        self.calculator: Any = None

    def evaluate(self, positions: FloatArray) -> Evaluation:
        """Return energies, forces and levels for positions (n_atoms, 3) in Angstrom."""
        self._saved_at = time.monotonic()
        with without_images():
            if self.calculator is None and (
                found := checkpoints.usable(self._folder, self._identity())
            ):
                self._restore(found[0], np.array(found[1]))
            atoms = self._atoms(positions)
            cycles, remarks = self._converge(atoms)
        calculator = self.calculator
        forces = calculator.get_forces()
        energy = float(calculator.get_potential_energy())
        free_energy = float(calculator.get_potential_energy(force_consistent=True))
        if self._dispersion is not None:
            more, pull = self._dispersion.evaluate(atoms.positions)
            energy, free_energy, forces = energy + more, free_energy + more, forces + pull
        # Grids pull at all atoms together, and a relaxation would drift: taken off, as VASP does.
        forces = forces - forces.mean(axis=0)
        if not (np.isfinite(forces).all() and np.isfinite(free_energy)):
            raise EngineError(f"GPAW: energy or forces are not finite; see {self._log}")
        if not self._run.settings.is_static:
            self._save()
        order = max(0, self._run.settings.ismear)
        shares = weights(calculator.dft)
        occupations = calculator.occupations()
        points = KPoints(
            points=np.array(calculator.get_ibz_k_points(), dtype=float),
            weights=np.array(calculator.get_k_point_weights(), dtype=float),
            mesh=self._run.kpoints.mesh,
            shift=self._run.kpoints.shift,
            style=self._run.kpoints.style,
            source=self._run.kpoints.source,
        )
        eigenvalues = calculator.eigenvalues()
        return Evaluation(
            free_energy=free_energy,
            entropy_term=(order + 2) * (energy - free_energy),
            forces=forces,
            stress=None,
            eigenvalues=eigenvalues,
            occupations=occupations,
            fermi_level=_fermi_level(calculator.dft.ibzwfs.fermi_levels, eigenvalues),
            weights=shares,
            charges=self._charges(shares, occupations, points.weights),
            cycles=cycles,
            kpoints=points,
            order=order,
            remarks=remarks,
        )

    def write_densities(self, folder: Path, head: str) -> dict[str, Any]:
        """Write the files on grids that INCAR asks for, of the last positions."""
        settings = self._run.settings
        if not (wants_densities(settings) or wants_potential(settings)):
            return {}
        from .gpaw_densities import write_densities

        return write_densities(self.calculator, self.placement, settings, folder, head)

    @property
    def _log(self) -> Path:
        return self._folder / "gpaw.log"

    def _atoms(self, positions: FloatArray) -> Any:
        """Return the atoms as GPAW computes them, in the middle of an open cell."""
        from ase import Atoms

        lattice = self._poscar.lattice
        fractional = positions @ np.linalg.inv(lattice)
        atoms = Atoms(
            self._poscar.symbols,
            cell=lattice,
            pbc=self._periodic,
            scaled_positions=self.placement.positions(fractional),
        )
        # ASE would fold positions of periodic directions back into the cell.
        atoms.positions = self.placement.positions(fractional) @ lattice
        atoms.set_initial_magnetic_moments(starting_moments(self._run.settings, len(atoms)))
        return atoms

    def _converge(self, atoms: Any) -> tuple[tuple[ScfCycle, ...], tuple[str, ...]]:
        """Converge the self-consistent field, more patiently where it does not come.

        Returns
        -------
        tuple
            The cycles of the try that converged, and a remark about each one that did not.
        """
        from gpaw import ConvergenceError
        from gpaw.new.symmetry import SymmetryAnalysisBug

        failures: list[str] = []
        while True:
            mixing = self._ladder[0]
            cycles: list[ScfCycle] = []
            try:
                if self.calculator is None:
                    self.calculator = self._fresh(mixing)
                else:
                    take_along(self.calculator, atoms)
                for context in self.calculator.iconverge(atoms, need_wfs=True):
                    cycles.append(_cycle(context, cycles))
                    self._look_up()
            except SymmetryAnalysisBug:
                # Within GPAW's tolerance are some operations, but not all products of them.
                self._leave_symmetry(failures)
            except (ConvergenceError, ValueError, RuntimeError, NotImplementedError) as error:
                # What breaks off a field under way, such as NaN, is a field that does not converge.
                if not cycles and not isinstance(error, ConvergenceError):
                    raise EngineError(
                        f"GPAW: {type(error).__name__}: {error}. Check the geometry and the cell; "
                        f"its log is {self._log}."
                    ) from error
                self.calculator = None
                _say(
                    failures,
                    f"no convergence in {len(cycles)} cycles ({mixing}): "
                    f"{error or type(error).__name__}",
                )
                if len(self._ladder) == 1:
                    raise EngineError(
                        f"GPAW: {'; '.join(failures)}. Check the geometry, raise SIGMA or NELM, "
                        f"or set a smaller AMIX. GPAW's log is {self._log}."
                    ) from error
                self._ladder.pop(0)  # later geometries of this run begin with what worked
            else:
                return tuple(cycles) or (self._stored_cycle(),), tuple(failures)

    def _leave_symmetry(self, remarks: list[str]) -> None:
        """Compute all k-points from here on: atoms that are symmetric by halves."""
        self.calculator = None
        self._parameters["symmetry"] = {"point_group": False}
        _say(remarks, "the atoms are symmetric up to GPAW's tolerance only: all k-points computed")

    def _look_up(self) -> None:
        """Between two cycles let a signal end the run; keep what a long field has come to.

        Raises
        ------
        Interrupted
            A signal has come.
        """
        seconds = time.monotonic() - self._saved_at
        try:
            self._stopper.act_on_signals()
        except Interrupted:
            if seconds > WORTH_KEEPING_S:
                self._save()
            raise
        if seconds > SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        """Write the checkpoint of the field as it stands, converged or not."""
        shift = self.placement.shift.tolist()
        checkpoints.save(self.calculator, self._folder, self._identity(), shift)
        self._saved_at = time.monotonic()

    def _fresh(self, mixing: Mixing) -> Any:
        from gpaw import GPAW

        return GPAW(**self._parameters, mixer=mixing.parameters, txt=self._log)

    def _restore(self, path: Path, shift: FloatArray) -> None:
        """Go on from GPAW as it stood when the checkpoint was written, after a step or within one.

        One that GPAW does not read, as of PAW data that are gone, costs the field, not the run.
        """
        from gpaw import GPAW

        try:
            self.calculator = GPAW(path, txt=self._log)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
            sys.stderr.write(
                f"heterofire engine gpaw: note: {path} cannot be read ({type(error).__name__}: "
                f"{error}); starting afresh\n"
            )
            return
        sys.stderr.write(f"heterofire engine gpaw: note: going on from {path.name}\n")
        self.placement = self.placement.moved_as(shift)

    def _stored_cycle(self) -> ScfCycle:
        """Return the one cycle of a geometry that the checkpoint already holds."""
        energy = float(self.calculator.get_potential_energy(force_consistent=True))
        return ScfCycle(energy=energy, change=0.0, density_error=0.0)

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must have in common with this run."""
        return {
            "gpaw": version("gpaw"),
            "parameters": self._asked,
            **({"AMIX": self._run.settings.amix} if "AMIX" in self._run.tags else {}),
            "symbols": list(self._poscar.symbols),
            "lattice": np.round(self._poscar.lattice, 9).tolist(),
            "moments": starting_moments(self._run.settings, len(self._poscar.symbols)).tolist(),
        }

    def _charges(
        self, shares: FloatArray, occupations: FloatArray, point_weights: FloatArray
    ) -> FloatArray:
        """Return the charge of each atom in e: valence electrons less those of its orbitals."""
        per_level = 3 - len(occupations)
        electrons = per_level * np.einsum(
            "skb,skaob,k->a", occupations, shares, point_weights, optimize=True
        )
        valences = np.array([setup.Nv for setup in self.calculator.setups], dtype=float)
        charges: FloatArray = valences - electrons
        return charges


def _say(remarks: list[str], remark: str) -> None:
    remarks.append(remark)
    sys.stderr.write(f"heterofire engine gpaw: note: {remark}\n")


def _cycle(context: Any, before: list[ScfCycle]) -> ScfCycle:
    energy = float(context.energies.total_free) * Hartree
    error = float(context.dens.error)
    return ScfCycle(
        energy=energy,
        change=energy - before[-1].energy if before else energy,
        density_error=error if np.isfinite(error) else 0.0,
    )


def _fermi_level(levels: Any, eigenvalues: FloatArray) -> float:
    """Return the Fermi level in eV, of both spins in the middle; levels are in Hartree.

    GPAW has none where all levels of a spin are filled, as of a noble gas: then it is that of the
    other spin, or the highest level.
    """
    finite = np.asarray(levels, dtype=float)[np.isfinite(levels)]
    return float(finite.mean()) * Hartree if finite.size else float(eigenvalues.max())
