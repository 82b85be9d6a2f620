"""Folders in, VASP runs and bands out: which files belong together, before any of them is read.

A run is a vasprun.xml with the OUTCAR of the same tag (``vasprun.xml.relax1`` and
``OUTCAR.relax1.gz``). A folder with image folders 00, 01, 02 ... is one band, and these are no runs
of their own. Symbolic links are followed inside of the folders that were named, never out of them.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..structures.errors import InputError, RunError
from .folder_listings import Listing, is_inside, list_folder, printable
from .run_files import find_file, read_bytes

_VASPRUN = re.compile(r"vasprun(?P<infix>[._-].*?)?\.xml(?P<tag>[._-].*)?")
_OUTCAR = re.compile(r"OUTCAR(?P<tag>[._-].*)?")
_INPUTS = ("INCAR", "POSCAR", "KPOINTS", "POTCAR")
_OTHERS = (
    *("CONTCAR", "OSZICAR", "XDATCAR", "DOSCAR", "EIGENVAL", "PROCAR", "IBZKPT", "PCDAT"),
    *("CHG", "CHGCAR", "AECCAR0", "AECCAR1", "AECCAR2", "WAVECAR", "LOCPOT", "ELFCAR"),
)
_OF_VASP = re.compile(rf"({'|'.join((*_INPUTS, *_OTHERS))})(?:[._-].*)?")
_BESIDE = ("POSCAR", "LOCPOT", "custodian.json", "corrections.json", "engine.json")
_OF_A_BAND = ("INCAR", "KPOINTS", "custodian.json", "corrections.json", "engine.json")
_OF_AN_IMAGE = ("POSCAR", "CONTCAR", "OUTCAR", "OSZICAR")
_PACKED = re.compile(r"\.(bz2|xz|lzma|Z|zip|zst|7z|tar|tgz)$")
_IMAGE = re.compile(r"\d\d")
_PART = re.compile(r"part-\d+")
_IMAGES_TAG = re.compile(rb"^\s*IMAGES\s*=\s*0*[1-9]", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The files that may be one calculation, not read yet."""

    folder: Path  # absolute
    name: str  # relative to where the named folder lies, with the tag: "runs/a (relax2)"
    tag: str  # ".relax2" of several runs in one folder; else ""
    vasprun: Path | None  # None of a band
    outcar: Path | None
    poscar: Path | None
    files: tuple[Path, ...]  # all that is read; a change of one of them is a change of the run
    notes: tuple[str, ...] = ()
    has_firework: bool = False  # FW.json is there: heterofire may have made it

    @property
    def is_band(self) -> bool:
        """Return whether it is a nudged elastic band."""
        return self.vasprun is None


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A folder, or a run in it, that was not taken in, and why."""

    name: str
    folder: Path
    reason: str


def find_runs(folders: Sequence[str | os.PathLike[str]]) -> Iterator[Candidate | LeftOut]:
    """Yield every run and band below some folders, and the folders of VASP that hold none.

    Parameters
    ----------
    folders
        Where to look; one inside another is looked at once.

    Yields
    ------
    Candidate or LeftOut
        In order of their paths. Folders without any file of VASP's are passed over.

    Raises
    ------
    InputError
        A folder is not there.

    Examples
    --------
    >>> list(find_runs(["no such folder"]))
    Traceback (most recent call last):
    heterofire.structures.errors.InputError: no such folder: no such folder. Name one that ...
    """
    roots = [_root(folder) for folder in folders]
    seen: set[tuple[int, int]] = set()
    for root in roots:
        waiting = [(root, printable(root.name or str(root)), False)]
        while waiting:
            path, name, is_owned = waiting.pop()
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                listing = list_folder(path, name, roots)
                images = _images(listing)
                found = [] if is_owned else list(_of_folder(listing, images))
            except OSError as error:
                found = [LeftOut(name=name, folder=path, reason=_cannot("be listed", error))]
            else:
                waiting += _below(listing, images)
            yield from found


def _root(folder: str | os.PathLike[str]) -> Path:
    """Return a named folder without links; only what lies below must not lead out."""
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. Name one that holds finished VASP runs.")
    return path.resolve()


def _cannot(what: str, error: OSError) -> str:
    return f"cannot {what}: {error.strerror or error}"


def _below(listing: Listing, images: Sequence[Path]) -> list[tuple[Path, str, bool]]:
    """Return the folders to look into next, the first one last, and whether a run owns them."""
    has_run = bool(_grouped(listing.files)) or listing.find("INCAR") is not None
    return [
        (
            path,
            f"{listing.name}/{printable(name)}",
            path in images or (has_run and _PART.fullmatch(name) is not None),
        )
        for name, path in sorted(listing.folders.items(), reverse=True)
        if name not in listing.links  # what they lead to is looked at where it lies
    ]


def _images(listing: Listing) -> list[Path]:
    """Return the image folders of a band; numbered folders with runs of their own are none."""
    names = sorted(name for name in listing.folders if _IMAGE.fullmatch(name))
    images = [listing.folders[name] for name in names]
    if not images or "00" not in listing.folders:
        return []
    incar = listing.find("INCAR")
    if incar is not None and _asks_for_images(incar):
        return images
    have_inputs = any(find_file(image, "INCAR") for image in images)
    starts_as_run = incar is None and find_file(images[0], "vasprun.xml") is not None
    return [] if len(images) < 3 or have_inputs or starts_as_run else images


def _asks_for_images(incar: Path) -> bool:
    try:
        return _IMAGES_TAG.search(read_bytes(incar)) is not None
    except RunError:
        return False


def _grouped(names: Mapping[str, Path]) -> dict[str, dict[str, list[str]]]:
    """Return the names of vasprun.xml and OUTCAR files by tag, the plain one of each first."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in sorted(names):
        plain = name.removesuffix(".gz")
        if match := _VASPRUN.fullmatch(plain):
            groups[(match["infix"] or "") + (match["tag"] or "")]["vasprun.xml"].append(name)
        elif match := _OUTCAR.fullmatch(plain):
            groups[match["tag"] or ""]["OUTCAR"].append(name)
    return groups


