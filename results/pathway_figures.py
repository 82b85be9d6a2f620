"""The figure of reaction pathways."""

import pandas as pd

from .drawings import Drawing, Source, add_legend, panels, poor_remark
from .figure_data import pathway_frame
from .pathway_plots import plot_pathways
from .plots import pretty
from .published import citation, printed_values


def draw_pathways(source: Source) -> Drawing | None:
    """Draw the profiles of all routes; as free energies where every state has one."""
    frame = pathway_frame(source.properties)
    if frame.empty:
        return None
    shown = frame[frame["reference"] == _reference(frame)]
    figure, axes = panels(1, 2.9)
    plot_pathways(shown, axes[0])
    add_legend(figure, axes, columns=1)
    remarks = (
        "the largest step of each route is written on it; no transition state is computed",
        *poor_remark(shown, "hollow"),
        *_printed_remarks(source),
    )
    return Drawing(figure, frame, remarks)


def _reference(frame: pd.DataFrame) -> str:
    """Return the temperature whose free energies cover all states, else "" for E0."""
    place = ["model", "route", "position"]
    wanted = set(frame[place].itertuples(index=False, name=None))
    for reference, part in frame[frame["reference"] != ""].groupby("reference", sort=False):
        if set(part[place].itertuples(index=False, name=None)) == wanted:
            return str(reference)
    return ""


def _printed_remarks(source: Source) -> tuple[str, ...]:
    """Return the printed steps with their source, and what they may mean."""
    items = printed_values(source.study, source.figure)
    values = dict.fromkeys(f"{item.value:g} eV on {pretty(item.system)}" for item in items)
    if not values:
        return ()
    return (
        f"published in {citation(source.study)}:",
        f"{', '.join(values)}; called barriers, likely steps of free energy",
    )
