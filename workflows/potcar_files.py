"""POTCAR on the worker: found in a licensed library, put together, never stored anywhere else."""

import gzip
import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..structures.errors import InputError
from ..structures.files import write_atomic
from .potcars import potential

# How libraries name their PBE folder: pymatgen's `pmg config -p`, then VASP's own downloads.
_FAMILIES = (
    "POT_GGA_PAW_PBE_54",
    "POT_PAW_PBE_54",
    "potpaw_PBE.54",
    "potpaw_PBE_54",
    "potpaw_PBE.64",
    "POT_PAW_PBE_64",
    "POT_GGA_PAW_PBE",
    "potpaw_PBE",
    ".",
)
_TITEL = re.compile(r"TITEL\s*=\s*(.+)")
_SETTINGS_FILES = (Path(".config/.pmgrc.yaml"), Path(".pmgrc.yaml"))


def potcar_library(named: str | None = None) -> Path | None:
    """Return this machine's POTCAR library, or None.

    Parameters
    ----------
    named
        What the worker's env has behind ``potcars``. By default what pymatgen uses: the variable
        PMG_VASP_PSP_DIR, else the same key in ``~/.config/.pmgrc.yaml`` or ``~/.pmgrc.yaml``.

    Raises
    ------
    InputError
        It names a folder that does not exist.
    """
    source = "potcars in the env of my_fworker.yaml"
    if named is None:
        named, source = os.environ.get("PMG_VASP_PSP_DIR"), "PMG_VASP_PSP_DIR in the environment"
    for path in (Path.home() / name for name in _SETTINGS_FILES):
        if named is None and path.is_file():
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            named = settings.get("PMG_VASP_PSP_DIR") if isinstance(settings, dict) else None
            source = f"PMG_VASP_PSP_DIR in {path}"
    if named is None:
        return None
    library = Path(named).expanduser()
    if not library.is_dir():
        raise InputError(f"{source} names {library}, which is not a folder; correct it.")
    return library


def find_potcar(symbol: str, library: str | Path) -> Path:
    """Return the file of one potential.

    Both layouts are known: ``<family>/K_sv/POTCAR`` as VASP ships it and
    ``<family>/POTCAR.K_sv.gz`` as pymatgen keeps it, plain or gzipped.

    Raises
    ------
    InputError
        The library does not hold it.
    """
    library = Path(library)
    for family in _FAMILIES:
        for name in (f"{symbol}/POTCAR", f"POTCAR.{symbol}"):
            for suffix in ("", ".gz"):
                path = library / family / f"{name}{suffix}"
                if path.is_file():
                    return path
    raise InputError(
        f"no POTCAR for {symbol} in {library}; looked for {symbol}/POTCAR and POTCAR.{symbol} "
        f"(plain or .gz) in {', '.join(_FAMILIES[:-1])}. Correct PMG_VASP_PSP_DIR, or name "
        "another symbol under 'potcars' in the study."
    )


@dataclass(frozen=True, kw_only=True)
class PotcarFacts:
    """What may be said about a POTCAR: its title and hashes, never its text."""

    symbol: str
    path: Path
    family: str  # folder of the library that holds it
    titel: str  # "PAW_PBE K_sv 06Sep2000"
    functional: str  # LEXCH: "PE" is PBE, "CA" is LDA; what TITEL says where there is none
    sha256: str  # of the uncompressed file


def potcar_facts(symbol: str, library: str | Path) -> PotcarFacts:
    """Return title, functional and hash of a potential of the library.

    Raises
    ------
    InputError
        It is not there, or its header is not what is planned with.
    """
    path, content = _read_potcar(symbol, library)
    text = content.decode("latin-1")
    titel = _TITEL.search(text)
    exchange = re.search(r"LEXCH\s*=\s*(\S+)", text)
    words = titel.group(1).split() if titel else [""]
    named = "PE" if words[0] == "PAW_PBE" else words[0]
    relative = path.relative_to(library).parts
    return PotcarFacts(
        symbol=symbol,
        path=path,
        family=next((name for name in _FAMILIES if relative[0] == name), "."),
        titel=" ".join(words),
        functional=exchange.group(1) if exchange else named,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def assemble_potcar(folder: str | Path, library: str | Path) -> Path:
    """Write POTCAR from the symbols in POTCAR.spec and return its path.

    Parameters
    ----------
    folder
        A run folder with POTCAR.spec.
    library
        The POTCAR library of this machine.

    Raises
    ------
    InputError
        No POTCAR.spec, a potential is missing, or its header is not what was planned with.
    """
    folder = Path(folder)
    try:
        symbols = (folder / "POTCAR.spec").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise InputError(
            f"{folder} has no POTCAR.spec, so its potentials are unknown; write its inputs again."
        ) from None
    parts = []
    for symbol in symbols:
        _, content = _read_potcar(symbol, library)
        parts.append(content if content.endswith(b"\n") else content + b"\n")
    return write_atomic(folder / "POTCAR", b"".join(parts))


def _read_potcar(symbol: str, library: str | Path) -> tuple[Path, bytes]:
    """Return path and content of a potential whose header is what is planned with."""
    path = find_potcar(symbol, library)
    try:
        packed = path.read_bytes()
        content = gzip.decompress(packed) if path.suffix == ".gz" else packed
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}. Copy it into the library again.") from error
    _check_header(symbol, content.decode("latin-1"), path)
    return path, content


def _check_header(symbol: str, text: str, path: Path) -> None:
    """Refuse a file of another element or with another number of valence electrons.

    NELECT of charged cells and the charges of atoms are reckoned with the planned ZVAL.
    """
    planned = potential(symbol)
    title = _TITEL.search(text)
    electrons = re.search(r"ZVAL\s*=\s*([\d.]+)", text)
    if title is None or electrons is None:
        raise InputError(f"{path} has no TITEL or ZVAL line, so it is not a POTCAR.")
    words = title.group(1).split()
    found = (words[1] if len(words) > 1 else words[0]).partition("_")[0]
    if found != planned.element or abs(float(electrons.group(1)) - planned.zval) > 1e-6:
        raise InputError(
            f"{path} is {title.group(1).strip()} with ZVAL {electrons.group(1)}, but {symbol} was "
            f"planned as {planned.element} with ZVAL {planned.zval:g}. "
            "Correct the library, or the entry in workflows/potcars.yaml."
        )
