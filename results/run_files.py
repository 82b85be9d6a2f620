"""Files of a run folder: where they are, and their content read to the last byte."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..structures.errors import RunError

_CHUNK = 1 << 20
_TAIL = 1 << 18  # VASP 6 may write a profile of some kB behind its end marker
_AGAIN = "Run the calculation again, or copy the file again if it was cut on the way."


def find_file(folder: Path, name: str, suffix: str = "") -> Path | None:
    """Return ``name`` + ``suffix`` in the folder, plain or compressed with gzip.

    Parameters
    ----------
    folder
        The run folder.
    name
        "OUTCAR", "vasprun.xml" ...
    suffix
        What custodian appended to the files of one of several runs, such as ".relax2".

    Returns
    -------
    pathlib.Path or None
        The plain file where both exist; None where neither does.

    Examples
    --------
    >>> find_file(Path("no such folder"), "OUTCAR") is None
    True
    """
    for path in (folder / f"{name}{suffix}", folder / f"{name}{suffix}.gz"):
        if path.is_file():
            return path
    return None


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the content of a plain or gzip file to its end, which checks gzip's CRC.

    Parameters
    ----------
    path
        A file; gzip is recognised by its content, not its name.

    Yields
    ------
    bytes
        At most 1 MiB each.

    Raises
    ------
    RunError
        The file cannot be read, or the compressed data are cut or damaged.
    """
    try:
        with path.open("rb") as plain:
            is_gzip = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if is_gzip else path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RunError(f"{path}: the gzip data are cut or damaged ({error}). {_AGAIN}") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}.") from error


def read_bytes(path: Path) -> bytes:
    """Return the whole content of a plain or gzip file; an empty one is refused."""
    content = b"".join(read_chunks(path))
    if not content.strip():
        raise RunError(f"{path}: the file is empty. {_AGAIN}")
    return content


@dataclass(frozen=True, kw_only=True)
class XmlScan:
    """What a pass over vasprun.xml tells without parsing it."""

    header: bytes  # everything up to the end of <atominfo>
    n_documents: int  # how often <modeling> opens
    n_steps: int  # ionic steps begun
    n_bytes: int  # uncompressed
    is_complete: bool  # the last thing in the file is </modeling>


def scan_vasprun(path: Path) -> XmlScan:
    """Read vasprun.xml once to its end and look for what truncation and doubling leave.

    Parameters
    ----------
    path
        A vasprun.xml, plain or gzip.

    Returns
    -------
    XmlScan
        Marks of a whole, single document; memory stays at a few MB.
    """
    header, tail, n_bytes, has_header = bytearray(), b"", 0, False
    counts = {b"<modeling>": 0, b"<calculation>": 0}
    for chunk in read_chunks(path):
        n_bytes += len(chunk)
        for mark in counts:
            # The overlap is one byte shorter than the mark, so that none is counted twice.
            counts[mark] += (tail[1 - len(mark) :] + chunk).count(mark)
        tail = (tail + chunk)[-64:]
        if not has_header:
            header += chunk
            has_header = b"</atominfo>" in header
    return XmlScan(
        header=bytes(header.partition(b"</atominfo>")[0]),
        n_documents=counts[b"<modeling>"],
        n_steps=counts[b"<calculation>"],
        n_bytes=n_bytes,
        is_complete=tail.rstrip().endswith(b"</modeling>"),
    )


def has_end_marker(path: Path) -> bool:
    """Return whether VASP wrote the file to its end; a damaged file has no end.

    Parameters
    ----------
    path
        A vasprun.xml or an OUTCAR, plain or gzip, with any suffix.

    Returns
    -------
    bool
        True when ``</modeling>`` or "Total CPU time used" stands at its end.
    """
    try:
        tail = _tail(path)
    except RunError:
        return False
    if path.name.startswith("vasprun"):
        return tail.rstrip().endswith(b"</modeling>")
    return re.search(rb"Total CPU time used", tail) is not None


def _tail(path: Path) -> bytes:
    """Return the last bytes; only a gzip file has to be read from its start."""
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
        if not is_gzip:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL))
            return stream.read()
    tail = b""
    for chunk in read_chunks(path):
        tail = (tail + chunk)[-_TAIL:]
    return tail
