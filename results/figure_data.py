"""The numbers behind the figures, as tidy tables made from the store alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pymatgen.core import Element

from .electronic import partial_dos, run_symbols
from .records import Property, Run
from .tables import table

_DOS_WINDOW = (-6.0, 4.0)  # eV around the Fermi level


def dos_frame(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return total and partial DOS of each model, in states/eV/cell against E - E_F.

    A metal is shown by its d states, other elements by the shell they are filling.

    Returns
    -------
    pandas.DataFrame
        Columns model, series ("total", "Mo d"), energy (eV), dos.
    """
    parts = []
    for model, run in runs.items():
        if run.dos is None:
            continue
        energy = run.dos.energies - run.dos.efermi
        inside = (energy >= _DOS_WINDOW[0]) & (energy <= _DOS_WINDOW[1])
        series = {"total": run.dos.total.sum(axis=0)}
        symbols = run_symbols(run)
        if run.dos.projected is not None:
            for symbol in dict.fromkeys(symbols):
                shell = Element(symbol).block
                series[f"{symbol} {shell}"] = partial_dos(run.dos, symbols, [symbol], shell)
        parts += [
            pd.DataFrame(
                {"model": model, "series": name, "energy": energy[inside], "dos": dos[inside]}
            )
            for name, dos in series.items()
        ]
    empty = pd.DataFrame(columns=["model", "series", "energy", "dos"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def host_dos_frame(runs: Mapping[str, Run], areas_nm2: Mapping[str, float]) -> pd.DataFrame:
    """Return the DOS of each host against E - E_F, per area where the area is known.

    Returns
    -------
    pandas.DataFrame
        Columns of `dos_frame`, unit ("states/eV/nm^2" or "states/eV/cell") and status.
    """
    frame = dos_frame(runs)
    known = frame["model"].isin(areas_nm2)
    areas = frame["model"].map(dict(areas_nm2)).where(known, 1.0).astype(float)
    return frame.assign(
        dos=frame["dos"] / areas,
        unit=np.where(known, "states/eV/nm^2", "states/eV/cell"),
        status=[
            "ok" if runs[model].status == "converged" else "unconverged" for model in frame["model"]
        ],
    )


def pathway_frame(properties: Sequence[Property]) -> pd.DataFrame:
    """Return the states of every route, with the step that leads to each.

    Returns
    -------
    pandas.DataFrame
        Columns model, route, reference ("" for E0, else the temperature of E0 + F_vib), position
        (of the state, from 0), state, energy (eV, against the first state), step (eV, from the
        state before; NaN for the first), is_rate_determining (the step) and status. States without
        an energy are left out.
    """
    steps, largest = {}, set()
    for item in properties:
        place = (item.model, item.detail.get("route"), item.reference, item.detail.get("position"))
        if item.quantity in ("step energy", "step free energy"):
            steps[place] = item.value
        elif item.quantity == "rate-determining step" and item.value is not None:
            largest.add(place)
    rows = []
    for item in properties:
        if item.quantity not in ("state energy", "state free energy") or item.value is None:
            continue
        about = item.detail
        place = (item.model, about["route"], item.reference, about["position"])
        rows.append(
            {
                "model": item.model,
                "route": about["route"],
                "reference": item.reference,
                "position": about["position"],
                "state": about["state"],
                "energy": item.value,
                "step": steps.get(place),
                "is_rate_determining": place in largest,
                "status": item.status,
            }
        )
    names = ["model", "route", "reference", "position", "state", "energy", "step"]
    frame = pd.DataFrame(rows, columns=[*names, "is_rate_determining", "status"])
    return frame.astype({"energy": "float64", "step": "float64"})


def value_frame(properties: Iterable[Property], quantity: str) -> pd.DataFrame:
    """Return the properties of one kind that have a value, as `tables.table` gives them."""
    frame = table([item for item in properties if item.quantity.endswith(quantity)])
    return frame[frame["value"].notna()].reset_index(drop=True)


def profile_frame(properties: Sequence[Property]) -> pd.DataFrame:
    """Return images and spline of every band.

    Returns
    -------
    pandas.DataFrame
        Columns model, label (the hop), part ("image" or "curve"), path (Angstrom), energy (eV,
        relative to the initial end point), forward, back (eV) and status.
    """
    back = {
        (item.model, item.label): item.value
        for item in properties
        if item.quantity == "barrier back"
    }
    parts = []
    for item in properties:
        if item.quantity != "barrier forward" or item.value is None:
            continue
        for part, prefix in (("curve", "curve_"), ("image", "")):
            columns: dict[str, Any] = {
                "model": item.model,
                "label": item.label,
                "part": part,
                "path": np.asarray(item.detail[f"{prefix}path"], dtype=float),
                "energy": np.asarray(item.detail[f"{prefix}energies"], dtype=float),
                "forward": item.value,
                "back": back.get((item.model, item.label)),
                "status": item.status,
            }
            parts.append(pd.DataFrame(columns))
    names = ["model", "label", "part", "path", "energy", "forward", "back", "status"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)
