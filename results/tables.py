"""Properties as tidy tables, and tables as text, CSV, JSON and LaTeX."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from ..structures.errors import InputError

if TYPE_CHECKING:  # records import pymatgen, which takes seconds
    from .records import Property

COLUMNS = (
    *("study", "profile", "engine", "method", "model", "quantity", "label", "reference"),
    *("value", "unit", "energy_kind", "status", "balance", "notes", "keys"),
)
SEPARATOR = " | "  # between notes or doubts, which may hold any other sign
_SHARED = ("study", "profile", "engine", "method")  # said once where all rows agree
_HIDDEN = {"keys"}
_LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def table(properties: "Iterable[Property]") -> pd.DataFrame:
    """Return one row per property, in the given order.

    Returns
    -------
    pandas.DataFrame
        ``value`` is NaN where it is missing; ``notes`` are joined by " | "; ``balance`` says what
        both sides of an energy hold.

    Examples
    --------
    >>> list(table([]).columns)[:4]
    ['study', 'profile', 'engine', 'method']
    """
    rows = [
        {name: getattr(item, name, "") for name in COLUMNS}
        | {"notes": SEPARATOR.join(item.notes), "keys": " ".join(item.keys)}
        | {"balance": balance_words(item)}
        for item in properties
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"value": "float64"})


def balance_words(item: "Property") -> str:
    """Return the atoms, charge and electrons of each side of an energy; empty for the rest.

    Where both sides hold the same, as they must, they are written once.
    """
    sides = item.detail.get("balance")
    if not sides or item.value is None:
        return ""
    words = [
        f"{side['atoms']:g} atoms, charge {side['charge']:+g}, {side['electrons']:g} electrons"
        for side in (sides["reactants"], sides["products"])
    ]
    return f"{words[0]} on each side" if words[0] == words[1] else " -> ".join(words)


def format_table(frame: pd.DataFrame, fmt: str) -> str:
    """Return a table as "text", "csv", "json" or "latex".

    Raises
    ------
    InputError
        There is no such format.
    """
    formats = {"text": to_text, "csv": to_csv, "json": to_json, "latex": to_latex}
    if fmt not in formats:
        raise InputError(f"no table format {fmt!r}: choose of {', '.join(formats)}")
    return formats[fmt](frame)


def to_text(frame: pd.DataFrame, *, written: Callable[[object], str] | None = None) -> str:
    """Return an aligned plain text table; numbers to 3 decimals, missing ones as "-".

    Study, profile, engine and method go into a line of their own where all rows agree; notes,
    doubts and balances become numbered lines below. Keys are left to the other formats.
    ``written`` may give other words for a value.

    Examples
    --------
    >>> print(to_text(pd.DataFrame({"engine": "xtb", "model": ["MoS2@NC", "K"],
    ...                             "value": [-1.5, None], "notes": ["coarse", ""]})))
    engine: xtb
    model     value  note
    MoS2@NC  -1.500  [1]
    K             -
    [1] coarse
    """
    if frame.empty:
        return "no rows"
    caption, shared = _agreed(frame)
    shown, notes = _footnotes(frame.drop(columns=[*shared, *(_HIDDEN & set(frame.columns))]))
    rows = _aligned(shown, written or _text)
    return "\n".join([*([caption] if caption else []), *rows, *notes])


def _agreed(frame: pd.DataFrame) -> tuple[str, list[str]]:
    """Return what all rows agree in, in words, and its columns."""
    shared = [name for name in _SHARED if name in frame and frame[name].nunique(dropna=False) == 1]
    said = {name: frame[name].iloc[0] for name in shared}
    words = [f"{name}: {value}" for name, value in said.items() if not _is_missing(value)]
    return ", ".join(words), shared


def _footnotes(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with numbers in the place of notes, and the numbered notes."""
    columns = [name for name in ("notes", "doubts", "balance") if name in frame]
    numbers: dict[str, int] = {}
    marks = []
    for row in frame[columns].itertuples(index=False):
        parts = [
            part for cell in row if isinstance(cell, str) for part in cell.split(SEPARATOR) if part
        ]
        marks.append("".join(f"[{numbers.setdefault(part, len(numbers) + 1)}]" for part in parts))
    shown = frame.drop(columns=columns)
    if numbers:
        shown = shown.assign(note=marks)
    return shown, [f"[{number}] {part}" for part, number in numbers.items()]


def _aligned(frame: pd.DataFrame, written: Callable[[object], str]) -> list[str]:
    """Return head and rows in columns; numbers to the right."""
    cells = [[str(name) for name in frame.columns], *_cells(frame, written)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    right = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    return [
        "  ".join(
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cells(frame: pd.DataFrame, written: Callable[[object], str]) -> list[list[str]]:
    """Return each row as text."""
    return [
        [_printed(value) if name == "published" else written(value) for name, value in row.items()]
        for row in frame.to_dict(orient="records")
    ]


def _text(value: object) -> str:
    if _is_missing(value):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _printed(value: object) -> str:
    """Return a published value with the digits it was printed with."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def to_csv(frame: pd.DataFrame) -> str:
    """Return CSV in full precision; missing values are empty."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def to_json(frame: pd.DataFrame) -> str:
    """Return a JSON list of rows in full precision; missing values are null."""
    rows = [
        {name: None if _is_missing(value) else value for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def to_latex(
    frame: pd.DataFrame,
    *,
    units: Mapping[str, str] | None = None,
    written: Callable[[object], str] | None = None,
) -> str:
    r"""Return a LaTeX tabular with booktabs rules.

    Parameters
    ----------
    units
        Of columns; they go into the head.
    written
        Gives other words for a value.

    Examples
    --------
    >>> print(to_latex(pd.DataFrame({"per_cent": ["5 %"], "value": [1.0]})))
    \begin{tabular}{lr}
    \toprule
    per\_cent & value \\
    \midrule
    5 \% & 1.000 \\
    \bottomrule
    \end{tabular}
    """
    caption, shared = _agreed(frame)
    shown, notes = _footnotes(frame.drop(columns=[*shared, *(_HIDDEN & set(frame.columns))]))
    notes = [*([caption] if caption else []), *notes]
    frame = shown
    kinds = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in frame.dtypes)
    rows = [[_latex(text) for text in row] for row in _cells(frame, written or _text)]
    head = [_headed(str(name), (units or {}).get(name, "")) for name in frame.columns]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            *(_latex_note(text, len(kinds)) for text in notes),
            r"\end{tabular}",
        ]
    )


def _latex_note(text: str, n_columns: int) -> str:
    return rf"\multicolumn{{{n_columns}}}{{l}}{{\footnotesize {_latex(text)}}} \\"


def _headed(name: str, unit: str) -> str:
    return f"{_latex(name)} ({latex_unit(unit)})" if unit else _latex(name)


def latex_unit(unit: str) -> str:
    r"""Return a unit for LaTeX.

    Examples
    --------
    >>> latex_unit("eV/Angstrom^2"), latex_unit("%")
    ('eV/\\AA$^{2}$', '\\%')
    """
    powers = re.sub(r"\\textasciicircum\{\}(-?\d+)", r"$^{\1}$", _latex(unit))
    return powers.replace("Angstrom", r"\AA{}").replace(r"\AA{}$", r"\AA$")


def _latex(text: str) -> str:
    """Return text in which no sign means anything to LaTeX; lines become one."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split("\n")))
