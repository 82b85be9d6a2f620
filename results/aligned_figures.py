"""Figures of levels on one scale: DOS over DOS, d-band centres and gaps."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .aligned_dos import VACUUM
from .drawings import Drawing, Source, add_legend, orderings_remark, panels, poor_remark, set_title
from .electronic import run_symbols
from .plots import (
    BLACK,
    BLUE,
    GREY,
    UNITS,
    VERMILION,
    axes_or_new,
    name_rows,
    pretty,
    styles,
    with_minus,
)
from .records import Dos, Floats, Property, Run

_BELOW, _ABOVE = 6.0, 4.0  # eV shown below the lowest and above the highest Fermi level
_D_COLOURS = {"Co d": BLUE, "Fe d": VERMILION}


def aligned_dos_frame(runs: dict[str, Run], fermi: dict[str, Property]) -> pd.DataFrame:
    """Return the DOS of each spin of each system on the common scale.

    Returns
    -------
    pandas.DataFrame
        Columns model, series ("total", "Co d"), spin (1 or -1; 1 without spin), energy (eV,
        against the zero), dos (states/eV/cell), fermi (eV), status.
    """
    low = min(float(p.value or 0.0) for p in fermi.values()) - _BELOW
    high = max(float(p.value or 0.0) for p in fermi.values()) + _ABOVE
    parts = []
    for model, run in runs.items():
        if run.dos is None:
            continue
        energy = run.dos.energies - float(fermi[model].detail["zero_ev"])
        inside = (energy >= low) & (energy <= high)
        for name, channels in _series(run, run.dos).items():
            for spin, dos in zip((1, -1), channels, strict=False):
                columns = {
                    "model": model, "series": name, "spin": spin, "energy": energy[inside],
                    "dos": dos[inside], "fermi": fermi[model].value,
                    "status": fermi[model].status,
                }  # fmt: skip
                parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _series(run: Run, dos: Dos) -> dict[str, Floats]:
    """Return the total DOS and that of d metals, (n_spins, n) each."""
    series = {"total": dos.total}
    symbols = run_symbols(run)
    orbitals = [i for i, name in enumerate(dos.orbitals) if name.startswith(("d", "x2"))]
    for name in _D_COLOURS:
        atoms = [i for i, symbol in enumerate(symbols) if f"{symbol} d" == name]
        if atoms and orbitals and dos.projected is not None:
            series[name] = dos.projected[np.ix_(atoms, orbitals)].sum(axis=(0, 1))
    return series


def plot_aligned_dos(frame: pd.DataFrame, ax: Axes | None = None, *, zero: str) -> Axes:
    """Draw the DOS of one system, spin up above and spin down below the axis.

    Parameters
    ----------
    frame
        Columns series, spin, energy, dos, fermi; see `aligned_dos_frame`.
    zero
        What energies are measured against.
    """
    ax = axes_or_new(ax)
    for (series, spin), part in frame.groupby(["series", "spin"], sort=False):
        values = part["dos"].to_numpy() * int(str(spin))
        label = str(series) if spin == 1 else None
        if series == "total":
            ax.fill_between(part["energy"], values, color="0.85", lw=0, label=label)
            ax.plot(part["energy"], values, color=GREY, lw=0.6)
        else:
            ax.plot(part["energy"], values, color=_D_COLOURS[str(series)], lw=0.9, label=label)
    ax.axvline(frame["fermi"].iloc[0], color=BLACK, lw=0.6, ls="--", label=r"$E_\mathrm{F}$")
    ax.axhline(0.0, color=BLACK, lw=0.4)
    ax.set_xlim(round(frame["energy"].min(), 1), round(frame["energy"].max(), 1))
    name = r"E_\mathrm{vac}" if zero == VACUUM else r"E_\mathrm{deep}"
    ax.set(xlabel=f"$E - {name}$ (eV)", ylabel=f"DOS\n({UNITS['states/eV/cell']})")
    return ax


def draw_aligned_dos(source: Source) -> Drawing | None:
    """Draw the total DOS of the systems below each other on one energy scale."""
    levels = [p for p in source.properties if p.quantity == "Fermi level" and p.value is not None]
    if not levels:
        return None
    # One scale has one zero: what is aligned otherwise is left to the tables.
    zero = VACUUM if any(p.reference == VACUUM for p in levels) else levels[0].reference
    fermi = {item.model: item for item in levels if item.reference == zero}
    runs = {model: source.store.get_run(item.keys[0]) for model, item in fermi.items()}
    frame = aligned_dos_frame(runs, fermi)
    figure, axes = panels(len(fermi), 0.7 + 1.25 * len(fermi))
    for ax, (model, part) in zip(axes, frame.groupby("model", sort=False), strict=True):
        plot_aligned_dos(part, ax, zero=zero)
        set_title(ax, str(model) if (part["status"] == "ok").all() else f"{model} (not converged)")
        ax.set_xlim(frame["energy"].min(), frame["energy"].max())
        ax.label_outer()
    add_legend(figure, axes)
    has_spin = bool((frame["spin"] == -1).any())
    remarks = (f"zero: {zero}" + ("; spin down below the axis" if has_spin else ""),)
    return Drawing(figure, frame, (*remarks, *_near(source), *orderings_remark(source)))


def _near(source: Source) -> tuple[str, ...]:
    """Return the DOS near the Fermi level of each system, for the caption."""
    found = [p for p in source.properties if p.quantity == "TDOS near E_F" and p.value is not None]
    if not found:
        return ()
    words = [f"{pretty(p.model)} {p.value:.1f} ({p.detail['per_atom']:.2f})" for p in found]
    width = found[0].detail["half_width_ev"]
    about = f"mean within {width:g} eV of $E_\\mathrm{{F}}$ in states/eV (per atom):"
    return (about, ", ".join(words))


def level_frame(properties: list[Property]) -> pd.DataFrame:
    """Return d-band centres against E_F and gaps of every system.

    Returns
    -------
    pandas.DataFrame
        Columns model, quantity, value (eV), by_spin (words), status.
    """
    rows = [
        {
            "model": item.model,
            "quantity": item.quantity,
            "value": item.value,
            "by_spin": " ".join(f"{e:.4f}" for e in item.detail.get("by_spin", ())),
            "status": item.status,
        }
        for item in properties
        if item.value is not None
        and (
            (item.quantity.startswith("d-band centre of") and item.reference == "E_F")
            or item.quantity == "HOMO-LUMO gap"
        )
    ]
    return pd.DataFrame(rows, columns=["model", "quantity", "value", "by_spin", "status"])


def draw_levels(source: Source) -> Drawing | None:
    """Draw d-band centres and gaps: the paper's text means the one, its caption the other."""
    frame = level_frame(source.properties)
    if frame.empty:
        return None
    is_gap = frame["quantity"] == "HOMO-LUMO gap"
    shown = [part for part in (frame[~is_gap], frame[is_gap]) if len(part)]
    figure, axes = panels(len(shown), 1.1 + 0.2 * len(frame) + 0.5 * len(shown))
    for ax, part in zip(axes, shown, strict=True):
        plot_levels(part, ax)
    remarks = [
        *poor_remark(frame, "hatched"),
        "d-band centre: −10 to 5 eV around $E_\\mathrm{F}$; gap: over both spins; ticks: each spin",
    ]
    return Drawing(figure, frame, (*remarks, *orderings_remark(source)))


