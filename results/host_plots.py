"""What hosts do for electrons and ions: their DOS side by side, their barriers as bars."""

import pandas as pd
from matplotlib.axes import Axes

from .plots import BLACK, UNITS, axes_or_new, name_rows, pretty, styles, with_minus


def plot_host_dos(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    colours: dict[str, tuple[str, str]] | None = None,
) -> Axes:
    """Draw the total DOS of every host against E - E_F, dashed where not converged.

    Parameters
    ----------
    frame
        Columns model, series, energy (eV), dos, unit (one for all rows), status.
    colours
        Colour and marker of each host, where several panels must agree.
    """
    ax = axes_or_new(ax)
    colours = colours or styles(frame["model"])
    total = frame[frame["series"] == "total"]
    for model, part in total.groupby("model", sort=False):
        colour = colours[str(model)][0]
        line = "-" if (part["status"] == "ok").all() else "--"
        ax.plot(part["energy"], part["dos"], line, color=colour, lw=0.9, label=pretty(str(model)))
        ax.fill_between(part["energy"], part["dos"], color=colour, alpha=0.12, lw=0)
    ax.axvline(0.0, color=BLACK, lw=0.6, ls="--")
    ax.set(xlim=(round(total["energy"].min(), 1), round(total["energy"].max(), 1)), ylim=(0, None))
    unit = frame["unit"].iloc[0]
    ax.set(xlabel=r"$E - E_\mathrm{F}$ (eV)", ylabel=f"DOS ({UNITS.get(unit, unit)})")
    return ax


def plot_barriers(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the barrier of every hop as a bar with its value, one colour per host.

    Parameters
    ----------
    frame
        Columns model, quantity, label (the hop), value (eV), status; hatched where not converged.
    """
    ax = axes_or_new(ax)
    colours = styles(frame["model"])
    rows = frame.to_dict(orient="records")
    for i, row in enumerate(rows):
        ax.barh(
            i, row["value"], 0.7, color=colours[str(row["model"])][0],
            hatch=None if row["status"] == "ok" else "////", edgecolor="white", lw=0.3,
        )  # fmt: skip
        ax.annotate(
            with_minus(row["value"]), (max(row["value"], 0.0), i), (3, 0),
            textcoords="offset points", va="center", fontsize=6.5,
        )  # fmt: skip
    ax.axvline(0.0, color=BLACK, lw=0.6)
    name_rows(ax, [f"{row['model']}\n{row['label']}" for row in rows])
    ax.tick_params(axis="y", labelsize=6)
    ax.margins(x=0.15)
    ax.set_xlabel(f"{frame['quantity'].iloc[0]} (eV)")
    return ax
