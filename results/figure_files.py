"""Figures as files: PNG, SVG and PDF of one layout, each with the record of its rows inside."""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from ..structures.errors import InputError
from .figure_records import FigureRecord, read_record, record_text

KINDS = ("png", "svg", "pdf", "csv")
DPI = 300
STYLE: dict[str, Any] = {
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
    "pdf.fonttype": 42,  # TrueType: text stays text
}
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_PNG_KEY = "heterofire"


def render(
    figure: Figure, record: FigureRecord, title: str, kinds: Collection[str]
) -> dict[str, bytes]:
    """Return a figure in several formats, with its record inside; no date, so bytes repeat.

    Parameters
    ----------
    title
        What the files say they show.
    kinds
        Of "png", "svg" and "pdf".
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    # The layout is settled. With None, unlike "none", no format draws everything once more for it.
    with mpl.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    contents = {}
    for kind, metadata in _metadata(record, title).items():
        if kind not in kinds:
            continue
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
        contents[kind] = stream.getvalue()
    return contents


def _metadata(record: FigureRecord, title: str) -> dict[str, dict[str, Any]]:
    text, creator = record_text(record), f"heterofire {record.heterofire}"
    return {
        "png": {"Software": creator, "Title": title, _PNG_KEY: text},
        "svg": {"Date": None, "Creator": creator, "Title": title, "Description": text},
        "pdf": {
            "CreationDate": None,
            "Creator": creator,
            "Producer": None,
            "Title": title,
            "Keywords": text,
        },
    }


def font_name() -> str:
    """Return the font that the style finds on this machine."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    with mpl.rc_context(STYLE):
        return str(get_font(findfont(FontProperties())).family_name)


def read_figure(path: Path) -> FigureRecord:
    """Return the record inside a figure.

    Parameters
    ----------
    path
        A PNG, SVG or PDF that heterofire has drawn.

    Raises
    ------
    InputError
        There is no such file, it is of another kind, or there is no record in it.
    """
    readers = {b"\x89PNG": _png_text, b"%PDF": _pdf_text}
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    reader = readers.get(data[:4], _svg_text if b"<svg" in data[:2000] else None)
    if reader is None:
        raise InputError(
            f"{path} is no PNG, SVG or PDF: the record of a figure is in these "
            "(the numbers in its CSV have none)."
        )
    return read_record(reader(data, str(path)), str(path))


def _png_text(data: bytes, where: str) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return str(getattr(image, "text", {}).get(_PNG_KEY, ""))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise InputError(f"{where} is a damaged PNG ({error}).") from error


def _svg_text(data: bytes, where: str) -> str:
    try:
        # expat itself refuses entities that blow up
        root = ElementTree.fromstring(data)  # noqa: S314
    except ElementTree.ParseError as error:
        raise InputError(f"{where} is a damaged SVG ({error}).") from error
    found = root.find(f".//{_DESCRIPTION}")
    return "" if found is None else found.text or ""


def _pdf_text(data: bytes, where: str) -> str:
    from pypdf import PdfReader  # slow to import
    from pypdf.errors import PyPdfError

    try:
        about = PdfReader(io.BytesIO(data)).metadata
    except (PyPdfError, ValueError, KeyError) as error:
        raise InputError(f"{where} is a damaged PDF ({error}).") from error
    return str(about.get("/Keywords", "")) if about else ""
