"""Figures as a report holds them: inline SVG, words for those who cannot see, live plots."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pandas as pd

from ..structures.errors import RunError
from .figure_definitions import definition_of
from .figure_sources import StoredStudy
from .figures import render_figure
from .published import numbered_figures
from .records import Property

_MAX_CSV = 200_000  # bytes; longer ones are written by 'heterofire figure'
_MAX_VALUES = 12  # that are read out one by one


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """One figure of a study."""

    name: str  # "5b", "charges"
    number: str  # "Fig. 5b" where the paper has it
    title: str
    svg: str
    alt: str
    csv: str  # base64; empty where it is too large
    n_rows: int  # of its numbers
    dos: Sequence[dict[str, Any]]  # panels of a live plot; empty for anything but a DOS

    @property
    def anchor(self) -> str:
        """Return the id of the figure in the page."""
        return f"figure-{slug(self.name)}"


def slug(name: str) -> str:
    """Return a name as part of an id.

    Examples
    --------
    >>> slug("MoS2@NC / K")
    'MoS2-NC-K'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "x"


def report_figure(stored: StoredStudy, name: str) -> ReportFigure:
    """Draw a figure and return it with all that a report says of it.

    Raises
    ------
    InputError, RunError
        As `figures.draw_figure`.
    """
    definition = definition_of(stored.study, name)
    contents = render_figure(stored, name, kinds=("svg",)).contents
    svg, csv = (contents[kind].decode() for kind in ("svg", "csv"))
    frame = pd.read_csv(StringIO(csv))
    alt = f"{definition.title}. {summary(frame)}"
    return ReportFigure(
        name=name,
        number=f"Fig. {name}" if name in numbered_figures(stored.study) else "",
        title=definition.title,
        svg=inline_svg(svg, f"figure-{slug(name)}", alt),
        alt=alt,
        csv=b64encode(csv.encode()).decode() if len(csv) <= _MAX_CSV else "",
        n_rows=len(frame),
        dos=dos_panels(frame),
    )


def inline_svg(text: str, prefix: str, alt: str) -> str:
    """Return Matplotlib's SVG as an element of a page that holds others like it.

    Ids get a prefix of their own, the size is left to the page, and what a page cannot hold
    (declaration, document type, metadata, a style for every element) is left out.

    Examples
    --------
    >>> svg = '<?xml?><svg width="9pt" height="9pt"><g id="a"/><use href="#a"/></svg>'
    >>> inline_svg(svg, "f", "x")
    '<svg role="img" aria-label="x"><g id="f-a"/><use href="#f-a"/></svg>'
    """
    body = text[text.index("<svg") :].strip()
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    head, rest = body.split(">", 1)
    head = re.sub(r' (width|height|xmlns|version|xmlns:xlink)="[^"]*"', "", head)
    words = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return head.replace("<svg", f'<svg role="img" aria-label="{words}"', 1) + ">" + rest


def summary(frame: pd.DataFrame) -> str:
    """Return in words what a figure shows: its values, or their ranges where they are many.

    Examples
    --------
    >>> summary(pd.DataFrame({"model": ["A", "B"], "value": [1.0, 2.5], "unit": "eV"}))
    'A 1 eV; B 2.5 eV.'
    """
    if "value" in frame and len(frame) <= _MAX_VALUES:
        rows = frame.to_dict(orient="records")
        return "; ".join(_spoken(row) for row in rows) + "."
    words = []
    for name in ("model", "label", "route", "series", "fragment", "along"):
        if name in frame and not pd.api.types.is_numeric_dtype(frame[name]):
            found = [str(value) for value in frame[name].dropna().unique()]
            if 0 < len(found) <= _MAX_VALUES:
                words.append(f"{name}: {', '.join(found)}")
    for name in ("value", "energy", "net", "binding", "dos", "delta", "elf"):
        if name in frame and frame[name].notna().any():
            words.append(f"{name} from {frame[name].min():.3g} to {frame[name].max():.3g}")
    return "; ".join(words) + f"; {len(frame)} rows of numbers."


def _spoken(row: dict[Any, Any]) -> str:
    names = [str(row[n]) for n in ("model", "quantity", "label", "reference") if _is_text(row, n)]
    return f"{', '.join(names)} {row['value']:.3g} {row.get('unit', '')}".strip()


def _is_text(row: dict[Any, Any], name: str) -> bool:
    return isinstance(row.get(name), str) and bool(row[name])


def dos_panels(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the curves of a DOS figure by model, rounded for the screen; none of another one."""
    if not {"model", "series", "energy", "dos"} <= set(frame.columns):
        return []
    spins = frame["spin"] if "spin" in frame else pd.Series(1, index=frame.index)
    words = {1: " up", -1: " down"} if (spins < 0).any() else {1: ""}
    named = frame.assign(
        name=frame["series"].astype(str) + spins.map(words),
        drawn=frame["dos"] * spins,
    )
    zero = "on the common scale" if "fermi" in frame else "E - E_F"
    panels = []
    for model, part in named.groupby("model", sort=False):
        unit = str(part["unit"].iloc[0]) if "unit" in part else "states/eV/cell"
        curves = list(part.groupby("name", sort=False))
        energies = curves[0][1]["energy"]
        series = [{"name": str(n), "y": _rounded(c["drawn"])} for n, c in curves]
        if any(len(c) != len(energies) for _, c in curves):
            continue  # curves on grids of their own cannot share an axis
        panels.append(
            {"title": str(model), "unit": unit, "zero": zero, "x": _rounded(energies),
             "series": series}
        )  # fmt: skip
    return panels


def band_plots(properties: Iterable[Property], bands: set[str]) -> list[dict[str, Any]]:
    """Return every hop that has a curve: its images, the curve through them, its band's key.

    Parameters
    ----------
    properties
        Of the study; those that hold a path are taken.
    bands
        Keys of the stored bands.
    """
    plots = []
    for item in properties:
        if item.quantity != "barrier forward" or "path" not in item.detail:
            continue
        key = next((key for key in item.keys if key in bands), None)
        detail = {name: _rounded(item.detail[name]) for name in _CURVES if name in item.detail}
        plots.append(
            {"model": item.model, "label": item.label, "status": item.status, "key": key,
             "barrier": item.value, **detail}
        )  # fmt: skip
    return plots


_CURVES = ("path", "energies", "curve_path", "curve_energies")


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def figure_or_reason(stored: StoredStudy, name: str) -> ReportFigure | str:
    """Return a figure, or why there is nothing to draw yet."""
    try:
        return report_figure(stored, name)
    except RunError as error:
        return str(error)
