"""Whether an archive is whole, safe, free of POTCARs, and in agreement with itself."""

import hashlib
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..structures.errors import InputError
from ..structures.files import write_error
from .archive_texts import FORMAT
from .archives import DATABASE
from .bags import DECLARATION, MANIFEST, PAYLOAD, TAG_MANIFEST, read_in_chunks, read_manifest
from .content_checks import content_problems
from .potcar_guard import is_potcar_name, potcar_problem
from .zip_reading import open_zip, unsafe

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)
_SMALL = 1 << 26  # bytes of a file that is read as a whole: manifests and descriptions


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found in an archive."""

    problems: tuple[str, ...]
    checks: tuple[str, ...]  # what was looked at and found right, in words
    about: Mapping[str, Any]  # archive.json; empty where it could not be read

    @property
    def is_good(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems


def verify_archive(
    path: Path, *, max_bytes: int | None = None, progress: Callable[[str], None] = lambda _: None
) -> Verification:
    """Check container, checksums, paths, absence of POTCARs, database and tables of an archive.

    Parameters
    ----------
    path
        What `write_archive` wrote, from whomever it comes: nothing is unpacked beside it, and
        nothing at all before the paths and sizes it declares have been looked at.
    max_bytes
        How much it may unpack to; None: what is plausible for its size.
    progress
        Is told what is being done.

    Raises
    ------
    InputError
        There is no such file.
    """
    if not path.exists():
        raise InputError(f"there is no file {path}: give the zip that heterofire export wrote.")
    archive, problem = open_zip(path)
    if archive is None:
        return Verification(problems=(problem,), checks=(), about={})
    with archive:
        if problems := unsafe(archive, max_bytes):
            return Verification(problems=tuple(problems), checks=(), about={})
        return _Bag(archive, progress).verify()


class _Bag:
    """An archive whose paths and sizes are safe."""

    def __init__(self, archive: zipfile.ZipFile, progress: Callable[[str], None]) -> None:
        self._archive, self._progress = archive, progress
        names = [e.filename for e in archive.infolist() if not e.is_dir()]
        tops = {name.split("/")[0] for name in names}
        self._top = f"{min(tops)}/" if len(tops) == 1 else ""
        self._files = {name.removeprefix(self._top): name for name in names}
        self._problems: list[str] = []
        self._checks: list[str] = []
        self._unreadable: set[str] = set()

    def verify(self) -> Verification:
        """Return everything that is wrong, in the order of the checks."""
        about: dict[str, Any] = {}
        if self._is_bag():
            self._progress(f"checksums of {len(self._files)} files")
            self._check_manifest(TAG_MANIFEST, lambda name: not name.startswith(PAYLOAD))
            self._check_manifest(MANIFEST, lambda name: name.startswith(PAYLOAD))
            self._progress("looking for POTCARs")
            self._check_potcars()
            about = self._description()
        if about:
            self._check_content(about)
        return Verification(problems=tuple(self._problems), checks=tuple(self._checks), about=about)

    def _is_bag(self) -> bool:
        """Tell whether the archive is one folder with a bag in it."""
        wanted = ("bagit.txt", MANIFEST, TAG_MANIFEST)
        missing = [name for name in wanted if name not in self._files]
        if missing:
            self._problems.append(
                f"it is no archive of heterofire: {', '.join(missing)} missing; "
                "give the file that heterofire export wrote"
            )
            return False
        declaration = self._text("bagit.txt")
        if declaration is not None and declaration.split() != DECLARATION.split():
            self._problems.append("bagit.txt declares another version than BagIt 1.0 in UTF-8")
        return True

    def _check_manifest(self, manifest: str, concerns: Callable[[str], bool]) -> None:
        """Compare the files with a manifest: what is missing, changed, or not in it."""
        text = self._text(manifest)
        if text is None:
            return
        listed = dict(read_manifest(text))
        present = {name for name in self._files if concerns(name)} - {TAG_MANIFEST}
        wrong = [f"{name} is missing" for name in sorted(set(listed) - present)]
        wrong += [f"{name} is not in {manifest}" for name in sorted(present - set(listed))]
        for name in sorted(present & set(listed)):
            found = self._hash(name)
            if found is not None and found != listed[name]:
                wrong.append(f"{name} was changed: its checksum is not the one in {manifest}")
        self._problems += wrong
        if not wrong and not self._unreadable:
            self._checks.append(f"{len(listed)} files as listed in {manifest}")

    def _check_potcars(self) -> None:
        """Look for POTCARs, by name and by what is in each file."""
        n_before = len(self._problems)
        for name in self._files:
            if is_potcar_name(name.rsplit("/", maxsplit=1)[-1]):
                self._problems.append(f"{name} is a POTCAR by its name")
            elif name not in self._unreadable:
                with self._archive.open(self._files[name]) as stream:
                    problem = potcar_problem(stream)  # type: ignore[arg-type]
                if problem:
                    self._problems.append(f"{name} {problem}")
        if len(self._problems) == n_before:
            self._checks.append("no POTCAR, by name and by content")

    def _description(self) -> dict[str, Any]:
        """Return archive.json where it is of a format that is known."""
        text = self._text(f"{PAYLOAD}archive.json")
        try:
            about = json.loads(text or "")
            known = int(about["format"]) <= FORMAT
            strings = all(isinstance(about[name], str) for name in ("study", "profile", "engine"))
        except (ValueError, TypeError, KeyError):
            self._problems.append("data/archive.json is missing or does not describe an archive")
            return {}
        if not known:
            self._problems.append(
                f"its format is {about['format']}, this heterofire knows up to {FORMAT}: update "
                "heterofire to check its content"
            )
        elif not strings:
            self._problems.append("data/archive.json names no study, profile or engine")
        return about if known and strings else {}

    def _check_content(self, about: Mapping[str, Any]) -> None:
        """Check the database, and whether tables and inputs are what it holds."""
        name = f"{PAYLOAD}{DATABASE}"
        if name not in self._files or name in self._unreadable:
            self._problems.append(f"{name} is missing or damaged; tables were not compared")
            return
        self._progress("database and tables")
        with tempfile.TemporaryDirectory(prefix="heterofire-") as scratch:
            database = Path(scratch) / "results.db"
            with self._archive.open(self._files[name]) as source:
                try:
                    with database.open("wb") as sink:
                        shutil.copyfileobj(source, sink)
                except OSError as error:
                    raise write_error(database, error) from error
            problems, checks = content_problems(database, about, self._payload_text)
        self._problems += problems
        self._checks += checks

    def _payload_text(self, name: str) -> str | None:
        """Return a file of the payload, None where it is not there or not readable."""
        inside = f"{PAYLOAD}{name}"
        return self._text(inside) if inside in self._files else None

    def _text(self, name: str) -> str | None:
        """Return a small text file; None, and a problem, where it cannot be read."""
        if name not in self._files:
            return None
        if self._archive.getinfo(self._files[name]).file_size > _SMALL:
            self._problems.append(f"{name} is too large to be what its name says")
            return None
        try:
            return self._archive.read(self._files[name]).decode()
        except (*_BROKEN, UnicodeDecodeError) as error:
            self._note_unreadable(name, error)
            return None

    def _hash(self, name: str) -> str | None:
        """Return the sha256 of a file; None, and a problem, where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with self._archive.open(self._files[name]) as stream:
                for chunk in read_in_chunks(stream):  # type: ignore[arg-type]
                    digest.update(chunk)
        except _BROKEN as error:
            self._note_unreadable(name, error)
            return None
        return digest.hexdigest()

    def _note_unreadable(self, name: str, error: Exception) -> None:
        if name not in self._unreadable:
            self._unreadable.add(name)
            self._problems.append(f"{name} is damaged and cannot be read ({error})")
