"""The figures that set hosts side by side: DOS at the Fermi level, barriers of the ion."""

from .drawings import Drawing, Source, add_legend, orderings_remark, panels, poor_remark
from .figure_data import host_dos_frame, value_frame
from .host_plots import plot_barriers, plot_host_dos
from .plots import pretty, styles
from .records import Property


def draw_host_dos(source: Source) -> Drawing | None:
    """Draw the total DOS of the hosts over each other, a panel for each unit."""
    keys: dict[str, str] = {}
    for item in _valued(source, "DOS at E_F"):
        keys.setdefault(item.model, item.keys[0])
    areas = {
        item.model: float(item.detail["area_nm2"])
        for item in _valued(source, "DOS at E_F per area")
        if keys.get(item.model) == item.keys[0]
    }
    frame = host_dos_frame({model: source.store.get_run(key) for model, key in keys.items()}, areas)
    if frame.empty:
        return None
    units = frame["unit"].unique()
    figure, axes = panels(len(units), 0.9 + 1.6 * len(units))
    colours = styles(frame["model"])
    for ax, (_, part) in zip(axes, frame.groupby("unit", sort=False), strict=True):
        plot_host_dos(part, ax, colours=colours)
        ax.label_outer()
    add_legend(figure, axes, columns=2)
    remarks = (*poor_remark(frame, "dashed"), *_gap_remark(source), *orderings_remark(source))
    return Drawing(figure, frame, remarks)


def _valued(source: Source, quantity: str) -> list[Property]:
    return [p for p in source.properties if p.quantity == quantity and p.value is not None]


def _gap_remark(source: Source) -> tuple[str, ...]:
    """Say which hosts have a gap: their Fermi level may lie anywhere in it."""
    gaps = [
        f"{pretty(item.model)} {item.value:.2f} eV"
        for item in _valued(source, "band gap")
        if item.value
    ]
    return (f"gaps, in which the Fermi level may lie anywhere: {', '.join(gaps)}",) if gaps else ()


def draw_barriers(source: Source) -> Drawing | None:
    """Draw the barriers of the ion as bars, host by host.

    Those of the lowest path from cell to cell, where they are there, else of every hop forward.
    """
    frame = value_frame(source.properties, "migration barrier")
    if frame.empty:
        frame = value_frame(source.properties, "barrier forward")
    if frame.empty:
        return None
    shown = ["model", "quantity", "label", "value", "unit", "energy_kind", "status", "notes"]
    figure, axes = panels(1, 0.8 + 0.3 * len(frame))
    plot_barriers(frame, axes[0])
    remarks = (*poor_remark(frame, "hatched"), *orderings_remark(source))
    return Drawing(figure, frame[shown], remarks)
