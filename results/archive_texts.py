"""What an archive says about itself: README, RO-Crate metadata, and a description for programs."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from .. import __version__
from .published import papers

FORMAT = 1  # of the archive; `verify` refuses a newer one
_PROGRAMS = ("ase", "matplotlib", "numpy", "pandas", "pymatgen", "scipy", "sqlalchemy")
_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_CRATE = "https://w3id.org/ro/crate/1.1"
_PARTS = {
    "study/": "The study file, and the structure files that it names",
    "calculations/": "Input files and a description of every calculation, one folder each",
    "calculations.csv": "All calculations in one table: name, folder, settings, energy, status",
    "structures/": "Structures at the end of each calculation, as CIF",
    "tables/table.csv": "Derived numbers with units, sources and notes",
    "tables/table.json": "The same for programs",
    "tables/compare.csv": "Published values beside computed ones",
    "tables/compare.json": "The same for programs",
    "figures/": "Figures as PNG, SVG and PDF, with their numbers as CSV",
    "database/results.db": "SQLite database with all of the study, arrays included",
    "methods.md": "Methods text, citations as pandoc reads them",
    "references.bib": "The literature that the methods text cites",
    "outputs/": "Raw outputs of the run folders",
    "archive.json": "What this archive is, for programs",
    "README.md": "What is what",
}


@dataclass(frozen=True, kw_only=True)
class About:
    """What the texts are about."""

    study: str
    title: str
    profile: str
    engine: str
    methods: tuple[str, ...]  # "GFN1-xTB, 1000 K"
    paper: str  # DOI, or empty
    licence: str  # SPDX identifier, or empty
    date: str  # of the newest row, ISO 8601
    counts: Mapping[str, int]  # "calculations", "unconverged", "superseded", "numbers", "figures"
    notes: tuple[str, ...]  # what is not in the archive, and why

    @property
    def name(self) -> str:
        """Return the name of the folder that the archive unpacks to."""
        return f"{self.study}-{self.profile}-{self.engine}"


def archive_json(about: About, schema: int) -> str:
    """Return the description that `verify` reads."""
    versions = {name: metadata.version(name) for name in _PROGRAMS}
    return _json(
        {
            "format": FORMAT,
            "study": about.study,
            "title": about.title,
            "profile": about.profile,
            "engine": about.engine,
            "methods": list(about.methods),
            "paper": about.paper,
            "license": about.licence,
            "newest_row": about.date,
            "counts": dict(about.counts),
            "notes": list(about.notes),
            "schema": schema,
            "software": {"heterofire": __version__, "python": platform.python_version()} | versions,
            "units": "eV, Angstrom, e, eV/Angstrom; energies are E0, energy(sigma -> 0)",
        }
    )


def crate_json(about: About, files: Sequence[str]) -> str:
    """Return ro-crate-metadata.json (RO-Crate 1.1), which data repositories read."""
    there = [part for part in _PARTS if any(_is_part(part, file) for file in files)]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{about.title} ({about.study}, profile {about.profile}, engine {about.engine})",
        "description": _summary(about),
        "datePublished": about.date[:10],
        "hasPart": [{"@id": part} for part in there],
        "instrument": {"@id": "#heterofire"},
    }
    if about.licence:
        root["license"] = {"@id": f"https://spdx.org/licenses/{about.licence}"}
    if about.paper:
        root["citation"] = {"@id": f"https://doi.org/{about.paper}"}
    return _json({"@context": _CONTEXT, "@graph": [_descriptor(), root, *_entities(about, there)]})


def _descriptor() -> dict[str, Any]:
    return {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE},
        "about": {"@id": "./"},
    }


def _entities(about: About, there: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the root names: parts, program, paper."""
    found: list[dict[str, Any]] = [
        {
            "@id": part,
            "@type": "Dataset" if part.endswith("/") else "File",
            "name": part.rstrip("/"),
            "description": _PARTS[part],
        }
        for part in there
    ]
    found.append(
        {
            "@id": "#heterofire",
            "@type": "SoftwareApplication",
            "name": "heterofire",
            "softwareVersion": __version__,
        }
    )
    if about.paper:
        paper = papers().get(about.paper)
        name = paper.citation if paper else about.paper
        link = f"https://doi.org/{about.paper}"
        found.append({"@id": link, "@type": "ScholarlyArticle", "name": name})
    return found


