"""The figure of binding energies of complexes, with interaction and preparation apart."""

import pandas as pd
from matplotlib.axes import Axes

from .drawings import Drawing, Source, add_legend, orderings_remark, panels, poor_remark
from .plots import BLACK, GREY, axes_or_new, name_rows, styles, with_minus
from .records import Property

_COLUMNS = [
    *("model", "label", "reference", "quantity", "binding", "interaction", "preparation"),
    *("placement", "status"),
]


def complex_frame(properties: list[Property]) -> pd.DataFrame:
    """Return every binding energy, with interaction and the sum of preparations where known.

    Returns
    -------
    pandas.DataFrame
        Columns model, label, reference, quantity, binding, interaction, preparation (eV), placement
        and status.
    """
    found = [item for item in properties if item.value is not None]
    rows = []
    for item in found:
        if not item.quantity.endswith("binding energy"):
            continue
        same = [p for p in found if (p.model, p.label) == (item.model, item.label)]
        same = [p for p in same if p.detail.get("placement") == item.detail.get("placement")]
        interaction = [
            p.value
            for p in same
            if p.quantity == item.quantity.replace("binding", "interaction")
            and p.reference == item.reference
        ]
        rows.append(
            {
                "model": item.model,
                "label": item.label,
                "reference": item.reference,
                "quantity": item.quantity,
                "binding": item.value,
                "interaction": interaction[0] if interaction else None,
                "preparation": _difference(item.value, interaction[0] if interaction else None),
                "placement": item.detail.get("placement", ""),
                "status": item.status,
            }
        )
    numbers = dict.fromkeys(("binding", "interaction", "preparation"), "float64")
    return pd.DataFrame(rows, columns=_COLUMNS).astype(numbers)


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def draw_complexes(source: Source) -> Drawing | None:
    """Draw the binding energies of all complexes, each against its own reference."""
    frame = complex_frame(source.properties)
    if frame.empty:
        return None
    figure, axes = panels(1, 1.2 + 0.3 * len(frame))
    usual = str(frame["reference"].mode().iloc[0])
    plot_complexes(frame, axes[0], usual=usual)
    add_legend(figure, axes)
    remarks = [f"against {usual}, where nothing else is said"] if usual else []
    remarks += [*poor_remark(frame, "hatched"), *orderings_remark(source)]
    return Drawing(figure, frame, tuple(remarks))


def plot_complexes(frame: pd.DataFrame, ax: Axes | None = None, *, usual: str = "") -> Axes:
    """Draw a bar per binding energy with its value, and a mark at the interaction energy.

    Parameters
    ----------
    frame
        See `complex_frame`.
    usual
        A reference that is not written beside each row.
    """
    ax = axes_or_new(ax)
    colours = styles(frame["model"])
    rows = frame.to_dict(orient="records")
    names = []
    for i, row in enumerate(rows):
        ax.barh(
            i, row["binding"], 0.7, color=colours[str(row["model"])][0], edgecolor="white", lw=0.3,
            hatch=None if row["status"] == "ok" else "////",
        )  # fmt: skip
        ax.annotate(
            with_minus(row["binding"]), (1.0, i), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center",
            fontsize=6.5,
        )  # fmt: skip
        against = f"\n({row['reference']})" if row["reference"] not in ("", usual) else ""
        guest = row["quantity"].removesuffix("binding energy").strip()
        what = f"{guest} on {row['model']}" if guest and guest != row["model"] else row["model"]
        label = "" if row["label"] == what else f"{', ' if against else chr(10)}{row['label']}"
        names.append(f"{what}{label}{against}")
    inner = frame[frame["interaction"].notna()]
    if len(inner):
        places = [list(frame.index).index(i) for i in inner.index]
        ax.plot(
            inner["interaction"], places, "D", mfc="white", mec=BLACK, ms=3.5, mew=0.7,
            label="interaction of the parts as in the complex",
        )  # fmt: skip
    ax.axvline(0.0, color=GREY, lw=0.6)
    name_rows(ax, names)
    ax.tick_params(axis="y", labelsize=6)
    ax.margins(x=0.08)
    ax.set_xlabel("binding energy (eV)")
    return ax
