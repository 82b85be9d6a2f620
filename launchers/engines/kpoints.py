"""KPOINTS and KSPACING as lists of points; the rules are those of VASP's own pages on them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...structures.errors import EngineError, InputError
from .potentials import FloatArray, KPoints
from .tags import Settings

_LARGEST = 1_000_000  # points; more is a slip of the pen, and would fill the memory


def read_kpoints(path: Path, lattice: FloatArray, settings: Settings) -> KPoints:
    """Return the points that a run folder asks for, none left out by symmetry.

    KPOINTS counts where it is there, else KSPACING and KGAMMA, as in VASP. VASP would take
    KSPACING = 0.5 without either; here that is an error, since it is rarely meant.

    Parameters
    ----------
    path
        The run folder.
    lattice
        (3, 3), rows, Angstrom.
    settings
        KSPACING and KGAMMA.

    Raises
    ------
    InputError
        KPOINTS is missing or malformed; names the file and the line.
    EngineError
        It holds the lines of a band structure, or something else that no engine here reads.
    """
    file = path / "KPOINTS"
    if file.exists():
        return _parse(file, lattice)
    if settings.kspacing is None:
        raise InputError(
            f"{file} is missing and INCAR has no KSPACING. Write KPOINTS with the Gamma point."
        )
    if not settings.kspacing > 0:
        raise InputError(f"INCAR: KSPACING = {settings.kspacing:g} must be positive")
    return regular_mesh(
        spacing_divisions(lattice, settings.kspacing),
        style="Gamma" if settings.kgamma else "Monkhorst-Pack",
        source=f"KSPACING = {settings.kspacing}",
    )


def regular_mesh(
    divisions: tuple[int, int, int],
    *,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    style: str = "Gamma",
    source: str = "KPOINTS",
) -> KPoints:
    """Return all points of a mesh between -1/2 (left out) and 1/2, the first index fastest.

    Parameters
    ----------
    divisions
        Points along each reciprocal lattice vector, 1 or more.
    shift
        Added to all points, in steps of the mesh.
    style
        ``Gamma`` has Gamma on the mesh; ``Monkhorst-Pack`` has it halfway between two points
        along an axis with an even number of them.
    source
        What asks for the mesh.

    Examples
    --------
    >>> regular_mesh((4, 1, 1)).points[:, 0].tolist()
    [0.0, 0.25, 0.5, -0.25]
    >>> regular_mesh((2, 1, 1), style="Monkhorst-Pack").points[:, 0].tolist()
    [-0.25, 0.25]
    """
    n_points = int(np.prod(divisions, dtype=object))
    if min(divisions) < 1 or n_points > _LARGEST:
        raise InputError(
            f"{source}: {'x'.join(map(str, divisions))} is no mesh of k-points: each number must "
            f"be 1 or more, their product at most {_LARGEST:,}"
        )
    counts = np.array(divisions, dtype=np.float64)
    start = np.array(shift) + ((1 - counts) / 2 if style == "Monkhorst-Pack" else 0.0)
    # VASP steps through the first index fastest.
    steps = np.indices(divisions[::-1]).reshape(3, -1)[::-1].T
    points = (steps + start) / counts
    return KPoints(
        points=0.5 - (0.5 - points) % 1.0,
        weights=np.full(n_points, 1 / n_points),
        mesh=divisions,
        shift=shift,
        style=style,
        source=source,
    )


def spacing_divisions(lattice: FloatArray, spacing: float) -> tuple[int, int, int]:
    """Return the divisions that KSPACING (1/Angstrom, with the factor 2 pi) gives a cell.

    Examples
    --------
    >>> spacing_divisions(np.diag([3.0, 6.0, 30.0]), 0.5)  # 2 pi / 3 / 0.5 = 4.19
    (5, 3, 1)
    """
    return _divisions(np.ceil(_reciprocal_lengths(lattice) * 2 * np.pi / spacing))


def length_divisions(lattice: FloatArray, length: float) -> tuple[int, int, int]:
    """Return the divisions that the length in Angstrom of an automatic KPOINTS gives a cell.

    Examples
    --------
    >>> length_divisions(np.diag([3.0, 6.0, 30.0]), 20.0)
    (7, 3, 1)
    """
    return _divisions(np.floor(_reciprocal_lengths(lattice) * length + 0.5))


def _reciprocal_lengths(lattice: FloatArray) -> FloatArray:
    """Return the lengths of the reciprocal lattice vectors in 1/Angstrom, without 2 pi."""
    lengths: FloatArray = np.linalg.norm(np.linalg.inv(lattice).T, axis=1)
    return lengths


def _divisions(numbers: FloatArray) -> tuple[int, int, int]:
    a, b, c = (max(1, int(n)) for n in numbers)
    return a, b, c


def symmetry_note(kpoints: KPoints, lattice: FloatArray) -> str | None:
    """Return what to say of a mesh that has not the symmetry of the lattice, None if it has.

    An even Monkhorst-Pack mesh of a hexagonal or face-centred cell is such a mesh. VASP adds the
    points that the operations of the lattice make of it (a run of the test corpus: 4x4x4 in fcc
    silicon, 256 points); here it is used as written.

    Parameters
    ----------
    kpoints
        What the run folder asks for; lists of points are left alone.
    lattice
        (3, 3), rows, Angstrom.

    Examples
    --------
    >>> fcc = 2.7 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    >>> symmetry_note(regular_mesh((4, 4, 4)), fcc)
    >>> symmetry_note(regular_mesh((4, 4, 4), style="Monkhorst-Pack"), fcc)[:40]
    'Monkhorst-Pack mesh 4x4x4 has not the sy'
    """
    if kpoints.mesh is None or kpoints.is_gamma:
        return None
    import spglib  # slow to import

    symmetry = spglib.get_symmetry((lattice, [[0.0, 0.0, 0.0]], [1]), symprec=1e-3)
    if symmetry is None:
        return None
    mesh = _places(kpoints.points)
    turned = (_places(kpoints.points @ rotation) for rotation in symmetry["rotations"])
    if all(np.array_equal(mesh, places) for places in turned):
        return None
    return (
        f"{kpoints.title} has not the symmetry of the lattice. VASP adds points until it has, this "
        "engine uses it as written: take a mesh centred on Gamma"
    )


def _places(points: FloatArray) -> NDArray[np.int_]:
    """Return points as sorted whole numbers, those that differ by a reciprocal vector alike."""
    fine = 10**6
    places: NDArray[np.int_] = np.unique(np.rint(points * fine).astype(int) % fine, axis=0)
    return places


def refuse_all_but_gamma(kpoints: KPoints) -> None:
    """Raise unless the points are the Gamma point alone, for engines without k-points."""
    if kpoints.is_gamma:
        return
    mesh = kpoints.mesh or (len(kpoints.points), 1, 1)
    is_shifted = any(kpoints.shift) if kpoints.mesh else bool(kpoints.points[0].any())
    found = "x".join(str(n) for n in mesh) + (" shifted off Gamma" if is_shifted else "")
    raise EngineError(
        f"{kpoints.source} asks for the k-points {found}, but this engine has the Gamma point only "
        "(1x1x1). Build a supercell that folds the mesh onto Gamma, or run VASP."
    )


def _parse(file: Path, lattice: FloatArray) -> KPoints:
    """Return the points of a KPOINTS file."""
    try:
        text = file.read_text(errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    lines = [line.split("!")[0].split("#")[0] for line in text.splitlines()]
    try:
        n_points, style = _count(lines[1]), lines[2].strip()[:1].lower()
        if style == "l":
            raise EngineError(
                f"{file} lists the lines of a band structure, which the engines do not compute. "
                "Write a mesh (Gamma or Monkhorst-Pack) or a list of points with weights."
            )
        if n_points > 0:
            return _list(file, lines[3 : 3 + n_points], n_points, is_cartesian=style in {"c", "k"})
        if style == "a":
            (length,) = _numbers(lines[3], 1, 4)
            if length <= 0:
                raise ValueError(f"line 4: the length {length:g} must be positive")
            return regular_mesh(length_divisions(lattice, length), source=str(file))
        if style not in {"g", "m"}:
            raise EngineError(
                f"{file}: line 3 ({lines[2].strip()!r}) with 0 points spans the mesh by vectors of "
                "its own; this engine takes Gamma, Monkhorst-Pack, Automatic or a list of points"
            )
        return regular_mesh(
            _triple(lines[3]),
            shift=_shift(lines),
            style="Gamma" if style == "g" else "Monkhorst-Pack",
            source=str(file),
        )
    except (ValueError, IndexError) as error:
        what = "it ends too early" if isinstance(error, IndexError) else str(error)
        raise InputError(f"{file} is not a KPOINTS file: {what}") from error


def _list(file: Path, lines: list[str], n_points: int, *, is_cartesian: bool) -> KPoints:
    """Return points that are written out one by one, with weights that sum to 1."""
    if len(lines) < n_points:
        raise ValueError(f"line 2 says {n_points} points, {len(lines)} follow")
    rows = [_numbers(line, 4, i) for i, line in enumerate(lines, start=4)]
    table = np.array(rows, dtype=np.float64)
    points, weights = table[:, :3], table[:, 3]
    if weights.min() < 0 or not weights.sum() > 0:
        raise ValueError("the weights (fourth column) must not be negative, nor all of them 0")
    if is_cartesian and points.any():
        raise EngineError(
            f"{file} has Cartesian coordinates; this engine reads fractions of the reciprocal "
            "lattice vectors. Write 'Reciprocal' in line 3 and convert the points."
        )
    return KPoints(points=points, weights=weights / weights.sum(), style="list", source=str(file))


def _count(line: str) -> int:
    """Return the number of points that follow, 0 for a mesh."""
    word = (line.split() or [""])[0]
    if not word.isdigit():
        raise ValueError(f"line 2 has not the number of points, or 0 for a mesh: {line.strip()!r}")
    return int(word)


def _triple(line: str) -> tuple[int, int, int]:
    """Return the divisions of a mesh."""
    words = line.split()[:3]
    if len(words) < 3 or not all(word.lstrip("+-").isdigit() for word in words):
        raise ValueError(f"line 4 has not three whole numbers: {line.strip()!r}")
    a, b, c = (int(word) for word in words)
    return a, b, c


def _shift(lines: list[str]) -> tuple[float, float, float]:
    """Return the shift of a mesh, zero where line 5 is empty or not there."""
    if len(lines) < 5 or not lines[4].strip():
        return 0.0, 0.0, 0.0
    a, b, c = _numbers(lines[4], 3, 5)
    return a, b, c


def _numbers(line: str, n: int, number: int) -> list[float]:
    """Return the first n numbers of a line, all finite."""
    try:
        values = [float(word) for word in line.split()[:n]]
    except ValueError:
        values = []
    if len(values) < n or not np.isfinite(values).all():
        raise ValueError(f"line {number} has not {n} numbers: {line.strip()!r}")
    return values
