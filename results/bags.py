"""BagIt (RFC 8493) in a zip file: the container of archives, with the same bytes every time."""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ..structures.errors import InputError, RunError
from ..structures.files import atomic_stream

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "data/"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that zip knows
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3
_CHUNK = 1 << 20
_HUGE = 1 << 31

Content = bytes | Path


def write_bag(
    path: Path, payload: Mapping[str, Content], info: Mapping[str, str], name: str
) -> None:
    """Write files as a bag in a zip file; it takes its place only once it is whole.

    Zip rather than a compressed tar: repositories list and preview it, every system opens it, and
    one file is taken out without reading the rest.

    Parameters
    ----------
    path
        The zip file.
    payload
        Content, or a file that holds it, by path inside the payload ("tables/table.csv").
    info
        Of bag-info.txt; the size of the payload is added.
    name
        Of the one folder that the archive unpacks to.

    Raises
    ------
    InputError
        A path of the payload leaves the bag.
    RunError
        A file changed meanwhile.
    HeteroError
        The disk is full or the folder cannot be written; an old archive is as it was.
    """
    for inside in payload:
        if problem := path_problem(inside):
            raise InputError(f"{inside!r} {problem}; it was not put into {path}. Rename it.")
    measured = {file: _measure(payload[file]) for file in sorted(payload)}
    total = sum(size for size, _ in measured.values())
    tags = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": _lines({**info, "Payload-Oxum": f"{total}.{len(measured)}"}),
        MANIFEST: manifest_text({f"{PAYLOAD}{f}": digest for f, (_, digest) in measured.items()}),
    }
    tags[TAG_MANIFEST] = manifest_text(
        {file: hashlib.sha256(text.encode()).hexdigest() for file, text in sorted(tags.items())}
    )
    with atomic_stream(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for file, text in tags.items():
            _add(archive, f"{name}/{file}", text.encode())
        for file, (_, digest) in measured.items():
            if _add(archive, f"{name}/{PAYLOAD}{file}", payload[file]) != digest:
                raise RunError(
                    f"{payload[file]!r} changed while it was put into {path}: wait until what "
                    "writes it has ended, then export again."
                )


def path_problem(name: str) -> str:
    r"""Return why a path must not be in an archive; empty where it may.

    Examples
    --------
    >>> path_problem("tables/table.csv"), path_problem("../.bashrc"), path_problem("C:\\x")
    ('', 'leads out of the archive', 'holds a backslash or a drive')
    """
    if not name or "\0" in name:
        return "is no path"
    if name.startswith(("/", "~")):
        return "is an absolute path"
    if "\\" in name or (len(name) > 1 and name[1] == ":"):
        return "holds a backslash or a drive"
    if ".." in name.split("/"):
        return "leads out of the archive"
    if any(ord(sign) < 32 for sign in name):
        return "holds a control character"
    return ""


def manifest_text(hashes: Mapping[str, str]) -> str:
    r"""Return a manifest: one line for each file, its hash first.

    Examples
    --------
    >>> manifest_text({"data/100%.csv": "9f86"})
    '9f86  data/100%25.csv\n'
    """
    return "".join(f"{digest}  {_encoded(file)}\n" for file, digest in hashes.items())


def read_manifest(text: str) -> Iterator[tuple[str, str]]:
    """Yield path and hash of each line of a manifest; a line that is none has an empty path."""
    for line in text.splitlines():
        if not line.strip():
            continue
        digest, _, file = line.partition(" ")
        yield _decoded(file.strip().removeprefix("*")), digest.lower()


def _encoded(name: str) -> str:
    return name.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def _decoded(name: str) -> str:
    for code, sign in (("%0A", "\n"), ("%0a", "\n"), ("%0D", "\r"), ("%0d", "\r"), ("%25", "%")):
        name = name.replace(code, sign)
    return name


def _lines(entries: Mapping[str, str]) -> str:
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in entries.items())


def _measure(content: Content) -> tuple[int, str]:
    """Return size and hash."""
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(content):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _chunks(content: Content) -> Iterable[bytes]:
    if isinstance(content, bytes):
        return (content,)
    return _file_chunks(content)


def _file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from read_in_chunks(stream)


def read_in_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream 1 MiB at a time."""
    while chunk := stream.read(_CHUNK):
        yield chunk


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> str:
    """Add a file whose date and owner say nothing of this machine; return the hash of it."""
    about = zipfile.ZipInfo(name, _FIXED_DATE)
    about.compress_type, about.create_system = zipfile.ZIP_DEFLATED, _UNIX
    about.external_attr = _REGULAR_FILE
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    digest = hashlib.sha256()
    with archive.open(about, "w", force_zip64=size >= _HUGE) as sink:
        for chunk in _chunks(content):
            digest.update(chunk)
            sink.write(chunk)
    return digest.hexdigest()
