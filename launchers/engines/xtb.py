"""GFN1-xTB and GFN2-xTB through tblite, warm-started from step to step."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from ...structures.errors import EngineError
from ...structures.gaps import widest_gap
from .levels import electronic_entropy, fermi_occupation, find_fermi_level
from .orbitals import parameters
from .poscars import Poscar
from .potentials import N_ORBITALS, Evaluation, FloatArray, ScfCycle
from .spins import breaks_symmetry, magnetic_start, moment_report, unpaired_electrons
from .tags import Settings, wants_densities

if TYPE_CHECKING:
    from .wavefunctions import Wavefunction


MIN_GAP = 9.5  # Bohr, 5 Angstrom: what must be empty around a molecule in a box

_COOLING = (4.0, 2.0, 1.0)  # times SIGMA
_FIRST_OF_L = {0: 0, 1: 1, 2: 4}  # column of the first orbital of s, p, d


class XtbPotential:
    """One calculator and its last wavefunction, for one set of atoms.

    Parameters
    ----------
    poscar
        Atoms and cell; periodic in all directions, or in none where IDIPOL = 4 or LMONO says so.
    settings
        NELM, EDIFF, SIGMA, ISPIN, NUPDOWN and MAGMOM are used.
    charge
        Total charge in e, an integer: tblite silently rounds any other.
    method
        GFN1-xTB or GFN2-xTB.
    """

    def __init__(self, poscar: Poscar, settings: Settings, charge: int, method: str) -> None:
        # Two OpenMP threads were slower than one at these sizes (measured, 60 atoms).
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        from tblite.interface import Calculator

        self._settings = settings
        self._method = method
        self._symbols = poscar.symbols
        self._centres = poscar.positions / Bohr
        self._numbers = np.array([atomic_numbers[s] for s in poscar.symbols])
        self._lattice = poscar.lattice / Bohr
        self._is_isolated = settings.is_isolated
        self._kt = settings.sigma
        self._log: list[str] = []
        self._result: Any = None  # tblite's Result, reused as the next start
        self.n_unpaired = 0
        with _engine_errors(poscar):
            self._calculator = Calculator(
                method,
                self._numbers,
                self._placed(poscar.positions),
                charge,
                None,
                None if self._is_isolated else self._lattice,
                None if self._is_isolated else np.array([True] * 3),
                color=False,
                logger=self._log.append,
            )
            self._calculator.set("temperature", settings.sigma / Hartree)
            # 1.0 converges energies to 1e-7 eV but forces to 1e-4 eV/A only (46 atoms);
            # 0.1, at VASP presets' EDIFF = 1e-5, gives 1e-5 eV/A for 10 % more time.
            self._calculator.set("accuracy", float(np.clip(settings.ediff / 1e-4, 1e-3, 1.0)))
            self._calculator.set("save-integrals", 1)
            if settings.ispin == 2:
                self._calculator.add("spin-polarization", 1.0)
        self._columns = self._orbital_columns()
        self._settle_spin(settings, charge, method)

    def _settle_spin(self, settings: Settings, charge: int, method: str) -> None:
        """Set the number of unpaired electrons, which tblite keeps fixed."""
        n_electrons = valence_electrons(self._numbers, method) - charge
        wanted = n_electrons % 2
        if settings.ispin == 2:
            wanted = unpaired_electrons(settings, n_electrons)
        self.n_unpaired = wanted
        self.n_electrons = n_electrons
        self._calculator.update(uhf=wanted)

    def _orbital_columns(self) -> NDArray[np.int_]:
        """Return atom * 9 + orbital for each basis function, (n_basis,)."""
        shell_of = self._calculator.get("orbital-map")
        atom_of = self._calculator.get("shell-map")
        l_of = self._calculator.get("angular-momenta")
        columns, seen = [], -1
        offset = 0
        for shell in shell_of:
            offset = 0 if shell != seen else offset + 1
            seen = shell
            columns.append(atom_of[shell] * N_ORBITALS + _FIRST_OF_L[int(l_of[shell])] + offset)
        return np.array(columns)

    def _placed(self, positions: FloatArray) -> FloatArray:
        """Return positions in Bohr; those of an isolated molecule in one piece."""
        in_bohr: FloatArray = positions / Bohr
        return in_one_piece(in_bohr, self._lattice) if self._is_isolated else in_bohr

    def evaluate(self, positions: FloatArray) -> Evaluation:
        """Return energies, forces and levels for positions (n_atoms, 3) in Angstrom."""
        cell = None if self._is_isolated else self._lattice
        placed = self._placed(positions)
        self._calculator.update(placed, cell)
        # A molecule in one piece has been moved as a whole: back to where the POSCAR has it.
        self._centres = placed + (positions[0] / Bohr - placed[0])
        self._run()
        result = self._result
        occupations = np.atleast_2d(result.get("orbital-occupations"))
        levels = np.atleast_2d(result.get("orbital-energies")) * Hartree
        volume = abs(np.linalg.det(self._lattice)) * Bohr**3
        entropy = self._entropy(levels)
        per_level = 3 - len(levels)
        return Evaluation(
            free_energy=float(result.get("energy")) * Hartree,
            entropy_term=self._kt * entropy,
            forces=-np.array(result.get("gradient")) * (Hartree / Bohr),
            stress=np.array(result.get("virial")) * Hartree / volume,
            eigenvalues=levels[:, None],
            occupations=occupations[:, None] / per_level,
            fermi_level=find_fermi_level(
                np.tile(levels, (per_level, 1)), float(occupations.sum()), self._kt
            ),
            weights=self._weights(len(positions))[:, None],
            charges=np.array(result.get("charges")),
            cycles=self._cycles(),
        )

    def write_densities(self, folder: Path, head: str) -> dict[str, Any]:
        """Write the density files that INCAR asks for, of the last positions."""
        if not wants_densities(self._settings):
            return {}
        from .densities import write_densities  # numba is slow to import

        return write_densities(self._wavefunction(), self._method, self._settings, folder, head)

    def _wavefunction(self) -> "Wavefunction":
        """Return the orbitals of the last evaluation, with centres as in the POSCAR."""
        from .orbitals import element_shells
        from .wavefunctions import Wavefunction

        result = self._result
        coefficients = np.array(result.get("orbital-coefficients"))
        return Wavefunction(
            symbols=self._symbols,
            shells=tuple(element_shells(symbol, self._method) for symbol in self._symbols),
            centres=self._centres,
            lattice=self._lattice,
            is_periodic=not self._is_isolated,
            coefficients=coefficients.reshape((-1, *coefficients.shape[-2:])),
            occupations=np.atleast_2d(result.get("orbital-occupations")),
        )

    def _run(self) -> None:
        """Run the self-consistent field; if it fails, from scratch, and then damped as well."""
        from tblite.exceptions import TBLiteRuntimeError

        amix = self._settings.amix
        attempts = [(self._result, amix), (None, amix), (None, amix / 4)]
        if self._result is None:
            attempts.pop(0)
        failure: TBLiteRuntimeError | None = None
        for last, damping in attempts:
            self._calculator.set("mixer-damping", damping)
            start = self._fresh_start() if last is None else last
            self._calculator.set("max-iter", self._settings.nelm)
            self._log.clear()
            try:
                self._result = self._calculator.singlepoint(start)
            except TBLiteRuntimeError as error:
                self._result, failure = None, error
            else:
                if last is None and breaks_symmetry(self._settings):
                    self._keep_signs(damping / 2)
                return
        try:
            self._result = self._cooled(amix / 2)
        except TBLiteRuntimeError as error:
            self._result = None
            raise EngineError(
                f"tblite: {error}, from a fresh start, with a quarter of AMIX and cooled from four "
                "times SIGMA as well. Check the geometry or raise SIGMA."
            ) from failure

    def _cooled(self, damping: float) -> Any:
        """Return the state that is reached from a smearing of four times SIGMA, step by step.

        Radicals beside a metal's open shell swing between two fillings at the wanted smearing;
        from above they settle, often in the lower one of two states.
        """
        self._calculator.set("mixer-damping", damping)
        result = self._fresh_start()
        try:
            for factor in _COOLING:
                self._calculator.set("temperature", factor * self._kt / Hartree)
                self._calculator.set("max-iter", 2 * self._settings.nelm)
                self._log.clear()
                result = self._calculator.singlepoint(result)
        finally:
            self._calculator.set("temperature", self._kt / Hartree)
            self._calculator.set("max-iter", self._settings.nelm)
        return result

    def _keep_signs(self, damping: float) -> None:
        """Where signs of MAGMOM were lost on the way, try once more; else keep the lower state."""
        from tblite.exceptions import TBLiteRuntimeError

        if not self._lost_signs():
            return
        first, log = self._result, list(self._log)
        start = self._fresh_start()
        self._calculator.set("mixer-damping", damping)
        self._calculator.set("max-iter", self._settings.nelm)
        self._log.clear()
        try:
            self._result = self._calculator.singlepoint(start)
        except TBLiteRuntimeError:
            is_better = False
        else:
            is_lower = float(self._result.get("energy")) < float(first.get("energy"))
            is_better = is_lower or not self._lost_signs()
        if not is_better:
            self._result, self._log[:] = first, log

    def _lost_signs(self) -> list[str]:
        """Return the atoms whose moment has not the sign that MAGMOM gave it."""
        occupations = np.atleast_2d(self._result.get("orbital-occupations"))
        weights = self._weights(len(self._symbols))
        up, down = np.einsum("sb,saob->sa", occupations, weights)
        report = moment_report(self._symbols, self._settings.magmom, up - down)
        lost: list[str] = report.get("lost", [])
        return lost

    def _fresh_start(self) -> Any:
        """Return where the wavefunction starts: tblite's own guess, or the signs of MAGMOM."""
        if not breaks_symmetry(self._settings):
            return None
        return magnetic_start(self._calculator, self._settings.magmom or ())

    def _entropy(self, levels: FloatArray) -> float:
        """Return S/k; each spin channel has its own Fermi level, as in tblite."""
        n_up = (self.n_electrons + self.n_unpaired) / 2
        entropy = 0.0
        for channel, n_filled in ((levels[0], n_up), (levels[-1], self.n_electrons - n_up)):
            mu = find_fermi_level(channel, n_filled, self._kt)
            entropy += electronic_entropy(fermi_occupation((channel - mu) / self._kt))
        return entropy

    def _weights(self, n_atoms: int) -> FloatArray:
        """Return Mulliken weights C * (S C) summed per atom and orbital."""
        result = self._result
        coefficients = np.array(result.get("orbital-coefficients"))
        coefficients = coefficients.reshape((-1, *coefficients.shape[-2:]))
        overlap = np.array(result.get("overlap-matrix"))
        weights = np.zeros((len(coefficients), n_atoms * N_ORBITALS, coefficients.shape[-1]))
        for spin, c in enumerate(coefficients):
            np.add.at(weights[spin], self._columns, c * (overlap @ c))
        return weights.reshape(len(coefficients), n_atoms, N_ORBITALS, -1)

    def _cycles(self) -> tuple[ScfCycle, ...]:
        """Return the cycles from tblite's log: number, energy, change, density error."""
        rows = [line.split() for line in self._log]
        cycles = [
            ScfCycle(
                energy=float(row[1]) * Hartree,
                change=float(row[2]) * Hartree,
                density_error=float(row[3]),
            )
            for row in rows
            if len(row) == 4 and row[0].isdigit()
        ]
        if not cycles:
            raise EngineError(
                "tblite printed no self-consistent cycles; its log format has changed"
            )
        return tuple(cycles)


