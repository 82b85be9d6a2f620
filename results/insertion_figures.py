"""The figures of a host that takes up an ion: DOS, binding energies, hops, reactions."""

from .drawings import (
    Drawing,
    Source,
    add_legend,
    orderings_remark,
    panels,
    poor_remark,
    renamed_remark,
    set_title,
)
from .figure_data import dos_frame, profile_frame, value_frame
from .places import place_labels
from .plots import plot_binding, plot_dos, plot_profile, plot_reactions, pretty, styles
from .published import printed_values
from .tables import table

_SAID = ["keys", "study", "profile", "engine", "method"]  # written into the CSV for all rows


def draw_dos(source: Source) -> Drawing | None:
    """Draw total and partial DOS of each host."""
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


def draw_binding(source: Source) -> Drawing | None:
    """Draw binding energies of the ion site by site, against one reference."""
    items = [p for p in source.properties if p.quantity.endswith("binding energy")]
    items = [item for item in items if item.value is not None]
    if not items:
        return None
    frame = table(items).assign(place=place_labels(items))
    reference = "K atom" if (frame["reference"] == "K atom").any() else frame["reference"].iloc[0]
    printed = [
        item
        for item in printed_values(source.study, source.figure)
        if reference == "K atom" and not item.computed.minus_models
    ]
    figure, axes = panels(1, 1.05 + 0.26 * (frame["place"].nunique() + bool(printed)))
    plot_binding(frame.assign(label=frame["place"]), axes[0], reference=reference, printed=printed)
    add_legend(figure, axes)
    remarks = poor_remark(frame[frame["reference"] == reference], "crossed")
    remarks = (*remarks, *renamed_remark(frame))
    if printed:
        remarks = (*remarks, "open symbols: published, site and reference not stated")
    return Drawing(figure, frame.drop(columns=_SAID), remarks)


def draw_profiles(source: Source) -> Drawing | None:
    """Draw the energy along every hop."""
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


def draw_reactions(source: Source) -> Drawing | None:
    """Draw the energy of every route of a conversion reaction."""
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
