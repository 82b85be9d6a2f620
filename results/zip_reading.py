"""Zip files from strangers: looked at before anything of them is unpacked."""

import stat
import zipfile
from collections import Counter
from pathlib import Path

from .bags import path_problem

_ENCRYPTED = 0x1
_RATIO = 100  # unpacked to packed, of the whole archive
_HARMLESS = 1 << 30  # bytes that may be unpacked whatever the ratio


def open_zip(path: Path) -> tuple[zipfile.ZipFile | None, str]:
    """Return an open archive, or None and why it cannot be read."""
    if path.is_dir():
        return None, f"{path} is a folder: give the zip file that heterofire export wrote"
    if not path.is_file():
        return None, f"there is no file {path}"
    try:
        return zipfile.ZipFile(path), ""
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        with path.open("rb") as stream:
            started = stream.read(4) == b"PK\x03\x04"
        if started:
            return None, f"{path} is a zip file that was cut or damaged ({error}): copy it again"
        return None, f"{path} is not a zip archive: give the file that heterofire export wrote"
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror or error}"


def unsafe(archive: zipfile.ZipFile, max_bytes: int | None) -> list[str]:
    """Return why an archive must not be unpacked, told from its directory alone.

    Parameters
    ----------
    archive
        Nothing of it is read but the directory.
    max_bytes
        How much it may unpack to; None: what is plausible for its size.
    """
    problems = [*_sizes(archive, max_bytes)]
    entries = archive.infolist()
    twice = [name for name, number in Counter(e.filename for e in entries).items() if number > 1]
    problems += [f"{name!r} is there twice" for name in twice]
    for entry in entries:
        if problem := path_problem(entry.filename) or _kind_problem(entry):
            problems.append(f"{entry.filename!r} {problem}")
    return problems


def _sizes(archive: zipfile.ZipFile, max_bytes: int | None) -> list[str]:
    """Return whether the sizes it declares are more than it can honestly hold.

    No more than the declared size is ever read of a file, so that these are what counts.
    """
    entries = archive.infolist()
    total, packed = (sum(e.file_size for e in entries), sum(e.compress_size for e in entries))
    allowed = max(_HARMLESS, _RATIO * packed) if max_bytes is None else max_bytes
    if total <= allowed:
        return []
    return [
        f"it would unpack to {total:,} bytes from {packed:,}, more than {allowed:,}: it was not "
        "unpacked. If you trust it, give a higher --max-size"
    ]


def _kind_problem(entry: zipfile.ZipInfo) -> str:
    """Return why an entry is no plain file or folder."""
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or device, not a file"
    return ""
