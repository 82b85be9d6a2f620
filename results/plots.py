"""One function per figure: numbers in, axes out. Nothing is saved and no style is set."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .published import PublishedValue

# Okabe and Ito's colours stay apart for colour-blind readers; markers and hatches differ as well.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F"

_SERIES = {
    "Mo d": BLUE,
    "S p": ORANGE,
    "Se p": VERMILION,
    "C p": GREEN,
    "N p": PURPLE,
    "K s": SKY,
}
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MARKERS = "os^DvPX<>ph"  # more than colours: no two of eleven series look the same
UNITS = {
    "eV/MoX2": r"eV per MoX$_2$",
    "states/eV/cell": r"states eV$^{-1}$ cell$^{-1}$",
    "states/eV/nm^2": r"states eV$^{-1}$ nm$^{-2}$",
}


def styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return colour and marker of each name, in order of appearance."""
    unique = dict.fromkeys(names)
    return {
        name: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(unique)
    }


def pretty(name: str) -> str:
    """Return a name with the numbers in its formulas lowered and the charges of ions raised.

    Examples
    --------
    >>> pretty("KMo(1-x)S2"), pretty("gallery-1"), pretty("TFSI- on CoPc")
    ('KMo$_{1{-}x}$S$_{2}$', 'gallery-1', 'TFSI$^{-}$ on CoPc')
    """
    vacancy = name.replace("(1-x)", "$_{1{-}x}$").replace(" -> ", " → ")
    lowered = re.sub(r"(?<=[A-Za-z)])(\d+)", r"$_{\1}$", vacancy)
    return re.sub(r"(?<=[A-Za-z])([-+])(?=$|[\s,:;)])", r"$^{\1}$", lowered)


def with_minus(value: float, digits: int = 2) -> str:
    """Return a number as it is printed in a figure, with a minus sign as on the axes.

    Examples
    --------
    >>> with_minus(-1.234), with_minus(-0.001)
    ('−1.23', '0.00')
    """
    rounded = round(value, digits) + 0.0
    return f"{rounded:.{digits}f}".replace("-", "−")


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the axes, or those of a new figure."""
    return ax if ax is not None else Figure(layout="constrained").subplots()


def plot_dos(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw total and partial DOS of one model against E - E_F.

    Parameters
    ----------
    frame
        Columns series, energy (eV), dos (states/eV/cell).
    """
    ax = axes_or_new(ax)
    spare = iter((SKY, YELLOW, BLACK))
    for name, part in frame.groupby("series", sort=False):
        if name == "total":
            ax.fill_between(part["energy"], part["dos"], color="0.85", lw=0, label="total")
            ax.plot(part["energy"], part["dos"], color=GREY, lw=0.6)
        else:
            colour = _SERIES.get(str(name)) or next(spare, BLACK)
            ax.plot(part["energy"], part["dos"], color=colour, lw=0.9, label=name)
    ax.axvline(0.0, color=BLACK, lw=0.6, ls="--")
    ax.set(xlim=(round(frame["energy"].min(), 1), round(frame["energy"].max(), 1)), ylim=(0, None))
    ax.set(xlabel=r"$E - E_\mathrm{F}$ (eV)", ylabel=f"DOS\n({UNITS['states/eV/cell']})")
    return ax


def plot_binding(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    reference: str = "K atom",
    printed: Sequence[PublishedValue] = (),
) -> Axes:
    """Draw the binding energy of the ion per site and model against one reference.

    Parameters
    ----------
    frame
        Columns model, label (the site), quantity, reference, value (eV), status.
    reference
        Which of the references is drawn; they are never mixed.
    printed
        Published values, drawn hollow in a row of their own: their site is not stated.
    """
    chosen = frame[frame["reference"] == reference]
    rows = [*dict.fromkeys(chosen["label"]), *(["published"] if printed else [])]
    colours = styles(chosen["model"])
    ax = plot_sites(chosen, ax, rows=rows, colours=colours)
    for item in printed:
        if item.system in colours:
            colour, marker = colours[item.system]
            ax.plot(item.value, len(rows) - 1, marker, mec=colour, mfc="none", ms=4.5)
    quantity = chosen["quantity"].iloc[0] if len(chosen) else "binding energy"
    ax.set_xlabel(f"{quantity} against {reference} (eV)")
    return ax


