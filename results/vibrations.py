"""Vibrations of a run: OUTCAR checked against vasprun.xml; as database columns and back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..structures.errors import RunError
from .records import Floats, Run, Vibrations

if TYPE_CHECKING:  # reading a database needs no readers of files: pymatgen is slow to import
    from .outcar import Outcar
    from .vasprun import Vasprun

_SELECTIVE = 5  # IBRION; only there selective dynamics count
_DEVIATION = 0.01  # between the two files, of the highest frequency


def checked_vibrations(vasprun: "Vasprun", outcar: "Outcar | None") -> Vibrations | None:
    """Return the vibrations of a run, None where it has none.

    Raises
    ------
    RunError
        The two files give other frequencies, or there are not as many as free coordinates.
    """
    found = None if outcar is None else outcar.vibrations
    if found is None or outcar is None:
        return None
    _check_count(vasprun, found)
    if vasprun.mode_eigenvalues is not None:
        # VASP 5 writes eV/Angstrom^2/amu and VASP 6 THz^2, so that only ratios are compared.
        roots = -np.sign(vasprun.mode_eigenvalues) * np.sqrt(np.abs(vasprun.mode_eigenvalues))
        if not _are_alike(roots, found.wavenumbers):
            raise RunError(
                f"{vasprun.path}: the eigenvalues of its dynamical matrix do not fit the "
                f"frequencies in {outcar.path.name}: the two files are not of the same run. "
                "Remove the older one and run again."
            )
    return found


def _check_count(vasprun: "Vasprun", found: Vibrations) -> None:
    """Refuse another number of modes than the run was to give."""
    everything = 3 * len(vasprun.structure)
    flags = vasprun.initial_structure.site_properties.get("selective_dynamics")
    is_selective = vasprun.parameters.get("IBRION") == _SELECTIVE
    wanted = everything if flags is None or not is_selective else int(np.sum(flags))
    if len(found.wavenumbers) != wanted:
        raise RunError(
            f"{vasprun.path}: {len(found.wavenumbers)} vibrations, but {wanted} coordinates were "
            "free to move. Run the calculation again."
        )


def _are_alike(roots: Floats, wavenumbers: Floats) -> bool:
    """Return whether two lists of frequencies differ by their unit alone."""
    if len(roots) != len(wavenumbers):
        return False
    one, other = np.sort(roots), np.sort(wavenumbers)
    squared = float(one @ one)
    scale = float(one @ other) / squared if squared else 0.0
    return bool(np.abs(scale * one - other).max() <= _DEVIATION * np.abs(other).max() + 1e-6)


def encode_vibrations(run: Run) -> dict[str, Floats]:
    """Return the arrays of a run's vibrations."""
    if run.vibrations is None:
        return {}
    return {f"vibrations.{name}": values for name, values in vars(run.vibrations).items()}


def decode_vibrations(arrays: Mapping[str, Any]) -> Vibrations | None:
    """Return the vibrations that `encode_vibrations` put away."""
    if "vibrations.wavenumbers" not in arrays:
        return None
    return Vibrations(
        wavenumbers=arrays["vibrations.wavenumbers"], vectors=arrays["vibrations.vectors"]
    )
