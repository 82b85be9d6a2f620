"""POTCAR files are licensed and never leave the group: they are known by name and by content."""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

# In every POTCAR of VASP's library, and in none of its outputs: OUTCAR repeats TITEL and VRHFIN.
# The misspellings are VASP's.
_MARKS = (
    b"parameters from PSCTR are",
    b"END of PSCTR-controll",
    b"PAW radial sets",
    b"augmentation charges (non sperical)",
    b"uccopancies in atom",
    b"core charge-density (partial)",
)
_NAME = re.compile(r"^POTCAR(?!\.spec$)(\..*|_.*|\d*)?$", re.IGNORECASE)
_CHUNK = 1 << 20
_OVERLAP = max(map(len, _MARKS)) - 1
_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_PACKED = {b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"\x28\xb5\x2f\xfd": "zstd"}
_TAR = (257, b"ustar")


def is_potcar_name(name: str) -> bool:
    """Return whether a file of this name is taken for a POTCAR, packed or not.

    Examples
    --------
    >>> [is_potcar_name(n) for n in ("POTCAR", "POTCAR.gz", "POTCAR_Mo", "POTCAR.spec", "OUTCAR")]
    [True, True, True, False, False]
    """
    return bool(_NAME.match(name))


def potcar_problem(stream: BinaryIO, max_bytes: int = 1 << 36) -> str:
    """Return what in a file is, or may hide, the content of a POTCAR; empty where nothing is.

    Parameters
    ----------
    stream
        Read to its end; gzip, bzip2 and xz are looked into, archives in a file are not.
    max_bytes
        How much a packed file may unpack to before it is not looked into any further.

    Examples
    --------
    >>> import io
    >>> potcar_problem(io.BytesIO(b"TITEL = PAW_PBE K_sv 06Sep2000"))
    ''
    >>> potcar_problem(io.BytesIO(gzip.compress(b" parameters from PSCTR are:")))
    'holds text of a POTCAR'
    """
    head = stream.read(512)
    stream.seek(0)
    for magic, kind in _PACKED.items():
        if head.startswith(magic):
            return f"is packed ({kind}) and cannot be looked into"
    for magic, opener in _OPENERS.items():
        if head.startswith(magic):
            try:
                return _search(opener(stream), max_bytes)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                return f"is damaged and cannot be looked into ({error})"
    return _search(stream, max_bytes)


def _search(stream: BinaryIO, max_bytes: int) -> str:
    """Look for the marks, also where one lies across two chunks."""
    tail, n_bytes = b"", 0
    while chunk := stream.read(_CHUNK):
        n_bytes += len(chunk)
        if n_bytes > max_bytes:
            return f"unpacks to more than {max_bytes:,} bytes and was not looked into"
        window = tail + chunk
        if window[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1] and n_bytes == len(chunk):
            return "is packed (tar) and cannot be looked into"
        if any(mark in window for mark in _MARKS):
            return "holds text of a POTCAR"  # without the words, which would be found again
        tail = window[-_OVERLAP:]
    return ""