def plot_levels(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one bar per system and quantity with its value, the spins as ticks.

    Parameters
    ----------
    frame
        See `level_frame`; d-band centres or gaps.
    """
    ax = axes_or_new(ax)
    colours = styles(frame["model"])
    rows = frame.to_dict(orient="records")
    names = [
        str(row["model"])
        + ("" if row["quantity"] == "HOMO-LUMO gap" else f", {row['quantity'].split()[-1]} d")
        for row in rows
    ]
    for i, row in enumerate(rows):
        ax.barh(
            i, row["value"], 0.7, color=colours[str(row["model"])][0], edgecolor="white", lw=0.3,
            hatch=None if row["status"] == "ok" else "////",
        )  # fmt: skip
        spins = [float(word) for word in row["by_spin"].split()]
        ax.plot(spins, [i] * len(spins), "|", color=BLACK, ms=6, mew=0.8)
        ax.annotate(
            with_minus(row["value"]), (1.0, i), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center",
            fontsize=6.5,
        )  # fmt: skip
    ax.axvline(0.0, color=BLACK, lw=0.6)
    name_rows(ax, names)
    ax.margins(x=0.1)
    is_gap = frame["quantity"].iloc[0] == "HOMO-LUMO gap"
    ax.set_xlabel("HOMO-LUMO gap (eV)" if is_gap else r"d-band centre against $E_\mathrm{F}$ (eV)")
    return ax
