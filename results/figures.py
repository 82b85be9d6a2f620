"""The figures of a study, redrawn from the store alone: PNG, SVG, PDF and their numbers as CSV."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..structures.errors import InputError, RunError
from ..structures.files import write_atomic
from .aligned_figures import draw_aligned_dos, draw_levels
from .charge_figures import CHARGE_FIGURES
from .complex_figures import draw_complexes
from .decomposition_figures import draw_decomposition, draw_hop_profiles
from .drawings import (
    Drawing,
    Source,
    add_legend,
    orderings_remark,
    panels,
    poor_remark,
    set_title,
)
from .elf_figures import draw_elf_slices
from .figure_data import dos_frame, profile_frame, value_frame
from .fragment_figures import draw_fragment_charges
from .host_figures import draw_barriers, draw_host_dos
from .pathway_figures import draw_pathways
from .plots import plot_binding, plot_dos, plot_profile, plot_reactions, pretty, styles
from .published import numbered_figures, printed_values
from .records import GEOMETRY, Property
from .store import ResultStore
from .tables import to_csv

_STYLE = {
    "font.size": 7,
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "legend.title_fontsize": 6.5,
    "hatch.linewidth": 0.6,
    "mathtext.default": "regular",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "heterofire",  # otherwise the ids inside change from run to run
    "pdf.fonttype": 42,
}
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "heterofire"},
    "pdf": {"CreationDate": None, "Creator": "heterofire", "Producer": None},
}
_SAID = ["keys", "study", "profile", "engine", "method"]  # written into the CSV for all rows


def draw_figure(
    store: ResultStore, name: str, *, study: str, profile: str, engine: str, folder: Path
) -> list[Path]:
    """Draw a figure of the paper from stored numbers and write it, with the numbers beside it.

    Parameters
    ----------
    store
        The only source of numbers.
    name
        The number of a figure in the paper that the study rebuilds, "5b" (`numbered_figures`),
        or what is drawn: "dos", "binding", "profiles" (of hops), "reactions", "pathways",
        "host-dos", "barriers", "aligned-dos", "levels", "complexes", "decomposition",
        "hop-profiles", "fragment-charges", "elf-slices", or one of `charge_figures`: "charges",
        "difference-profile", "difference-slice", "difference-isosurface".
    study, profile, engine
        Whose numbers; engines and methods are never mixed in one figure.
    folder
        Where ``<name>.png``, ``.svg``, ``.pdf`` and ``.csv`` are written; same bytes from the
        same numbers and the same Matplotlib.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    InputError
        There is no such figure.
    RunError
        The store has nothing to draw for it, or numbers of more than one method.
    """
    numbers = numbered_figures(study)
    drawing_name = numbers.get(name, name)
    if drawing_name not in DRAWINGS:
        raise InputError(f"no figure {name!r}: choose of {', '.join([*numbers, *DRAWINGS])}")
    number = next((n for n, drawn in numbers.items() if drawn == drawing_name), "")
    properties = store.properties(study=study, profile=profile, engine=engine)
    where = f"figure {name} of {study}, profile {profile}, engine {engine}"
    with mpl.rc_context(_STYLE):
        drawing = DRAWINGS[drawing_name](Source(store, properties, study, f"Fig. {number}"))
        if drawing is None:
            raise RunError(f"{where}: no number for it is in {store.name} yet; finish the study.")
        method = _method(properties, where)
        lines = [f"engine {engine}, method {method}, profile {profile}", *drawing.remarks]
        drawing.figure.supxlabel("\n".join(lines), fontsize=5.5, color="0.35")
        contents: dict[str, str | bytes] = {**_rendered(drawing.figure)}
    about = {"study": study, "profile": profile, "engine": engine, "method": method}
    contents["csv"] = to_csv(drawing.frame.assign(**about))
    return [write_atomic(folder / f"{name}.{kind}", data) for kind, data in contents.items()]


def _method(properties: list[Property], where: str) -> str:
    valued = [item for item in properties if item.value is not None]
    methods = sorted({item.method for item in valued} - {GEOMETRY})
    if len(methods) > 1:
        raise RunError(
            f"{where}: the numbers come from {' and '.join(methods)}, which are never mixed. "
            "Derive them anew with one method."
        )
    return methods[0]


def _rendered(figure: Figure) -> dict[str, bytes]:
    """Return the figure in every format."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is settled: once is enough for all formats
    contents = {}
    for kind, metadata in _METADATA.items():
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=300, metadata=metadata)
        contents[kind] = stream.getvalue()
    return contents


