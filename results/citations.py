"""The literature that methods texts cite, as BibTeX entries found by key or by DOI."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ..structures.errors import InputError

_ENTRY = re.compile(r"^@\w+\{([^,]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
_CITED = re.compile(r"@([A-Za-z][\w-]*)")
_BRACKETS = re.compile(r"\[(@[^\]]+)\]")
_FIELD = re.compile(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", re.MULTILINE)
_LETTERS = {
    r"{\"o}": "ö",
    r"{\"u}": "ü",
    r"{\'o}": "ó",
    r"{\'a}": "á",
    r"{\o}": "ø",
    "{r$^2$SCAN}": "r²SCAN",
    "``": "“",
    "''": "”",
}
_DOI = re.compile(r"^\s*doi\s*=\s*\{([^}]+)\}", re.MULTILINE)


@cache
def entries() -> dict[str, str]:
    """Return every BibTeX entry by its key.

    Examples
    --------
    >>> "10.1103/PhysRevLett.77.3865" in entries()["perdew1996"]
    True
    """
    text = (resources.files(__package__) / "data" / "references.bib").read_text(encoding="utf-8")
    return {found[1]: found[0] for found in _ENTRY.finditer(text)}


def key_of_doi(doi: str) -> str | None:
    """Return the key of the entry with this DOI, None where there is none.

    Examples
    --------
    >>> key_of_doi("10.1007/s40820-025-01992-x")
    'ma2026'
    """
    for key, entry in entries().items():
        if (found := _DOI.search(entry)) and found[1].lower() == doi.lower():
            return key
    return None


def cite(*keys: str) -> str:
    """Return a citation as pandoc reads it, to be put behind a word.

    Raises
    ------
    InputError
        There is no such entry.

    Examples
    --------
    >>> cite("kresse1996prb", "kresse1999")
    ' [@kresse1996prb; @kresse1999]'
    """
    for key in keys:
        if key not in entries():
            raise InputError(f"no reference {key!r} in results/data/references.bib: add it there.")
    return f" [{'; '.join(f'@{key}' for key in keys)}]" if keys else ""


def cited(text: str) -> tuple[str, ...]:
    """Return the keys that a text cites, in the order of their first mention.

    Examples
    --------
    >>> cited("PBE [@perdew1996] with D3 [@grimme2010; @perdew1996]; MoS2@NC is a name")
    ('perdew1996', 'grimme2010')
    """
    groups = _BRACKETS.findall(text)
    return tuple(dict.fromkeys(key for group in groups for key in _CITED.findall(group)))


def bibtex(keys: Iterable[str]) -> str:
    """Return the entries of some keys, sorted by key."""
    return "\n\n".join(entries()[key] for key in sorted(set(keys))) + "\n"


def with_latex_citations(text: str) -> str:
    r"""Return a text with ``\cite`` in the place of pandoc's brackets.

    Examples
    --------
    >>> print(with_latex_citations("PBE [@perdew1996; @grimme2010]"))
    PBE~\cite{perdew1996,grimme2010}
    """
    return re.sub(
        r" \[(@[^\]]+)\]",
        lambda found: rf"~\cite{{{','.join(_CITED.findall(found[1]))}}}",
        text,
    )


def with_numbers(text: str) -> str:
    """Return a text with numbers, by first mention, in the place of pandoc's keys.

    Examples
    --------
    >>> with_numbers("PBE [@perdew1996] with D3 [@grimme2010; @perdew1996]")
    'PBE [1] with D3 [2, 1]'
    """
    numbers = {key: str(number) for number, key in enumerate(cited(text), start=1)}
    return _BRACKETS.sub(
        lambda found: f"[{', '.join(numbers[key] for key in _CITED.findall(found[1]))}]", text
    )


@dataclass(frozen=True)
class Reference:
    """A cited work as a list of references shows it."""

    words: str  # authors, title, journal, year
    url: str


def reference(key: str) -> Reference:
    """Return a cited work in words.

    Examples
    --------
    >>> reference("tang2009").words
    'W. Tang, E. Sanville, G. Henkelman: A grid-based Bader analysis algorithm without lattice bias,
    J. Phys.: Condens. Matter 21, 084204 (2009)'
    """
    found = {name: _plain(value) for name, value in _FIELD.findall(entries()[key])}
    authors = ", ".join(_author(name) for name in found["author"].split(" and "))
    journal = " ".join(found[name] for name in ("journal", "volume") if name in found)
    eprint = f"arXiv:{found['eprint']}" if "eprint" in found else ""
    parts = [found.get("title"), journal or found.get("note") or eprint, found.get("pages")]
    year = f" ({found['year']})" if "year" in found else ""
    url = f"https://doi.org/{found['doi']}" if "doi" in found else found.get("url", "")
    return Reference(f"{authors}: {', '.join(part for part in parts if part)}{year}", url)


def _author(name: str) -> str:
    """Return initials and surname of "Surname, Given Names"."""
    surname, _, given = name.partition(", ")
    initials = " ".join(f"{part[0]}." for part in given.replace("-", " ").split())
    return f"{initials} {surname}".strip() if surname != "others" else "et al."


def _plain(value: str) -> str:
    """Return a field without TeX: accents as letters, dashes as one sign, no braces."""
    for written, letter in _LETTERS.items():
        value = value.replace(written, letter)
    return value.replace("---", ", ").replace("--", "-").replace("{", "").replace("}", "")
