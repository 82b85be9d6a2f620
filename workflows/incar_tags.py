"""Which INCAR tags exist and what they take: VASP ignores a misspelt tag silently."""

from difflib import get_close_matches
from functools import cache
from typing import Any

# https://theory.cm.utexas.edu/vtsttools: tags that only a VASP built with VTST reads
VTST_TAGS = {
    "FDSTEP": (float,),
    "FTIMEDEC": (float,),
    "FTIMEINC": (float,),
    "FTIMEMAX": (float,),
    "ICHAIN": (int,),
    "ILBFGSMEM": (int,),
    "IOPT": (int,),
    "INVCURV": (float,),
    "LAUTOSCALE": (bool,),
    "LCLIMB": (bool,),
    "LDNEB": (bool,),
    "LGLOBAL": (bool,),
    "LLINEOPT": (bool,),
    "LNEBCELL": (bool,),
    "LTANGENTOLD": (bool,),
    "MAXMOVE": (float,),
    "SDALPHA": (float,),
    "STRETCH": (float,),
    "TIMESTEP": (float,),
}
# VASP manual, pages of these tags: all values that there are, and the smallest one
_CHOICES = {
    "IDIPOL": (1, 2, 3, 4),
    "ISIF": (0, 1, 2, 3, 4, 5, 6, 7, 8),
    "ISPIN": (1, 2),
    "LDAUTYPE": (1, 2, 4),
}
_ABOVE_ZERO = frozenset({"EDIFF", "ENCUT", "NBANDS", "NEDOS", "NELM", "NGXF", "NGYF", "NGZF"})
_NOT_NEGATIVE = frozenset({"IMAGES", "NELECT", "NELMIN", "NFREE", "NSW", "POTIM", "SIGMA"})
_TYPES = {"float": float, "int": int, "bool": bool, "str": str, "list": list}
_IN_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "text",
    list: "a list",
}


def tag_problem(tag: str, value: Any) -> str | None:
    """Return what is wrong with an INCAR tag, its type or its value, or None.

    Parameters
    ----------
    tag
        In upper case.
    value
        As Python knows it: number, bool, text or a list.

    Examples
    --------
    >>> tag_problem("ENCUT", 400)
    >>> tag_problem("ENCTU", 400)
    "unknown INCAR tag 'ENCTU'; VASP would ignore it silently. Did you mean 'ENCUT'?"
    >>> tag_problem("NSW", "many")
    "NSW = 'many' is not a whole number"
    >>> tag_problem("ISPIN", 7)
    'ISPIN = 7 is not 1 or 2'
    """
    kinds = _kinds(tag)
    if kinds is None:
        near = get_close_matches(tag, (*_vasp_tags(), *VTST_TAGS), n=1, cutoff=0.75)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"unknown INCAR tag {tag!r}; VASP would ignore it silently.{hint}"
    if any(_is_a(value, kind) for kind in kinds):
        return _value_problem(tag, value)
    return f"{tag} = {value!r} is not {' or '.join(_IN_WORDS[kind] for kind in kinds)}"


def _value_problem(tag: str, value: Any) -> str | None:
    """Return what is wrong with the value of a tag whose type fits, or None."""
    if value not in _CHOICES.get(tag, (value,)):
        *others, last = map(str, _CHOICES[tag])
        return f"{tag} = {value!r} is not {', '.join(others)} or {last}"
    if tag in _ABOVE_ZERO and value <= 0:
        return f"{tag} = {value!r} is not above zero"
    if tag in _NOT_NEGATIVE and value < 0:
        return f"{tag} = {value!r} is negative"
    return None


def _kinds(tag: str) -> tuple[type, ...] | None:
    """Return the Python types a tag takes; None for an unknown tag."""
    if tag in VTST_TAGS:
        return VTST_TAGS[tag]
    return _vasp_tags().get(tag)


@cache
def _vasp_tags() -> dict[str, tuple[type, ...]]:
    """Return the tags that pymatgen knows, and their types."""
    # takes 1 s to import, and most plans have no tag of their own to check
    from pymatgen.io.vasp.inputs import Incar

    kinds = {tag: str(entry["type"]).split("|") for tag, entry in Incar.INCAR_PARAMS.items()}
    return {tag: tuple(_TYPES[name.strip()] for name in names) for tag, names in kinds.items()}


def _is_a(value: Any, kind: type) -> bool:
    """Return whether a value fits a tag's type; an int fits a float, True no number."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    if kind is list:
        return isinstance(value, list | tuple)
    return isinstance(value, kind)