def _draw_dos(source: Source) -> Drawing | None:
    keys = {
        item.model: item.keys[0]
        for item in source.properties
        if item.quantity == "DOS at E_F" and item.value is not None
    }
    runs = {model: source.store.get_run(key) for model, key in keys.items()}
    frame = dos_frame(runs)
    if frame.empty:
        return None
    figure, axes = panels(len(keys), 0.6 + 1.45 * len(keys))
    for ax, (model, part) in zip(axes, frame.groupby("model", sort=False), strict=True):
        plot_dos(part, ax)
        set_title(ax, str(model))
        ax.label_outer()
    add_legend(figure, axes)
    projections = sorted({run.dos.projection for run in runs.values() if run.dos is not None})
    return Drawing(figure, frame, (f"partial DOS: {', '.join(projections)}",))


def _draw_binding(source: Source) -> Drawing | None:
    frame = value_frame(source.properties, "binding energy")
    if frame.empty:
        return None
    reference = "K atom" if (frame["reference"] == "K atom").any() else frame["reference"].iloc[0]
    printed = [
        item
        for item in printed_values(source.study, source.figure)
        if reference == "K atom" and not item.computed.minus_models
    ]
    figure, axes = panels(1, 1.05 + 0.26 * (frame["label"].nunique() + bool(printed)))
    plot_binding(frame, axes[0], reference=reference, printed=printed)
    add_legend(figure, axes)
    remarks = poor_remark(frame[frame["reference"] == reference], "crossed")
    if printed:
        remarks = (*remarks, "open symbols: published, site and reference not stated")
    return Drawing(figure, frame.drop(columns=_SAID), remarks)


def _draw_profiles(source: Source) -> Drawing | None:
    frame = profile_frame(source.properties)
    if frame.empty:
        return None
    n_hops = frame["label"].nunique()
    figure, axes = panels(n_hops, 0.7 + 1.25 * n_hops)
    colours = styles(frame["model"])
    for ax, (hop, part) in zip(axes, frame.groupby("label", sort=False), strict=True):
        plot_profile(part, ax, colours=colours)
        set_title(ax, str(hop))
        ax.set_xlabel(ax.get_xlabel() if ax is axes[-1] else "")
    add_legend(figure, axes)
    remarks = poor_remark(frame, "open symbols")
    if printed := printed_values(source.study, source.figure):
        values = ", ".join(f"{item.value:g} eV ({pretty(item.system)})" for item in printed)
        remarks = (*remarks, f"published: {values}, path not stated")
    remarks = (*remarks, *orderings_remark(source))
    return Drawing(figure, frame, remarks)


def _draw_reactions(source: Source) -> Drawing | None:
    frame = value_frame(source.properties, "reaction energy")
    if frame.empty:
        return None
    printed = {
        label: float(item.value)
        for item in printed_values(source.study, source.figure)
        for label in item.computed.labels
    }
    figure, axes = panels(1, 1.05 + 0.36 * frame["label"].nunique())
    plot_reactions(frame, axes[0], printed=printed)
    add_legend(figure, axes)
    remarks = poor_remark(frame, "hatched")
    if printed:
        remarks = (*remarks, "published: formula unit not stated")
    return Drawing(figure, frame.drop(columns=_SAID), remarks)


DRAWINGS: dict[str, Callable[[Source], Drawing | None]] = {
    "dos": _draw_dos,
    "binding": _draw_binding,
    "profiles": _draw_profiles,
    "reactions": _draw_reactions,
    "pathways": draw_pathways,
    "host-dos": draw_host_dos,
    "barriers": draw_barriers,
    "aligned-dos": draw_aligned_dos,
    "levels": draw_levels,
    "complexes": draw_complexes,
    "decomposition": draw_decomposition,
    "hop-profiles": draw_hop_profiles,
    "fragment-charges": draw_fragment_charges,
    "elf-slices": draw_elf_slices,
    **CHARGE_FIGURES,
}
