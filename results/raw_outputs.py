"""Raw outputs of run folders for an archive: known files, never a POTCAR, nothing from outside."""

import re
from collections.abc import Iterator
from pathlib import Path

from .potcar_guard import potcar_problem
from .study_rows import StudyRow

_OUTPUTS = frozenset(
    {
        *("INCAR", "KPOINTS", "POSCAR", "POTCAR.spec", "CONTCAR", "OUTCAR", "OSZICAR"),
        *("vasprun.xml", "DOSCAR", "EIGENVAL", "XDATCAR", "IBZKPT", "ACF.dat", "engine.json"),
    }
)
_DENSITIES = frozenset(
    {"CHGCAR", "AECCAR0", "AECCAR1", "AECCAR2", "ELFCAR", "LOCPOT", "PARCHG", "CHG"}
)
_FOLDERS = re.compile(r"^(\d\d|part-\d+)$")  # images of a band, earlier parts of a run
_PACKING = re.compile(r"\.(gz|bz2|xz)$")


def raw_outputs(row: StudyRow, *, densities: bool) -> tuple[dict[str, Path], list[str]]:
    """Return the files of a calculation's run folder that may be published.

    Parameters
    ----------
    row
        The calculation, whose folder may have been moved away.
    densities
        Whether densities on grids, which are large, come along.

    Returns
    -------
    files, notes
        Files by their path inside the folder; what was left out that might be missed, and why.
    """
    folder = Path(str(row.columns["folder"]))
    if not folder.is_dir():
        return {}, [f"{row.name}: its run folder is not here any more; no raw outputs"]
    wanted = _OUTPUTS | _DENSITIES if densities else _OUTPUTS
    files, notes = {}, []
    for path in _known_files(folder, wanted):
        inside = path.relative_to(folder).as_posix()
        if problem := _problem(path, folder):
            notes.append(f"{row.name}: {inside} {problem}; left out")
        else:
            files[inside] = path
    return files, notes


def _known_files(folder: Path, wanted: frozenset[str]) -> Iterator[Path]:
    """Yield the files with known names in a run folder and in those of its images and parts."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and _FOLDERS.match(path.name):
            yield from _known_files(path, wanted)
        elif _PACKING.sub("", path.name) in wanted:
            yield path


def _problem(path: Path, folder: Path) -> str:
    """Return why a file must not be published; empty where it may."""
    if not path.resolve().is_relative_to(folder.resolve()):
        return "is a link that leads out of the run folder"
    if not path.is_file():
        return "is no file"
    try:
        with path.open("rb") as stream:
            return potcar_problem(stream)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
