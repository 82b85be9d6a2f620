"""Archives of a study, their verification, and the methods text, for the terminal."""

import json
import re
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from .. import workflows
from ..structures.errors import InputError
from ..workflows.study import Study
from ..workflows.study_reading import load_study, study_names
from .project import Project, checked_profile

if TYPE_CHECKING:
    from ..results.archives import ArchiveRequest, ArchiveSummary
    from ..results.store import ResultStore

_SPDX = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")
_GIGA = 1e9


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What the command line asks for."""

    profile: str
    outputs: bool = False
    densities: bool = False
    licence: str = ""
    dry_run: bool = False
    as_json: bool = False


def export_study(
    project: Project, study: str, output: Path | None, options: ExportOptions
) -> "ArchiveSummary":
    """Write the archive of a study, or say what would be in it.

    Raises
    ------
    InputError
        There is no result database or nothing of this study in it; the file to write is there
        and is no archive; the licence is no SPDX identifier.
    """
    from ..results.archives import plan_archive, write_archive  # slow: pandas, SQLAlchemy

    request = _request(project, study, options)
    path = _target(output, f"{request.study}-{request.profile}-{request.engine}.zip")
    store = existing_store(project)
    if options.dry_run:
        summary = plan_archive(store, request)
    else:
        summary = write_archive(store, request, path, progress=_say)
    _print_summary(summary, path, request, options)
    return summary


def existing_store(project: Project) -> "ResultStore":
    """Return the result database; one that is not there is not made."""
    if not project.has_store():
        raise InputError(
            f"there is no result database {project.settings.database}: run a study in this "
            "folder first, or name a database in HETEROFIRE_DB."
        )
    return project.store


def _request(project: Project, study: str, options: ExportOptions) -> "ArchiveRequest":
    from ..results.archives import ArchiveRequest  # slow: pandas

    if options.licence and not _SPDX.match(options.licence):
        raise InputError(
            f"{options.licence!r} is no SPDX identifier: CC-BY-4.0 and CC0-1.0 are usual for data."
        )
    loaded = _study(study)
    return ArchiveRequest(
        study=study if loaded is None else loaded.study,
        title=f"Calculations of {study}" if loaded is None else loaded.title,
        profile=options.profile,
        engine=project.settings.engine,
        paper="" if loaded is None else loaded.paper,
        figures=() if loaded is None else loaded.figures_in(checked_profile(options.profile)),
        study_files={} if loaded is None else _study_files(study, loaded),
        licence=options.licence,
        outputs=options.outputs or options.densities,
        densities=options.densities,
    )


def _study(name: str) -> Study | None:
    """Return a study file; None for a name that only the database may know."""
    is_file = Path(name).suffix in (".yaml", ".yml")
    return load_study(name) if is_file or name in study_names() else None


def study_name(text: str) -> str:
    """Return the name by which the database knows a study, given that or its file."""
    loaded = _study(text)
    return text if loaded is None else loaded.study


def _study_files(name: str, study: Study) -> dict[str, bytes]:
    """Return the study file under the study's name, and the structure files that it names."""
    if name in study_names():
        source = resources.files(workflows) / "studies" / f"{name}.yaml"
        return {f"{name}.yaml": source.read_bytes()}
    path = Path(name)
    folder = path.resolve().parent
    files = {f"{study.study}.yaml": path.read_bytes()}
    for file in study.crystals.values():
        files[Path(file).relative_to(folder).as_posix()] = Path(file).read_bytes()
    return files


def _target(output: Path | None, name: str) -> Path:
    """Return the file to write; anything there that is no archive is left alone."""
    path = Path(name) if output is None else output / name if output.is_dir() else output
    if path.exists() and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is there and is no archive: name another file with -o.")
    return path


def _print_summary(
    summary: "ArchiveSummary", path: Path, request: "ArchiveRequest", options: ExportOptions
) -> None:
    """Print what is in an archive, or would be."""
    size = sum(summary.files.values())
    if options.as_json:
        about = {
            "archive": None if options.dry_run else str(path),
            "sha256": summary.sha256,
            "files": dict(summary.files),
            "counts": dict(summary.about.counts),
            "notes": list(summary.about.notes),
        }
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return
    parts = Counter("/".join(name.split("/")[:-1][:1]) or name for name in summary.files)
    for part, number in parts.items():
        print(part if part in summary.files else f"{part}/  {number}")
    if options.dry_run:
        print(f"and a database extract, {len(request.figures)} figures; nothing was written")
    for note in summary.about.notes:
        print(f"not in it: {note}", file=sys.stderr)
    if not options.dry_run:
        print(f"{path}: {len(summary.files)} files, {size / 1e6:.1f} MB unpacked")
        print(f"sha256 {summary.sha256}")


def print_verification(path: Path, *, max_gigabytes: float | None, as_json: bool) -> int:
    """Print what is right and wrong with an archive; return the exit code."""
    from ..results.verifying import verify_archive  # slow: pandas, SQLAlchemy

    max_bytes = None if max_gigabytes is None else int(max_gigabytes * _GIGA)
    found = verify_archive(path, max_bytes=max_bytes, progress=_say)
    if as_json:
        about = {name: found.about.get(name) for name in ("study", "profile", "engine", "format")}
        result = {"good": found.is_good, "problems": found.problems, "checks": found.checks}
        print(json.dumps(result | {"about": about}, indent=2, ensure_ascii=False))
        return 0 if found.is_good else 1
    for check in found.checks:
        print(f"ok: {check}")
    for problem in found.problems:
        print(f"wrong: {problem}")
    print(f"{path} is good" if found.is_good else f"{path}: {len(found.problems)} problems")
    return 0 if found.is_good else 1


def print_methods(project: Project, study: str, profile: str, kind: str) -> None:
    """Print the methods text of a study as "text", "latex", "bibtex" or "json"."""
    from ..results.methods import methods_text  # slow: pymatgen, SQLAlchemy

    store = existing_store(project)
    methods = methods_text(store, study_name(study), profile, project.settings.engine)
    if kind == "json":
        about = {"text": methods.text, "latex": methods.latex, "bibtex": methods.bibtex}
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return
    text = {"text": methods.text, "latex": methods.latex, "bibtex": methods.bibtex}[kind]
    print(text, end="")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