def _of_folder(listing: Listing, images: Sequence[Path]) -> Iterator[Candidate | LeftOut]:
    """Yield the band or the runs of one folder, or why there is none."""
    for name, target in listing.outside.items():
        if target.is_dir():
            yield LeftOut(
                name=f"{listing.name}/{printable(name)}",
                folder=listing.path / name,
                reason=f"a symbolic link out of the folder, to {printable(str(target))}: not "
                "followed. Name that folder to collect it",
            )
    if images:
        yield _band(listing, images)
        return
    groups = _grouped({**listing.files, **listing.outside})
    for tag, group in sorted(groups.items()):
        yield _run(listing, tag, group)
    if not groups:
        reason = _why_none(listing)
        if reason:
            yield LeftOut(name=listing.name, folder=listing.path, reason=reason)


def _why_none(listing: Listing) -> str:
    """Return why a folder with files of VASP's holds no run; empty where it has none of them."""
    names = sorted({m[1] for name in listing.files if (m := _OF_VASP.fullmatch(name))})
    if not names:
        return ""
    if set(names) <= set(_INPUTS):
        return f"inputs only ({', '.join(names)}): not run yet, or its outputs lie elsewhere"
    return f"no vasprun.xml and no OUTCAR, only {', '.join(names)}"


def _run(listing: Listing, tag: str, group: Mapping[str, list[str]]) -> Candidate | LeftOut:
    """Return the run of one tag, or why its files are not read."""
    name = f"{listing.name} ({printable(tag.lstrip('._-'))})" if tag else listing.name
    names = [names[0] for names in group.values()]
    spelled = [n for stem in _BESIDE for n in _spellings(stem, tag)]
    reason = ""
    if out := [n for n in (*names, *spelled) if n in listing.outside]:
        target = printable(str(listing.outside[out[0]]))
        reason = (
            f"{out[0]} is a symbolic link out of the folder, to {target}: not followed. Name a "
            "folder that holds both, or copy the file"
        )
    elif packed := _PACKED.search(tag):
        reason = f"{names[0]} is packed with {packed[1]}: only plain files and gzip are read"
    elif "vasprun.xml" not in group:
        reason = f"no vasprun.xml beside {names[0]}, which alone does not tell enough"
    if reason:
        return LeftOut(name=name, folder=listing.path, reason=reason)
    vasprun, outcar = (
        listing.files[group[stem][0]] if stem in group else None
        for stem in ("vasprun.xml", "OUTCAR")
    )
    others = [
        listing.files[n] for stem in _BESIDE for n in _spellings(stem, tag) if n in listing.files
    ]
    return Candidate(
        folder=listing.path,
        name=name,
        tag=printable(tag),
        vasprun=vasprun,
        outcar=outcar,
        poscar=listing.find(f"POSCAR{tag}"),
        files=tuple(path for path in (vasprun, outcar, *others) if path is not None),
        has_firework=not tag and "FW.json" in listing.files,
        notes=tuple(
            f"{other} was not read: {names[0]} is there, too"
            for names in group.values()
            for other in names[1:]
        ),
    )


def _spellings(stem: str, tag: str) -> tuple[str, ...]:
    """Return the names a file beside a run may have."""
    name = f"{stem}{tag}" if stem == "POSCAR" else stem
    return (name, f"{name}.gz")


def _band(listing: Listing, images: Sequence[Path]) -> Candidate | LeftOut:
    """Return the band of a folder with image folders."""
    files = [path for stem in _OF_A_BAND if (path := listing.find(stem))]
    for image in images:
        files += [path for stem in _OF_AN_IMAGE if (path := find_file(image, stem))]
    linked = [path for path in files if path.is_symlink()]
    leaving = [p for p in linked if not is_inside(Path(os.path.realpath(p)), listing.roots)]
    out = [str(path.relative_to(listing.path)) for path in leaving]
    out += [name for name in listing.outside if _IMAGE.fullmatch(name) or name in _OF_A_BAND]
    if out:
        return LeftOut(
            name=listing.name,
            folder=listing.path,
            reason=f"{printable(out[0])} is a symbolic link out of the folder: not followed. Name "
            "a folder that holds both, or copy it",
        )
    return Candidate(
        folder=listing.path,
        name=listing.name,
        tag="",
        vasprun=None,
        outcar=None,
        poscar=None,
        files=tuple(files),
        has_firework="FW.json" in listing.files,
    )
