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