def _is_part(part: str, file: str) -> bool:
    return file.startswith(part) if part.endswith("/") else file == part


def _summary(about: About) -> str:
    counts = about.counts
    failed = counts["unconverged"]
    converged = f"{failed} of them not converged" if failed else "all of them converged"
    replaced = counts["superseded"]
    if replaced:
        converged += f", {replaced} replaced by later ones of the same name"
    return (
        f"{counts['calculations']} atomistic calculations ({', '.join(about.methods)}) of the "
        f"study {about.study}, {converged}, with {counts['numbers']} derived numbers and "
        f"{counts['figures']} figures."
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def readme(about: About, files: Sequence[str]) -> str:
    """Return the README.md of an archive."""
    parts = [
        f"| `{part}` | {text} |"
        for part, text in _PARTS.items()
        if any(_is_part(part, file) for file in files)
    ]
    notes = [f"- {note}" for note in (*_ALWAYS_MISSING, *about.notes)]
    return _README.format(
        title=about.title,
        summary=_summary(about),
        method=" and ".join(about.methods),
        parts="\n".join(parts),
        notes="\n".join(notes),
        study=about.study,
        profile=about.profile,
        engine=about.engine,
        name=about.name,
        licence=_licence(about),
        potcars=_POTCARS if about.engine == "vasp" else _NO_POTCARS,
        date=about.date[:10],
        version=__version__,
    )


def _licence(about: About) -> str:
    if about.licence:
        return f"The data are under {about.licence} (https://spdx.org/licenses/{about.licence})."
    return (
        "No licence was chosen when this archive was written: nobody but its authors may reuse\n"
        "the data until they name one (CC-BY-4.0 is usual for data)."
    )


_POTCARS = """\
POTCAR files are licensed by VASP and are not in here: POTCAR.spec names the symbol for each block
of atoms, and `calculation.json` the TITEL, with its date, of each data set."""
_NO_POTCARS = """\
The engine reads VASP's input files but uses no POTCAR: POTCAR.spec names what VASP would take with
the same inputs. No POTCAR, which VASP licenses, is in here."""
_ALWAYS_MISSING = (
    "POTCAR files",
    "Images at the start of elastic bands; those at the end are there",
)

_README = """\
# {title}

{summary}
Written by heterofire {version}; the newest row is of {date}. Every number here was computed with
{method} (engine {engine}) unless a table says otherwise.

## What is what

This is a BagIt bag (RFC 8493): checksums of all files are in `manifest-sha256.txt` beside `data/`,
and the paths below are inside `data/`.

| path | content |
|---|---|
{parts}

Units: eV, Angstrom, eV/Angstrom, e, Bohr magneton, s; columns of tables name theirs. Energies of
calculations are E0, energy(sigma -> 0). A folder of `calculations/` holds INCAR, KPOINTS, POSCAR
(the start), CONTCAR (the end), POTCAR.spec and `calculation.json` with settings, energies,
convergence and notes. An INCAR is that of the last part of a run that was continued. The database
also holds, in its column `folder`, where each run lay on the machine that computed it.

{potcars}

## Not in this archive

{notes}

## Check, and draw the figures anew

    heterofire verify {name}.zip

    cp database/results.db results.db        # a copy: opening a database changes the file
    export HETEROFIRE_DB=$PWD/results.db
    heterofire figure study/{study}.yaml --profile {profile} --engine {engine} -o redrawn
    heterofire table study/{study}.yaml --profile {profile} --engine {engine}

## Licence and citation

{licence}
Please cite what `references.bib` lists, and the paper that this archive belongs to.
"""