def plot_sites(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    rows: Sequence[str],
    colours: Mapping[str, tuple[str, str]],
) -> Axes:
    """Draw one value per site and model as dots, a row for each site.

    Parameters
    ----------
    frame
        Columns model, label (the site), value, status.
    rows
        The names of all rows from the top; every label is one of them.
    colours
        Colour and marker of each model.
    """
    ax = axes_or_new(ax)
    for model, part in frame.groupby("model", sort=False):
        colour, marker = colours[str(model)]
        shift = 0.17 * (2 * list(colours).index(str(model)) / max(len(colours) - 1, 1) - 1)
        y = [rows.index(label) + shift for label in part["label"]]
        ax.plot(part["value"], y, marker, color=colour, ms=4.5, label=pretty(str(model)))
        poor = (part["status"] != "ok").to_numpy()
        if poor.any():
            ax.plot(part["value"][poor], np.array(y)[poor], "x", color="white", ms=3)
    name_rows(ax, rows)
    return ax


def plot_profile(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    colours: Mapping[str, tuple[str, str]] | None = None,
) -> Axes:
    """Draw images and spline of one hop for every model.

    Parameters
    ----------
    frame
        Columns model, part ("image" or "curve"), path (Angstrom), energy, forward (eV), status.
    colours
        Colour and marker of each model, where several hops must agree.
    """
    ax = axes_or_new(ax)
    colours = colours or styles(frame["model"])
    handles = []
    for model, part in frame.groupby("model", sort=False):
        colour, marker = colours[str(model)]
        curve, images = (part[part["part"] == name] for name in ("curve", "image"))
        fill = colour if (part["status"] == "ok").all() else "white"
        ax.plot(curve["path"], curve["energy"], color=colour, lw=1.0)
        handles += ax.plot(
            images["path"], images["energy"], marker, color=colour, mfc=fill, ms=3.5,
            label=pretty(str(model)),
        )  # fmt: skip
    barriers = [
        f"{with_minus(value)} eV" for value in frame.groupby("model", sort=False)["forward"].first()
    ]
    ax.legend(handles, barriers, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=0.8,
              title="barrier\nforward")  # fmt: skip
    ax.axhline(0.0, color=GREY, lw=0.5, ls=":")
    ax.margins(y=0.12)
    ax.locator_params(axis="y", nbins=4, min_n_ticks=3)
    ax.set(xlabel="path (Å)", ylabel="$E$ (eV)")
    return ax


def plot_reactions(
    frame: pd.DataFrame, ax: Axes | None = None, *, printed: Mapping[str, float] | None = None
) -> Axes:
    """Draw the energy of each route, one bar per series.

    Parameters
    ----------
    frame
        Columns model (the series: with or without Se), label (the route), value, unit, status.
    printed
        Published values by route, drawn as hollow diamonds.
    """
    ax = axes_or_new(ax)
    routes = list(dict.fromkeys(frame["label"]))
    colours = styles(frame["model"])
    height = 0.8 / max(len(colours), 1)
    for i, (series, part) in enumerate(frame.groupby("model", sort=False)):
        y = [routes.index(label) - 0.4 + (i + 0.5) * height for label in part["label"]]
        hatch = [None if status == "ok" else "////" for status in part["status"]]
        ax.barh(
            y, part["value"], height * 0.9, color=colours[str(series)][0],
            label=pretty(str(series)), hatch=hatch, edgecolor="white", lw=0.3,
        )  # fmt: skip
    for route, value in (printed or {}).items():
        if route in routes:
            ax.plot(
                value, routes.index(route), "D", mec=BLACK, mfc="white", ms=5, label="published"
            )
    ax.axvline(0.0, color=BLACK, lw=0.6)
    name_rows(ax, routes)
    unit = frame["unit"].iloc[0] if len(frame) else "eV"
    ax.set_xlabel(f"reaction energy ({UNITS.get(unit, unit)})")
    return ax


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows of a horizontal plot, the first on top."""
    ax.set_yticks(range(len(names)), [pretty(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="x", lw=0.3, color="0.85")
    ax.set_axisbelow(True)
