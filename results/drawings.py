"""What every figure is made of: where its numbers come from, its panels, its legend."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figure_sources import FigureReader
from .plots import pretty
from .published import printed_orderings
from .records import Property

WIDTH = 3.5  # inches: one column of a journal
_LETTERS = 22  # of a remark, to the inch
_LAST = ("published", r"$E_\mathrm{F}$")  # in a legend


@dataclass(frozen=True)
class Source:
    """What a figure may draw on."""

    store: FigureReader
    properties: list[Property]
    study: str
    figure: str = ""  # "Fig. 5b" where the study's paper has it


@dataclass(frozen=True)
class Drawing:
    """A figure, the numbers in it, and what its caption has to add."""

    figure: Figure
    frame: pd.DataFrame
    remarks: tuple[str, ...] = ()


def panels(n_rows: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure one column wide, and its panels from the top."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = list(figure.subplots(n_rows, 1, squeeze=False)[:, 0])
    return figure, axes


def set_title(ax: Axes, name: str) -> None:
    """Name a panel at its upper left."""
    ax.set_title(pretty(name), loc="left", fontsize=7, fontweight="bold", pad=3)


def add_legend(figure: Figure, axes: Sequence[Axes], *, columns: int = 6) -> None:
    """Put one legend for all axes above them, what was published last."""
    entries: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    names = sorted(entries, key=lambda name: name in _LAST)
    figure.align_ylabels(axes)
    figure.legend(
        [entries[name] for name in names],
        names,
        loc="outside upper center",
        ncols=columns,
        handlelength=1.4,
        columnspacing=1.0,
    )


def add_remarks(figure: Figure, remarks: Sequence[str]) -> None:
    """Put remarks below everything, in as many lines as the width of the figure wants."""
    width = int(_LETTERS * figure.get_figwidth())
    lines = [part for remark in remarks for part in wrap(remark, width, break_on_hyphens=False)]
    figure.supxlabel("\n".join(lines), fontsize=5.5, color="0.35")


def poor_remark(frame: pd.DataFrame, how: str) -> tuple[str, ...]:
    """Return the remark that explains how unconverged values are drawn, if there are any."""
    return () if (frame["status"] == "ok").all() else (f"{how}: not converged",)


def renamed_remark(frame: pd.DataFrame) -> tuple[str, ...]:
    """Say which sites (label) are shown in a row (place) that has its name from another host."""
    other = frame[frame["label"] != frame["place"]].drop_duplicates(["model", "label"])
    words = [
        f"{pretty(row['model'])} {row['label']} at {row['place']}"
        for row in other.to_dict(orient="records")
    ]
    if not words:
        return ()
    return (f"rows are places, a site's number its rank in its host: {', '.join(words)}",)


def orderings_remark(source: Source) -> tuple[str, ...]:
    """Return what the paper shows in this figure without a number, for the caption."""
    words = printed_orderings(source.study, source.figure)
    return tuple(f"published without a number: {pretty(text)}" for text in words)


def lean_names(ax: Axes) -> None:
    """Turn the names under an axis aside, in one line each: many long ones do not fit."""
    names = [text.get_text().replace("\n", " ") for text in ax.get_xticklabels()]
    ax.set_xticks(ax.get_xticks(), names, rotation=35, ha="right", rotation_mode="anchor")
