"""The methods section of a paper, written from what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from .. import __version__
from .citations import (
    Reference,
    bibtex,
    cite,
    cited,
    key_of_doi,
    reference,
    with_latex_citations,
    with_numbers,
)
from .method_protocol import bands, bookkeeping, cells, charges, energies, geometry, vibrations
from .method_theory import sampling, theory
from .published import papers
from .store import ResultStore
from .study_rows import StudyRow, study_rows

_OURS = ("quick", "paper", "converged", "gpaw")  # profiles whose inputs heterofire has made
_PLAIN_LATEX = str.maketrans({sign: f"\\{sign}" for sign in "&%#_"})
_LATEX = {
    "Å⁻¹": r"\AA$^{-1}$",
    "Å": r"\AA{}",
    "Γ": r"$\Gamma$",
    "σ": r"$\sigma$",
    "π": r"$\pi$",
    "×": r"$\times$",
    "−": "$-$",
    "E₀": "$E_0$",
}
_SUPERSCRIPTS = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Methods text of a study, and the literature it cites."""

    text: str  # paragraphs with citations as pandoc reads them: "PBE [@perdew1996]"
    bibtex: str  # the entries that the text cites, sorted by key

    @property
    def citations(self) -> tuple[str, ...]:
        """Return the keys of what is cited, in the order of the text."""
        return cited(self.text)

    @property
    def numbered(self) -> str:
        """Return the text with numbers for citations, those of `references`."""
        return with_numbers(self.text)

    @property
    def references(self) -> tuple[Reference, ...]:
        """Return what is cited, in the order of the text."""
        return tuple(reference(key) for key in self.citations)

    @property
    def latex(self) -> str:
        r"""Return the text for LaTeX: ``\cite``, escaped signs, units in its own spelling."""
        text = with_latex_citations(self.text.translate(_PLAIN_LATEX))
        for sign, written in _LATEX.items():
            text = text.replace(sign, written)
        return _latex_powers(text)


def methods_text(store: ResultStore, study: str, profile: str, engine: str) -> Methods:
    """Return the methods section of what is stored of a study.

    Parameters
    ----------
    store
        The only source: nothing is read from run folders or planned anew.
    study, profile, engine
        Whose calculations.

    Returns
    -------
    text and bibtex
        Of settings that all calculations share, each exception named, with units and citations.

    Raises
    ------
    InputError
        Nothing is stored of this study, profile and engine.
    """
    rows = [r for r in study_rows(store, study, profile, engine) if not r.is_superseded]
    properties = store.properties(study=study, profile=profile, engine=engine)
    computed = [row for row in rows if row.incar]
    is_ours = profile in _OURS
    paragraphs = [
        theory(computed),
        f"{cells(rows)} {sampling(computed)} {geometry(computed)}",
        f"{bands(computed, is_ours=is_ours)} {vibrations(computed, properties)}",
        charges(rows, properties),
        energies(properties),
        f"{_software(rows, is_ours=is_ours)} {_rebuilt(study)}",
        bookkeeping(rows, study, profile),
    ]
    text = "\n\n".join(" ".join(part.split()) for part in paragraphs if part.strip()) + "\n"
    return Methods(text=text, bibtex=bibtex(cited(text)))


def _software(rows: Sequence[StudyRow], *, is_ours: bool) -> str:
    """Return what built, ran and read the calculations."""
    if not is_ours:
        return (
            f"Outputs were parsed with pymatgen{cite('ong2013')} and analysed with heterofire "
            f"{__version__}."
        )
    return (
        f"Models, inputs and analysis are those of heterofire {__version__}, which builds on ASE"
        f"{cite('larsen2017')}, pymatgen{cite('ong2013')} and spglib{cite('togo2018')}; "
        f"calculations were run through FireWorks{cite('jain2015')} and custodian"
        f"{cite('ong2013')}."
    )


def _rebuilt(study: str) -> str:
    """Return which paper the study rebuilds; empty for a study of one's own."""
    dois = [doi for doi, paper in papers().items() if study in paper.studies]
    keys = [key for doi in dois if (key := key_of_doi(doi))]
    return f"The models follow the published study{cite(*keys)}." if keys else ""


def _latex_powers(text: str) -> str:
    """Return a text with superscript digits as powers."""
    out, power = [], ""
    for sign in text + " ":
        if sign in _SUPERSCRIPTS:
            power += _SUPERSCRIPTS[sign]
            continue
        if power:
            out.append(f"$^{{{power}}}$")
            power = ""
        out.append(sign)
    return "".join(out)[:-1]
