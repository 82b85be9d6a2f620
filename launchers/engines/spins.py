"""Unpaired electrons: how many INCAR asks for, where they start, and where they ended up."""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...structures.errors import EngineError
from .potentials import FloatArray
from .tags import Settings

_WHOLE = 0.05  # a sum of MAGMOM this near to a whole number is meant as a number of electrons
_CLEAR = 0.5  # Bohr magnetons; smaller moments, asked for or found, have no sign to speak of


def check_electrons(settings: Settings, n_electrons: int) -> None:
    """Refuse an isolated molecule or atom whose electrons and spin do not go together.

    A crystal may have an odd number of electrons in its cell: bands are filled in part. A
    molecule with one has an unpaired electron.

    Raises
    ------
    EngineError
        Names the electrons and what INCAR should say.

    Examples
    --------
    >>> check_electrons(Settings(idipol=4, ispin=2), 9)
    >>> check_electrons(Settings(idipol=4), 9)
    Traceback (most recent call last):
    ...
    heterofire.structures.errors.EngineError: INCAR: 9 valence electrons, an odd number, ...
    """
    if not settings.is_isolated:
        return
    if settings.ispin != 2:
        if n_electrons % 2:
            raise EngineError(
                f"INCAR: {n_electrons} valence electrons, an odd number, in an isolated molecule "
                "with ISPIN = 1: one of them is unpaired. Set ISPIN = 2 (and MAGMOM or NUPDOWN); "
                "if it is meant to be closed-shell, NELECT or the atoms are wrong."
            )
        return
    if _is_nupdown_set(settings):
        unpaired_electrons(settings, n_electrons)
        return
    if settings.magmom is None or _is_vasps_start(settings):
        return
    total = abs(sum(settings.magmom))
    whole = round(total)
    if abs(total - whole) <= _WHOLE and ((whole - n_electrons) % 2 or whole > n_electrons):
        first = n_electrons % 2
        raise EngineError(
            f"INCAR: MAGMOM sums to {total:g} unpaired electrons, but {n_electrons} valence "
            f"electrons of an isolated molecule allow {first}, {first + 2}, {first + 4} ... only. "
            "Correct MAGMOM, or the charge (NELECT)."
        )


def unpaired_electrons(settings: Settings, n_electrons: int) -> int:
    """Return NUPDOWN, or the sum of MAGMOM, or the lowest moment the electrons allow.

    Raises
    ------
    EngineError
        NUPDOWN is no moment of so many electrons.
    """
    if settings.nupdown is not None and settings.nupdown >= 0:
        wanted = settings.nupdown
        if wanted != int(wanted) or (int(wanted) - n_electrons) % 2 or wanted > n_electrons:
            raise EngineError(
                f"INCAR: NUPDOWN = {wanted:g} does not fit {n_electrons} valence electrons of this "
                f"method: it must be an {'odd' if n_electrons % 2 else 'even'} whole number"
            )
        return int(wanted)
    lowest = n_electrons % 2
    if settings.magmom is None or (settings.is_isolated and _is_vasps_start(settings)):
        return lowest
    total = abs(sum(settings.magmom))
    # VASP lets the moment relax from MAGMOM; here the nearest one of the right parity is kept.
    nearest = lowest + 2 * max(0, round((total - lowest) / 2))
    return min(nearest, n_electrons)


def _is_nupdown_set(settings: Settings) -> bool:
    return settings.nupdown is not None and settings.nupdown >= 0


def _is_vasps_start(settings: Settings) -> bool:
    """Return whether MAGMOM is 1 on every atom of several: VASP's default, no statement."""
    moments = settings.magmom or ()
    return len(moments) > 1 and all(moment == 1 for moment in moments)


def breaks_symmetry(settings: Settings) -> bool:
    """Return whether MAGMOM has moments of both signs, which a total cannot express.

    Examples
    --------
    >>> breaks_symmetry(Settings(ispin=2, magmom=(5.0, 5.0, -5.0)))
    True
    """
    moments = settings.magmom or ()
    return settings.ispin == 2 and min(moments, default=0) < 0 < max(moments, default=0)


