"""A VASP run folder: what it asks for, checked before anything is computed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...structures.errors import EngineError, InputError, StructureError
from .incars import read_incar
from .kpoints import read_kpoints, refuse_all_but_gamma, symmetry_note
from .poscars import Poscar, read_poscar
from .potentials import KPoints
from .tags import Settings, TagReport, check_tags, load_table, read_settings

MIN_DISTANCE = 0.7  # Angstrom; shorter than any bond, H2 has 0.74


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Everything an engine needs from its folder."""

    path: Path
    tags: Mapping[str, str]  # INCAR as written
    settings: Settings
    report: TagReport
    images: tuple[Poscar, ...]  # one for a run, IMAGES + 2 for a band
    potcar_symbols: tuple[str, ...] | None  # such as K_sv, one per block of the POSCAR
    valences: tuple[float, ...] | None  # ZVAL of a real POTCAR
    kpoints: KPoints  # as asked for, none left out by symmetry

    @property
    def poscar(self) -> Poscar:
        """Return the (first) structure."""
        return self.images[0]


def read_folder(path: Path, engine: str) -> RunFolder:
    """Return the checked contents of a run folder.

    Parameters
    ----------
    path
        The folder with INCAR, KPOINTS (or KSPACING) and POSCAR, or image folders 00, 01 ...
    engine
        Whose table of tags to use.

    Raises
    ------
    InputError
        A file is missing, malformed, or does not fit another one.
    EngineError
        The folder asks for what the engine cannot do.
    StructureError
        Two atoms are closer than 0.7 Angstrom.
    """
    tags = read_incar(path / "INCAR")
    table = load_table(engine)
    report = check_tags(tags, table)
    settings = read_settings(tags)
    folders = image_folders(path, settings.images)
    images = tuple(read_poscar(folder / "POSCAR") for folder in folders)
    if settings.is_vibrational:
        check_free(images[0], path / "POSCAR")
    kpoints = read_kpoints(path, images[0].lattice, settings)
    if table["kpoints"] == "gamma":
        refuse_all_but_gamma(kpoints)
    elif note := symmetry_note(kpoints, images[0].lattice):
        noted, warnings = {**report.noted, "KPOINTS": note}, (*report.warnings, note)
        report = replace(report, noted=noted, warnings=warnings)
    symbols, valences = read_potcar(path)
    for folder, image in zip(folders, images, strict=True):
        check_distances(image, folder / "POSCAR")
        check_same_atoms(images[0], image, folder / "POSCAR")
    if symbols is not None:
        check_order(images[0], symbols)
    return RunFolder(
        path=path,
        tags=tags,
        settings=settings,
        report=report,
        images=images,
        potcar_symbols=symbols,
        valences=valences,
        kpoints=kpoints,
    )


def image_folders(path: Path, n_images: int) -> list[Path]:
    """Return the folders of a band, 00 to IMAGES + 1, or the folder itself without one."""
    if n_images == 0:
        return [path]
    return [path / f"{i:02d}" for i in range(n_images + 2)]


def read_potcar(path: Path) -> tuple[tuple[str, ...] | None, tuple[float, ...] | None]:
    """Return symbols and valences of POTCAR, or the symbols of POTCAR.spec, or nothing."""
    potcar, spec = path / "POTCAR", path / "POTCAR.spec"
    if potcar.exists():
        text = potcar.read_text(errors="replace")
        titles = re.findall(r"^\s*TITEL\s*=\s*\S+\s+(\S+)", text, re.MULTILINE)
        valences = re.findall(r"ZVAL\s*=\s*([\d.]+)", text)
        if not titles or len(titles) != len(valences):
            raise InputError(f"{potcar} has {len(titles)} TITEL and {len(valences)} ZVAL lines")
        return tuple(titles), tuple(float(z) for z in valences)
    if spec.exists():
        symbols = tuple(spec.read_text().split())
        if not symbols:
            raise InputError(f"{spec} is empty; it holds one POTCAR symbol per line")
        return symbols, None
    return None, None


def check_order(poscar: Poscar, symbols: tuple[str, ...]) -> None:
    """Raise when POTCAR and POSCAR list other elements or another order."""
    wanted = [symbol for symbol, _ in poscar.species]
    found = [symbol.split("_")[0].split(".")[0] for symbol in symbols]
    if wanted != found:
        raise InputError(
            f"POSCAR has the elements {' '.join(wanted)}, POTCAR has {' '.join(symbols)}: same "
            "elements in the same order are needed, one POTCAR per block of the POSCAR"
        )


def check_free(poscar: Poscar, path: Path) -> None:
    """Raise when no atom may move: there is nothing to displace."""
    if poscar.movable is not None and not poscar.movable.any():
        raise EngineError(
            f"INCAR: IBRION = 5, but selective dynamics in {path} hold every atom. Set T T T on "
            "the atoms whose vibrations are wanted."
        )


def check_same_atoms(first: Poscar, image: Poscar, path: Path) -> None:
    """Raise when an image differs from the first in its atoms or its cell."""
    if image.symbols != first.symbols:
        raise InputError(f"{path} lists other atoms, or another order, than the first image")
    if not np.allclose(image.lattice, first.lattice, atol=1e-6):
        raise InputError(f"{path} has another cell than the first image")


def check_distances(poscar: Poscar, path: Path) -> None:
    """Raise when two atoms, periodic images included, are closer than 0.7 Angstrom."""
    delta = poscar.fractional[:, None] - poscar.fractional[None]
    delta -= np.round(delta)
    # The neighbours of the rounded image cover every lattice that is not extremely skewed.
    shifts = np.array([(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    shortest, pair = np.inf, (0, 0)
    for shift in shifts:
        distance = np.linalg.norm((delta + shift) @ poscar.lattice, axis=2)
        if not shift.any():
            np.fill_diagonal(distance, np.inf)
        i, j = np.unravel_index(int(distance.argmin()), distance.shape)
        if distance[i, j] < shortest:
            shortest, pair = float(distance[i, j]), (int(i), int(j))
    if shortest < MIN_DISTANCE:
        names = " and ".join(f"{poscar.symbols[i]}{i + 1}" for i in pair)
        raise StructureError(
            f"{path}: atoms {names} are {shortest:.2f} Angstrom apart, closer than "
            f"{MIN_DISTANCE}. Rebuild the model or move one of them."
        )
