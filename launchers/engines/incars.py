"""INCAR as VASP reads it: raw words per tag, first one wins."""

import re
from pathlib import Path

from ...structures.errors import InputError

_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)


def read_incar(path: Path) -> dict[str, str]:
    """Return the tags of an INCAR file in the order of the file.

    Raises
    ------
    InputError
        The file is missing.
    """
    try:
        return parse_incar(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def parse_incar(text: str) -> dict[str, str]:
    r"""Return upper-case tags with their values as text.

    Comments start at ``#`` or ``!``, ``;`` parts two tags on a line, a backslash at the end
    of a line continues it, and a tag given twice keeps its first value, as in VASP.

    Examples
    --------
    >>> parse_incar("ISMEAR = -1; SIGMA = 0.0862 ! Fermi\nMAGMOM = 1 \\\n 2\nSIGMA = 9")
    {'ISMEAR': '-1', 'SIGMA': '0.0862', 'MAGMOM': '1 2'}
    """
    tags: dict[str, str] = {}
    joined = re.sub(r"\\[ \t]*\n", " ", text)
    for line in joined.splitlines():
        for part in re.split(r"[#!]", line, maxsplit=1)[0].split(";"):
            if match := _ASSIGNMENT.match(part):
                tags.setdefault(match[1].upper(), " ".join(match[2].split()))
    return tags
