"""Levels and DOS of several systems on one energy scale: the vacuum level, or a deep state.

Eigenvalues of two cells have no common zero. That of a system with vacuum around it is the
potential there; where it is unknown, deep levels of the same kind of atom are laid on each other,
which leaves the chemical shift of that atom as an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..structures.errors import RunError
from .electronic import d_band_centre, dos_at_fermi, run_symbols
from .records import Bands, Dos, Floats, Run
from .requests import AlignedDosRequest
from .values import Value

VACUUM = "vacuum level"
_AT_FERMI = 0.05  # eV, half width
_NEAR_FERMI = 1.0  # eV, half width of what "near the Fermi level" means here
_MOSTLY = 0.5  # of the DOS, for a level that belongs to an element
_EMPTY = 1e-3  # of the highest DOS: below it there are no levels
_FILLED = 0.5  # a level is filled above it
_PARTLY = 0.05  # filled between this and 1 minus this: smearing, or a degenerate level


@dataclass(frozen=True, kw_only=True)
class Zero:
    """The zero of an energy scale."""

    energy: float  # eV, absolute
    kind: str  # "vacuum level", "lowest states of N"
    note: str


def common_zeros(runs: Mapping[str, Run], request: AlignedDosRequest) -> dict[str, Zero]:
    """Return the zero of each system, all of one kind.

    Parameters
    ----------
    runs
        By system; those that are finished.
    request
        Which deep states to take where a run has no vacuum level.

    Raises
    ------
    RunError
        A run has no vacuum level, and no deep states are chosen or found.
    """
    bare = [name for name, run in runs.items() if run.vacuum_level is None]
    if not bare:
        return {
            name: Zero(energy=float(run.vacuum_level or 0.0), kind=VACUUM, note="")
            for name, run in runs.items()
        }
    if request.deep_element is None:
        raise RunError(
            f"{', '.join(bare)} of {request.model} have no vacuum level, and eigenvalues of two "
            "cells have no common zero: run them with LVHAR = .TRUE. in a box, or name the "
            "deep_element whose lowest states are to be laid on each other."
        )
    return {
        name: deep_state(run, request.deep_element, request.deep_atoms.get(name))
        for name, run in runs.items()
    }


def deep_state(run: Run, element: str, atoms: Sequence[int] | None = None) -> Zero:
    """Return the centre of the lowest group of levels that belong mostly to an element.

    Parameters
    ----------
    run
        With a projected DOS.
    element
        Whose states.
    atoms
        Only these of its atoms, for instance those of the same ring in each system.

    Raises
    ------
    RunError
        There are no projections, no such atoms, or no such group in the energies of the DOS.
    """
    dos = run.dos
    if dos is None or dos.projected is None:
        raise RunError(f"{run.folder} has no projected DOS: run it with LORBIT = 11.")
    symbols = run_symbols(run)
    chosen = [i for i, s in enumerate(symbols) if s == element and (atoms is None or i in atoms)]
    if not chosen:
        raise RunError(f"{run.folder} has no {element} to align by: it is {run.structure.formula}")
    everything = dos.projected.sum(axis=(0, 1, 2))
    share = dos.projected[chosen].sum(axis=(0, 1, 2))
    for group in _groups(everything):
        weight, whole = float(share[group].sum()), float(everything[group].sum())
        if weight > _MOSTLY * whole:
            energy = float(share[group] @ dos.energies[group]) / weight
            kind = f"lowest states of {element}"
            note = (
                f"zero: {kind}, {weight / whole:.0%} of {len(chosen)} {element} atoms, "
                f"{energy - dos.efermi:+.2f} eV from E_F; they shift with their surroundings"
            )
            return Zero(energy=energy, kind=kind, note=note)
    raise RunError(
        f"{run.folder}: no levels between {dos.energies[0]:.1f} and {dos.energies[-1]:.1f} eV "
        f"belong mostly to {element}. Lower EMIN, or align by another element."
    )


def _groups(dos: Floats) -> list[slice]:
    """Return the stretches of a DOS between gaps, from below."""
    filled = np.concatenate([[False], dos > _EMPTY * dos.max(), [False]])
    edges = np.flatnonzero(filled[1:] != filled[:-1])
    return [slice(int(low), int(high)) for low, high in edges.reshape(-1, 2)]


def aligned_values(run: Run, zero: Zero, d_elements: Sequence[str]) -> list[Value]:
    """Return E_F, HOMO, LUMO, gap, DOS at and near E_F, and d-band centres of one system.

    Raises
    ------
    RunError
        The run has no DOS or no levels.
    """
    if run.dos is None or run.bands is None:
        raise RunError(f"{run.folder} has no DOS or no levels: run it with LORBIT = 11 and NEDOS.")
    notes = (zero.note,) if zero.note else ()
    levels = _levels(run.bands)
    fermi = Value(
        quantity="Fermi level", unit="eV", value=run.dos.efermi - zero.energy,
        reference=zero.kind, detail={"zero_ev": zero.energy}, notes=notes,
    )  # fmt: skip
    homo_lumo = [
        Value(
            quantity=name, unit="eV", value=levels[name][0] - zero.energy, reference=zero.kind,
            detail={"by_spin": [e - zero.energy for e in levels[name][1]]}, notes=notes,
        )
        for name in ("HOMO", "LUMO")
    ]  # fmt: skip
    return [
        fermi,
        *homo_lumo,
        _gap(run.bands, levels),
        *_tdos(run),
        *_d_bands(run, zero, d_elements),
    ]


def _levels(bands: Bands) -> dict[str, tuple[float, list[float]]]:
    """Return highest filled and lowest empty level, of both spins together and of each."""
    homo, lumo = [], []
    for energies, occupations in zip(bands.eigenvalues, bands.occupations, strict=True):
        filled = occupations > _FILLED
        homo.append(float(energies[filled].max()) if filled.any() else -np.inf)
        lumo.append(float(energies[~filled].min()) if not filled.all() else np.inf)
    if not np.isfinite(max(homo)) or not np.isfinite(min(lumo)):
        raise RunError("all levels are filled, or none is: raise NBANDS to see the gap.")
    finite = [[e for e in side if np.isfinite(e)] for side in (homo, lumo)]
    return {"HOMO": (max(homo), finite[0]), "LUMO": (min(lumo), finite[1])}


def _gap(bands: Bands, levels: Mapping[str, tuple[float, list[float]]]) -> Value:
    """Return the gap over both spins, with the one of each spin beside it."""
    gap = levels["LUMO"][0] - levels["HOMO"][0]
    by_spin = [b - a for a, b in zip(levels["HOMO"][1], levels["LUMO"][1], strict=False)]
    notes = []
    if len(by_spin) > 1:
        notes.append("by spin " + ", ".join(f"{g:.3f} eV" for g in by_spin))
    partly = (bands.occupations > _PARTLY) & (bands.occupations < 1 - _PARTLY)
    if partly.any():
        notes.append(f"{int(partly.sum())} levels are partly filled by smearing")
    if gap < 0:
        notes.append("negative: a filled level of one spin lies above an empty one of the other")
    return Value(
        quantity="HOMO-LUMO gap", unit="eV", value=gap, detail={"by_spin": by_spin},
        notes=tuple(notes),
    )  # fmt: skip


def _tdos(run: Run) -> list[Value]:
    """Return the total DOS at the Fermi level, and the mean around it."""
    values = []
    assert run.dos is not None  # checked by the caller  # noqa: S101
    for where, half_width in (("at", _AT_FERMI), ("near", _NEAR_FERMI)):
        level = dos_at_fermi(run.dos, half_width)
        values.append(
            Value(
                quantity=f"TDOS {where} E_F", unit="states/eV/cell", value=level,
                detail={"per_atom": level / len(run.structure), "half_width_ev": half_width},
                notes=(f"mean over {half_width:g} eV around E_F; both spins",),
            )
        )  # fmt: skip
    return values


def _d_bands(run: Run, zero: Zero, elements: Sequence[str]) -> list[Value]:
    """Return d-band centres of the elements that are there, against E_F and the common zero."""
    dos = run.dos
    values: list[Value] = []
    for element in elements:
        symbols = run_symbols(run)
        if dos is None or element not in symbols:
            continue
        centre = d_band_centre(dos, symbols, [element])
        about = (f"{dos.projection} projection, -10 to 5 eV around E_F, both spins",)
        by_spin = _by_spin(dos, symbols, element)
        for reference, value in (("E_F", centre), (zero.kind, centre + dos.efermi - zero.energy)):
            shift = value - centre
            values.append(
                Value(
                    quantity=f"d-band centre of {element}", unit="eV", value=value,
                    reference=reference,
                    detail={"window_ev": [-10.0, 5.0], "by_spin": [e + shift for e in by_spin]},
                    notes=about if reference == "E_F" or not zero.note else (*about, zero.note),
                )
            )  # fmt: skip
    return values


def _by_spin(dos: Dos, symbols: Sequence[str], element: str) -> list[float]:
    """Return the d-band centre of each spin against E_F."""
    if dos.projected is None or dos.projected.shape[2] == 1:
        return []
    channels = []
    for spin in range(dos.projected.shape[2]):
        one = Dos(
            energies=dos.energies,
            total=dos.total[[spin]],
            projected=dos.projected[:, :, [spin]],
            orbitals=dos.orbitals,
            efermi=dos.efermi,
            projection=dos.projection,
        )
        channels.append(d_band_centre(one, symbols, [element]))
    return channels
