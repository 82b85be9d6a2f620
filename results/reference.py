"""The reference database: real numbers that ship with heterofire, only read, under one name."""

import hashlib
import os
from functools import cache
from importlib import resources
from pathlib import Path

from ..structures.errors import InputError, StoreError

REFERENCE = "reference"  # what stands for it where a file or URL is asked for
_OWN = "name a database of your own with --db or HETEROFIRE_DB"


def reference_file() -> Path:
    """Return where the package has the file, whether it is there or not."""
    return Path(str(resources.files(__package__))) / "data" / "reference.db"


def checksum_file(path: Path) -> Path:
    """Return the file that holds the SHA-256 of a database file, as ``sha256sum`` writes it.

    Examples
    --------
    >>> checksum_file(Path("reference.db")).name
    'reference.db.sha256'
    """
    return path.with_name(f"{path.name}.sha256")


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_reference(path_or_url: str | os.PathLike[str]) -> bool:
    """Return whether a database is the reference database, by its name or by its path.

    Examples
    --------
    >>> is_reference("reference"), is_reference("./reference"), is_reference(reference_file())
    (True, False, True)
    """
    text = os.fspath(path_or_url)
    if text == REFERENCE or "://" in text:
        return text == REFERENCE
    return Path(text).name == reference_file().name and Path(text).resolve() == (
        reference_file().resolve()
    )


def verified_reference() -> Path:
    """Return the file of the reference database, checked against its SHA-256 once per process.

    Raises
    ------
    InputError
        This heterofire came without one.
    StoreError
        The file is not the one that was published.
    """
    return _verified(reference_file())


@cache
def _verified(path: Path) -> Path:
    if not path.is_file():
        raise InputError(
            f"this heterofire has no reference database: there is no {path}. Install a version "
            f"that has one, or {_OWN}."
        )
    try:
        said = checksum_file(path).read_text(encoding="ascii").split()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise StoreError(
            f"{checksum_file(path)} does not hold the SHA-256 of {path.name}: install heterofire "
            "again."
        ) from error
    found = file_hash(path)
    if found != said:
        raise StoreError(
            f"{path} is not the reference database that was published: its SHA-256 is {found}, "
            f"not {said}. Install heterofire again, or {_OWN}."
        )
    return path


def refuse_to_write(path_or_url: str | os.PathLike[str], what: str) -> None:
    """Raise where somebody is about to write into the reference database.

    Raises
    ------
    StoreError
        It is the reference database; says what to do instead.

    Examples
    --------
    >>> refuse_to_write("results.db", "a study's runs")
    """
    if is_reference(path_or_url):
        raise StoreError(
            f"{what}: nothing is written into the reference database, which ships with heterofire. "
            f"To compute, {_OWN}; for a copy: heterofire db backup copy.db --db reference."
        )