def magnetic_start(calculator: Any, moments: Sequence[float]) -> Any:
    """Return a tblite Result from which the self-consistent field starts with these moments.

    tblite takes the total moment only; which atom is up and which is down follows from the shell
    populations it starts with. They are in the file that it saves for restarts: the one of an
    unfinished first cycle is taken, neutral atoms with the wanted moments are put in.

    Parameters
    ----------
    calculator
        tblite's Calculator with spin polarisation; its number of cycles is set again by the
        caller.
    moments
        Bohr magnetons, one for each atom.

    Raises
    ------
    EngineError
        The file has not the layout this was written for (tblite 0.8).
    """
    from tblite.exceptions import TBLiteRuntimeError
    from tblite.interface import Result

    calculator.set("max-iter", 1)
    result = Result()
    # One cycle is never enough, but it leaves a state of the right size.
    with contextlib.suppress(TBLiteRuntimeError):
        calculator.singlepoint(result)
    with tempfile.TemporaryDirectory(prefix="heterofire-") as folder:
        path = Path(folder) / "start.npz"
        try:
            result.save(str(path))
            with np.load(path) as saved:
                state = {name: saved[name] for name in saved}
            _put_moments(state, calculator, moments)
            _save(path, state)
            start = Result()
            start.load(str(path))
        except (TBLiteRuntimeError, KeyError, ValueError, IndexError) as error:
            raise EngineError(
                "MAGMOM has moments of both signs, but this tblite does not let the wavefunction "
                f"start from them ({error}). Give NUPDOWN or a MAGMOM of one sign, or use tblite "
                "0.8."
            ) from error
    return start


def _put_moments(state: dict[str, Any], calculator: Any, moments: Sequence[float]) -> None:
    """Replace the populations by those of neutral atoms with the moments in one shell each.

    The shell is the one of largest angular momentum that the neutral atom fills: d of Fe, p of S.
    """
    atom_of = np.asarray(calculator.get("shell-map"))
    l_of = np.asarray(calculator.get("angular-momenta"))
    shells = np.zeros_like(state["tblite0_qsh"])  # (n_shells, 2): charge, moment
    for atom, moment in enumerate(moments):
        own = np.flatnonzero((atom_of == atom) & (state["tblite0_n0sh"] > 0))
        # Charges count missing electrons, so a moment has the opposite sign of up minus down.
        shells[own[l_of[own].argmax()], 1] = -moment
    state["tblite0_qsh"] = shells
    state["tblite0_qat"] = np.stack(
        [np.bincount(atom_of, column, len(moments)) for column in shells.T], axis=1
    )
    for name in ("tblite0_dpat", "tblite0_qpat"):  # multipoles of the unfinished cycle
        state[name] = np.zeros_like(state[name])


def _save(path: Path, state: dict[str, NDArray[Any]]) -> None:
    """Write arrays as npz with sizes known in advance; tblite cannot read numpy's zip64 files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in state.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asfortranarray(values), version=(1, 0))
            archive.writestr(f"{name}.npy", buffer.getvalue())


def moment_report(
    symbols: Sequence[str], asked: Sequence[float] | None, found: FloatArray
) -> dict[str, Any]:
    """Return what engine.json says of the moments of the atoms (Mulliken, Bohr magnetons).

    Parameters
    ----------
    symbols, asked, found
        Element, MAGMOM and moment of each atom.

    Examples
    --------
    >>> report = moment_report(["Fe", "Fe", "O"], [5, -5, 0], np.array([3.3, 1.2, 0.1]))
    >>> report["moments"], report["lost"]
    ({'Fe1': 3.3, 'Fe2': 1.2}, ['Fe2 was to be -5, is 1.2'])
    """
    names = [f"{symbol}{i}" for i, symbol in enumerate(symbols, 1)]
    report: dict[str, Any] = {
        "moments": {
            name: round(float(moment), 4)
            for name, moment in zip(names, found, strict=True)
            if abs(moment) >= _CLEAR
        }
    }
    if asked is None or len(asked) != len(names) or min(asked) >= 0:
        return report
    # All signs turned over is the same state.
    flip = np.sign(float(np.dot(asked, found))) or 1.0
    report["lost"] = [
        f"{name} was to be {wanted:g}, is {moment:.2g}"
        for name, wanted, moment in zip(names, asked, flip * found, strict=True)
        if abs(wanted) >= _CLEAR and wanted * moment <= 0
    ]
    return report
