"""The figure of charges at sites: what the ion gives, and which layer takes it."""

from collections.abc import Sequence

import pandas as pd

from .drawings import Drawing, Source, add_legend, panels, poor_remark, renamed_remark
from .places import place_labels
from .plots import plot_sites, pretty, styles
from .records import Property

_ION = "net charge of "
_GAINED = "electrons gained by "
_SCHEMES = ("Bader near-grid", "Bader weight", "Mulliken")  # the first that there is, never mixed


def site_charge_frame(properties: Sequence[Property]) -> pd.DataFrame:
    """Return the net charge of the ion and the electrons gained by layers at every site.

    Sites are those that binding energies are of, so these have to be among the properties.

    Returns
    -------
    pandas.DataFrame
        Columns panel (0 is the ion, then the layers from below), model, label (the site in this
        host), place (its name in the figure), quantity, scheme, value (e; of the ion positive =
        electrons lost), status.
    """
    bound = [item for item in properties if item.quantity.endswith("binding energy")]
    labels = place_labels(bound)
    places = {(p.model, p.label): label for p, label in zip(bound, labels, strict=True)}
    charges = [
        item
        for item in properties
        if item.quantity.startswith((_ION, _GAINED))
        and item.value is not None
        and (item.model, item.label) in places
    ]
    scheme = next((s for s in _SCHEMES if any(item.reference == s for item in charges)), None)
    chosen = [item for item in charges if item.reference == scheme]
    rows = [
        {
            "panel": _panel(item, chosen),
            "model": item.model,
            "label": item.label,
            "place": places[item.model, item.label],
            "quantity": item.quantity,
            "scheme": item.reference,
            "value": item.value,
            "status": item.status,
        }
        for item in chosen
    ]
    columns = ["panel", "model", "label", "place", "quantity", "scheme", "value", "status"]
    return pd.DataFrame(rows, columns=columns)


def _panel(item: Property, chosen: Sequence[Property]) -> int:
    """Return 0 for the ion, else the position of a layer among those of its host."""
    if item.quantity.startswith(_ION):
        return 0
    layers = dict.fromkeys(
        other.quantity
        for other in chosen
        if other.model == item.model and other.quantity.startswith(_GAINED)
    )
    return 1 + list(layers).index(item.quantity)


def draw_site_charges(source: Source) -> Drawing | None:
    """Draw the net charge of the ion at each site, below it what each layer gains there."""
    frame = site_charge_frame(source.properties)
    if frame.empty:
        return None
    rows = list(dict.fromkeys(frame["place"]))
    shown = frame.assign(label=frame["place"])
    n_panels = frame["panel"].nunique()
    figure, axes = panels(n_panels, 0.9 + n_panels * (0.35 + 0.17 * len(rows)))
    colours = styles(frame["model"])
    for ax, (_, part) in zip(axes, shown.groupby("panel"), strict=True):
        plot_sites(part, ax, rows=rows, colours=colours)
        ax.set_xlabel(f"{_shared_name(part['quantity'])} (e)")
    add_legend(figure, axes)
    remarks = (
        f"{frame['scheme'].iloc[0]} charges; of the ion positive: electrons lost",
        *poor_remark(frame, "crossed"),
        *renamed_remark(frame),
    )
    return Drawing(figure, frame.drop(columns="panel"), remarks)


def _shared_name(quantities: pd.Series) -> str:
    """Return one name for what a panel shows of hosts whose layers are called differently."""
    names = list(dict.fromkeys(quantities))
    return pretty(" or ".join([names[0], *(name.removeprefix(_GAINED) for name in names[1:])]))