def in_one_piece(positions: FloatArray, lattice: FloatArray) -> FloatArray:
    """Return a molecule's positions with no atom on the far side of its box.

    Parameters
    ----------
    positions, lattice
        (n_atoms, 3) and (3, 3), lattice vectors are rows, in one unit.

    Raises
    ------
    EngineError
        Along an axis no stretch of MIN_GAP Bohr is empty: it is no molecule in a box.

    Examples
    --------
    >>> pair = np.array([[0.5, 0.0, 0.0], [29.5, 0.0, 0.0]])
    >>> round(float(np.ptp(in_one_piece(pair, 30.0 * np.eye(3))[:, 0])), 9)
    1.0
    """
    fractions = positions @ np.linalg.inv(lattice)
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    for axis in range(3):
        gap = widest_gap(fractions[:, axis])
        if gap.width * heights[axis] < MIN_GAP:
            raise EngineError(
                f"INCAR: IDIPOL = 4 or LMONO asks for a molecule in a box, but only "
                f"{gap.width * heights[axis] * Bohr:.1f} Angstrom are empty along axis "
                f"{axis + 1}; {MIN_GAP * Bohr:.1f} are wanted. Enlarge the box, or drop the tag."
            )
        fractions[:, axis] = gap.unfolded(fractions[:, axis])
    return fractions @ lattice


def valence_electrons(numbers: NDArray[np.int_], method: str) -> int:
    """Return the electrons of neutral atoms that the method treats.

    Examples
    --------
    >>> valence_electrons(np.array([42, 16, 16]), "GFN1-xTB")  # MoS2: 6 + 6 + 6
    18
    """
    elements = parameters(method)
    missing = {chemical_symbols[z] for z in numbers} - set(elements)
    if missing:
        raise EngineError(f"{method} has no parameters for {', '.join(sorted(missing))}")
    return round(sum(sum(elements[chemical_symbols[z]]["refocc"]) for z in numbers))


@contextlib.contextmanager
def _engine_errors(poscar: Poscar) -> Iterator[None]:
    """Turn tblite's complaints about elements and geometry into ours."""
    from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError

    try:
        yield
    except (TBLiteRuntimeError, TBLiteValueError) as error:
        names = " ".join(dict.fromkeys(poscar.symbols))
        raise EngineError(f"tblite cannot treat {names} in this cell: {error}") from error
