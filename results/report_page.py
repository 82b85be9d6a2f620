"""A report as one HTML page that needs nothing but itself."""

import hashlib
import json
from base64 import b64encode
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from .records import GEOMETRY
from .report import Report
from .report_calculations import CalculationRow, Geometry
from .report_figures import slug
from .report_stills import colour, is_boxed

_VENDORED = ("vendor/3Dmol-min.js", "vendor/uPlot.iife.min.js")
_LICENCES = {  # both ask to be passed on
    "3Dmol.js": "vendor/3Dmol-LICENSE.txt",
    "uPlot": "vendor/uPlot-LICENSE.txt",
}
_OWN = ("tables.js", "viewer.js", "charts.js", "start.js")
_STYLES = ("vendor/uPlot.min.css", "report.css")


def render_report(report: Report) -> str:
    """Return a report as HTML: same bytes from the same report.

    Scripts, styles, pictures and data are all inside, and the page's own security policy forbids
    anything to be fetched or any other script to run.

    Parameters
    ----------
    report
        What it says; every text in it is escaped, figures and stills are taken as they are.
    """
    scripts = [_asset(name) for name in _VENDORED]
    scripts.append("\n".join(_asset(name) for name in _OWN))
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        version=__version__,
        policy=_policy(scripts),
        scripts=[Markup(text) for text in scripts],  # noqa: S704 -- our own files
        styles=[Markup(_asset(name)) for name in _STYLES],  # noqa: S704 -- our own files
        licences=[(name, _asset(file)) for name, file in _LICENCES.items()],
        data=_data(report),
        elements=_elements(report),
        names={row.key: row.name for row in report.calculations},
    )


def _policy(scripts: list[str]) -> str:
    """Return the page's content security policy: these scripts, no other, and no network."""
    hashes = " ".join(
        f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    path = resources.files(__package__) / "report_assets" / name
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_asset),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": _fixed,
        "duration": duration,
        "slug": slug,
        "unit": _unit,
        "settings": _settings,
        "compact_json": _compact_json,
    }
    environment.globals |= {"colour": colour, "geometry": GEOMETRY}
    return environment


def _fixed(value: float | None, digits: int = 3) -> str:
    """Return a number as it is printed, with a true minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _unit(text: str) -> str:
    """Return a unit as it is printed."""
    return text.replace("^2", "²").replace("^3", "³").replace("Angstrom", "Å")


def duration(seconds: float) -> str:
    """Return a time as it is said.

    Examples
    --------
    >>> duration(0.43), duration(131), duration(7320)
    ('0.4 s', '2 min 11 s', '2 h 2 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    minutes, rest = divmod(total, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _settings(row: CalculationRow) -> list[tuple[str, str]]:
    """Return what a calculation was run with, by name, for reading."""
    pairs = [(name.replace("_", " "), value) for name, value in row.settings.items()]
    pairs += [(f"k-points {name}", value) for name, value in row.kpoints.items()]
    pairs.append(("INCAR", "; ".join(f"{tag} = {_plain(v)}" for tag, v in row.incar.items())))
    return [(name, _plain(value)) for name, value in pairs if value not in (None, [], "")]


def _plain(value: Any) -> str:
    """Return a value of a settings file as text; long lists are cut."""
    if isinstance(value, list | tuple):
        words = [_plain(part) for part in value[:24]]
        return " ".join(words) + (f" … ({len(value)} values)" if len(value) > 24 else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _elements(report: Report) -> list[str]:
    found = {symbol for model in report.models for symbol in model.geometry.symbols}
    return sorted(found)


def _data(report: Report) -> dict[str, Any]:
    """Return what the page's scripts work on."""
    return {
        "structures": {
            row.key: {"name": row.name, "images": [_atoms(g) for g in row.geometries]}
            for row in report.calculations
        },
        "dos": {figure.anchor: list(figure.dos) for figure in report.figures if figure.dos},
        "bands": list(report.bands),
    }


def _atoms(geometry: Geometry) -> dict[str, Any]:
    """Return atoms as briefly as JSON can hold them: to a thousandth of an Angstrom."""
    return {
        "e": " ".join(geometry.symbols),
        "x": [round(float(value), 3) for value in geometry.positions.ravel()],
        "c": [] if is_boxed(geometry) else [round(float(v), 4) for v in geometry.cell.ravel()],
        "w": geometry.words,
    }


def _compact_json(value: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in, whatever its texts hold."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 -- no sign is left that HTML knows
