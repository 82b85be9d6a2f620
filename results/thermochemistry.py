"""What the motion of the nuclei adds to an energy: zero point, heat, entropy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units

from ..structures.errors import RunError
from .molecules import free_molecule
from .records import Floats, Run, Vibrations
from .requests import VibrationRequest
from .values import Value

ROOM = 298.15  # K
FLOOR_MEV = 12.0  # about 100 1/cm
LARGEST_IMAGINARY = 50.0  # 1/cm; what the noise of forces can make of a soft mode
_PASCAL_PER_BAR = 1e5
_AT_REST = 0.1  # eV/Angstrom; the loosest EDIFFG of a preset


@dataclass(frozen=True, kw_only=True)
class Thermochemistry:
    """What the nuclei add to an energy at one temperature, in eV and eV/K."""

    temperature_kelvin: float
    zpe: float
    internal_energy: float  # U above the bottom of the well, zero point included
    entropy: float
    vibrational_free_energy: float  # Helmholtz, of the vibrations alone
    free_energy: float  # what to add to E: F of an adsorbate, G of an ideal gas
    energies: tuple[float, ...]  # of the modes as used
    imaginary: tuple[float, ...]  # 1/cm; raised to the floor, or the way over a saddle
    notes: tuple[str, ...]

    @property
    def minus_ts(self) -> float:
        """Return -TS in eV."""
        return -self.temperature_kelvin * self.entropy


def zero_point_energy(energies: Floats) -> float:
    """Return half the sum of the mode energies.

    Examples
    --------
    >>> zero_point_energy(np.array([0.25, 0.5]))
    0.375
    """
    return float(energies.sum() / 2)


def vibrational_energy(energies: Floats, temperature: float) -> float:
    """Return the internal energy of harmonic modes in eV, zero point included.

    Parameters
    ----------
    energies
        (n,) in eV, all positive.
    temperature
        K, not negative.
    """
    heat = 0.0
    if temperature > 0:
        with np.errstate(over="ignore"):  # a frozen mode: exp overflows, its share is zero
            heat = float((energies / np.expm1(energies / (units.kB * temperature))).sum())
    return zero_point_energy(energies) + heat


def vibrational_free_energy(energies: Floats, temperature: float) -> float:
    """Return the sum of e/2 + kT ln(1 - exp(-e/kT)) over harmonic modes, in eV.

    Parameters
    ----------
    energies, temperature
        See `vibrational_energy`.

    Examples
    --------
    >>> round(vibrational_free_energy(np.array([0.0257]), 298.15), 4)
    0.0011
    """
    heat = 0.0
    if temperature > 0:
        kt = units.kB * temperature
        heat = kt * float(np.log1p(-np.exp(-energies / kt)).sum())
    return zero_point_energy(energies) + heat


def vibrational_entropy(energies: Floats, temperature: float) -> float:
    """Return the entropy of harmonic modes in eV/K, zero at 0 K; see `vibrational_energy`."""
    if temperature == 0:
        return 0.0
    heat = vibrational_energy(energies, temperature)
    return (heat - vibrational_free_energy(energies, temperature)) / temperature


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """Modes that the harmonic formulas can take."""

    energies: Floats  # eV, positive
    imaginary: tuple[float, ...]  # 1/cm
    notes: tuple[str, ...]


def settle_modes(
    wavenumbers: Sequence[float] | Floats, *, floor_mev: float = FLOOR_MEV, is_saddle: bool = False
) -> _Settled:
    """Return mode energies fit for the harmonic formulas, and what was done to them.

    The entropy of a soft mode grows without bound as its frequency goes to zero, and its frequency
    is the least certain: modes below the floor are raised to it, as by Ribeiro, Marenich, Cramer
    and Truhlar, J. Phys. Chem. B 115 (2011) 14556, there to 100 1/cm.

    Parameters
    ----------
    wavenumbers
        1/cm, imaginary ones negative.
    floor_mev
        0 leaves soft modes as they are.
    is_saddle
        One mode must be imaginary by more than 50 1/cm; it is the way over, and left out.

    Raises
    ------
    RunError
        A mode is imaginary by more than 50 1/cm where none may be, or none is at a saddle; or an
        imaginary mode cannot be raised, since the floor is 0.

    Examples
    --------
    >>> settled = settle_modes([1600.0, 40.0])
    >>> settled.energies.round(3).tolist(), settled.notes
    ([0.198, 0.012], ('mode of 40 1/cm raised to 12 meV (96.8 1/cm)',))
    """
    found = np.asarray(wavenumbers, dtype=np.float64)
    over = found < -LARGEST_IMAGINARY
    _check_imaginary(found[over], is_saddle=is_saddle)
    kept = np.sort(found[~over])[::-1]
    energies = kept * units.invcm
    soft = (energies < floor_mev / 1000) | (kept <= 0)
    if floor_mev <= 0 and soft.any():
        raise RunError(
            f"modes of {_listed(kept[soft])} have no finite entropy. Give a floor above 0 meV, or "
            "relax further."
        )
    floor_cm = floor_mev / 1000 / units.invcm
    notes = [
        f"mode of {_listed([wavenumber])} raised to {floor_mev:g} meV ({floor_cm:.1f} 1/cm)"
        for wavenumber in kept[soft]
    ]
    notes += [
        f"mode of {_listed([wavenumber])} is the way over and left out"
        for wavenumber in found[over]
    ]
    return _Settled(
        energies=np.where(soft, floor_mev / 1000, energies),
        imaginary=tuple(sorted((-float(w) for w in found if w < 0), reverse=True)),
        notes=tuple(notes),
    )


def _check_imaginary(over: Floats, *, is_saddle: bool) -> None:
    """Refuse a minimum that is none, and a saddle that is none or more than one."""
    if len(over) == is_saddle:
        return
    if is_saddle:
        raise RunError(
            f"{len(over)} modes are imaginary by more than {LARGEST_IMAGINARY:g} 1/cm, a saddle "
            "point has one. Converge the climbing image further, or check its path."
        )
    raise RunError(
        f"no minimum: imaginary modes of {_listed(over)}, more than {LARGEST_IMAGINARY:g}i 1/cm. "
        "Displace the atoms along the mode and relax again, or relax with a smaller EDIFFG."
    )


def _listed(wavenumbers: Sequence[float] | Floats) -> str:
    """Return wavenumbers as text, imaginary ones with an i.

    Examples
    --------
    >>> _listed([-75.8, 40.0])
    '75.8i, 40 1/cm'
    """
    words = [f"{abs(w):.1f}".removesuffix(".0") + ("i" if w < 0 else "") for w in wavenumbers]
    return f"{', '.join(words)} 1/cm"


def adsorbate_thermochemistry(
    vibrations: Vibrations,
    *,
    temperature: float = ROOM,
    floor_mev: float = FLOOR_MEV,
    is_saddle: bool = False,
) -> Thermochemistry:
    """Return what harmonic modes add to an energy; every free coordinate vibrates.

    Parameters
    ----------
    vibrations
        Of the atoms that were free to move.
    temperature
        K.
    floor_mev, is_saddle
        See `settle_modes`, also for what is raised.
    """
    settled = settle_modes(vibrations.wavenumbers, floor_mev=floor_mev, is_saddle=is_saddle)
    energies = settled.energies
    free_energy = vibrational_free_energy(energies, temperature)
    return Thermochemistry(
        temperature_kelvin=temperature,
        zpe=zero_point_energy(energies),
        internal_energy=vibrational_energy(energies, temperature),
        entropy=vibrational_entropy(energies, temperature),
        vibrational_free_energy=free_energy,
        free_energy=free_energy,
        energies=tuple(energies.tolist()),
        imaginary=settled.imaginary,
        notes=("harmonic modes of the atoms that were free to move", *settled.notes),
    )


def molecule_thermochemistry(
    run: Run,
    *,
    temperature: float = ROOM,
    pressure_bar: float = 1.0,
    symmetry_number: int | None = None,
    floor_mev: float = FLOOR_MEV,
) -> Thermochemistry:
    """Return what the nuclei of a molecule add to its energy in an ideal gas.

    Parameters
    ----------
    run
        Of the whole molecule, every atom free; a static run of a single atom.
    temperature
        K, above 0.
    pressure_bar
        Of the gas.
    symmetry_number
        From the geometry when None.
    floor_mev
        See `settle_modes`.
    """
    from ase.thermochemistry import IdealGasThermo  # takes 0.3 s, and few runs need it

    if temperature <= 0:
        raise RunError(f"an ideal gas at {temperature:g} K: give a temperature above 0 K.")
    molecule = free_molecule(run.structure, run.vibrations)
    settled = settle_modes(molecule.wavenumbers, floor_mev=floor_mev)
    sigma = symmetry_number or molecule.symmetry_number
    spin, spin_note = _spin(run)
    gas = IdealGasThermo(
        vib_energies=settled.energies.tolist(),
        geometry=molecule.shape,
        atoms=molecule.atoms,
        symmetrynumber=sigma,
        spin=spin,
    )
    entropy = gas.get_entropy(temperature, pressure_bar * _PASCAL_PER_BAR, verbose=False)
    enthalpy = gas.get_enthalpy(temperature, verbose=False)
    about = (
        f"ideal gas at {pressure_bar:g} bar: {molecule.shape}, symmetry number {sigma}, "
        f"spin {spin:g}{spin_note}"
    )
    return Thermochemistry(
        temperature_kelvin=temperature,
        zpe=zero_point_energy(settled.energies),
        internal_energy=float(gas.get_internal_energy(temperature, verbose=False)),
        entropy=float(entropy),
        vibrational_free_energy=vibrational_free_energy(settled.energies, temperature),
        free_energy=float(enthalpy - temperature * entropy),
        energies=tuple(settled.energies.tolist()),
        imaginary=settled.imaginary,
        notes=(about, "F_vib is that of the vibrations alone", *settled.notes),
    )


def _spin(run: Run) -> tuple[float, str]:
    """Return the total spin, and a remark where the run did not tell."""
    if run.magnetization is not None:
        return round(abs(run.magnetization)) / 2, ""
    is_odd = round(run.n_electrons) % 2 == 1
    return (0.5, " (odd number of electrons, computed without spin)") if is_odd else (0.0, "")


def is_molecule(run: Run) -> bool:
    """Return whether every atom was free: then there is nothing that it is adsorbed on."""
    flags = run.initial_structure.site_properties.get("selective_dynamics")
    return flags is None or bool(np.all(flags))


def _thermochemistry(run: Run, request: VibrationRequest) -> Thermochemistry:
    """Return what the nuclei add, by the formulas that fit the run."""
    temperature, floor_mev = request.temperature_kelvin, request.floor_mev
    if is_molecule(run) and not request.is_saddle:
        return molecule_thermochemistry(
            run,
            temperature=temperature,
            pressure_bar=request.pressure_bar,
            symmetry_number=request.symmetry_number,
            floor_mev=floor_mev,
        )
    if is_molecule(run):
        raise RunError("a saddle point is taken for that of an adsorbate: hold the other atoms.")
    if run.vibrations is None:
        raise RunError("it has no vibrations. Run it as task vibrations.")
    return adsorbate_thermochemistry(
        run.vibrations, temperature=temperature, floor_mev=floor_mev, is_saddle=request.is_saddle
    )


def vibration_values(run: Run, request: VibrationRequest) -> list[Value]:
    """Return zero-point energy, -TS and vibrational free energy of an adsorbate or a molecule.

    Raises
    ------
    RunError
        The run has no vibrations, or is no minimum.
    """
    try:
        found = _thermochemistry(run, request)
    except RunError as error:
        raise RunError(f"{run.folder}: {error}") from error
    notes = found.notes
    if run.max_force > _AT_REST:
        notes += (f"not at rest: largest force {run.max_force:.2f} eV/Angstrom",)
    detail = {
        "temperature_K": found.temperature_kelvin,
        "internal_energy_ev": found.internal_energy,
        "entropy_ev_per_K": found.entropy,
        "free_energy_ev": found.free_energy,
        "modes_mev": [1000 * energy for energy in found.energies],
        "imaginary_per_cm": list(found.imaginary),
    }
    numbers = {
        "ZPE": found.zpe,
        "-TS": found.minus_ts,
        "F_vib": found.vibrational_free_energy,
    }
    reference = f"{found.temperature_kelvin:g} K"
    return [
        Value(
            quantity=quantity,
            unit="eV",
            value=value,
            reference=reference,
            detail=detail,
            notes=notes,
        )
        for quantity, value in numbers.items()
    ]
