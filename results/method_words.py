"""Numbers and exceptions as a methods section writes them."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from .study_rows import StudyRow

Value = TypeVar("Value", bound=Hashable)

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_N_NAMED = 3
_N_MODELS = 12
TASKS = {  # one, several
    "bulk": ("reference crystal", "reference crystals"),
    "charge": ("charge-density calculation", "charge-density calculations"),
    "charge-difference": ("density difference", "density differences"),
    "dos": ("density-of-states calculation", "density-of-states calculations"),
    "elf": ("calculation of the ELF", "calculations of the ELF"),
    "molecule": ("relaxation of a molecule or complex", "relaxations of molecules and complexes"),
    "neb": ("elastic band", "elastic bands"),
    "relax": ("relaxation", "relaxations"),
    "static": ("calculation at fixed geometry", "calculations at fixed geometry"),
    "vibrations": ("vibrational calculation", "vibrational calculations"),
}


def scientific(value: float) -> str:
    """Return a small number as a power of ten.

    Examples
    --------
    >>> scientific(1e-5), scientific(5e-6), scientific(0.02)
    ('10⁻⁵', '5 × 10⁻⁶', '0.02')
    """
    if value <= 0 or 0.001 <= value < 10_000:
        return f"{value:g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    digits = f"{float(mantissa):g}"
    return power if digits == "1" else f"{digits} × {power}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in prose.

    Examples
    --------
    >>> listed(["K atom"]), listed(["K atom", "bcc K"]), listed(["a", "b", "c"])
    ('K atom', 'K atom and bcc K', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "image"), counted(3, "image")
    ('1 image', '3 images')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def between(values: Sequence[float], digits: int = 3) -> str:
    """Return one number, or the range of several.

    Examples
    --------
    >>> between([0.25, 0.25]), between([0.85, 0.24, 0.5])
    ('0.25', '0.24 to 0.85')
    """
    low, high = (f"{value:.{digits}g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def agreed(
    rows: Sequence[StudyRow],
    value_of: Callable[[StudyRow], Value],
    words: Callable[[Value], str],
) -> str:
    """Return what most calculations have, with the others named: "400 eV (520 eV in K/bulk)".

    Parameters
    ----------
    rows
        At least one.
    value_of
        The setting that is asked for.
    words
        How one value is written.
    """
    values = {row.key: value_of(row) for row in rows}
    common = Counter(values.values()).most_common()
    if len(common) == 1:
        return words(common[0][0])
    others = [
        f"{words(value)} in {where([r for r in rows if values[r.key] == value], rows)}"
        for value, _ in common[1:]
    ]
    return f"{words(common[0][0])} ({'; '.join(others)})"


def where(some: Sequence[StudyRow], among: Sequence[StudyRow]) -> str:
    """Return which calculations are meant: all of a task or model, a few names, or how many."""
    tasks = {task for row in some for task in row.tasks}
    if _covers(some, [row for row in among if tasks.intersection(row.tasks)]):
        return "the " + listed([TASKS.get(task, (task, task))[1] for task in sorted(tasks)])
    if len(some) <= _N_NAMED:
        return listed([row.name for row in some])
    whole = _whole_models(some, among)
    inside = [row for row in some if set(row.models) <= set(whole)]
    if 0 < len(whole) <= _N_MODELS and 2 * len(inside) >= len(some):
        others = f" and {len(some) - len(inside)} others" if len(inside) < len(some) else ""
        return f"all calculations of {listed(whole)}{others}"
    return f"{len(some)} calculations, among them {some[0].name} and {some[-1].name}"


def _whole_models(some: Sequence[StudyRow], among: Sequence[StudyRow]) -> list[str]:
    """Return the models all of whose calculations are among some."""
    keys = {row.key for row in some}
    outside = {model for row in among if row.key not in keys for model in row.models}
    return sorted({model for row in some for model in row.models} - outside)


def _covers(some: Sequence[StudyRow], every: Sequence[StudyRow]) -> bool:
    return len(some) == len(every)
