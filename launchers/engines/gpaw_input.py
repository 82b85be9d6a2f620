"""What an INCAR means as parameters of GPAW: mode, grid, occupations, mixing, convergence."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from ...structures.errors import EngineError
from ...workflows.gpaw_grids import grid_spacing
from .folder import RunFolder
from .gpaw_methods import chosen_basis, functional
from .potentials import FloatArray, KPoints
from .tags import Settings

_LAYERS = {1: "yz", 2: "xz", 3: "xy"}  # IDIPOL: the plane of the dipole layer
_DENSITY = 1e-4  # electrons per valence electron at EDIFF = 1e-4 and above; GPAW's own
_EIGENSTATES = 4e-8  # eV^2 per valence electron at EDIFF = 1e-4, plane waves; GPAW's own


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """One way to mix densities; the ladder goes from fast to patient."""

    name: str  # of GPAW's mixer: msr1 | pulay
    beta: float
    nmaxold: int
    weight: float

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what GPAW's ``mixer`` takes."""
        return {
            "name": self.name,
            "beta": self.beta,
            "nmaxold": self.nmaxold,
            "weight": self.weight,
        }

    def __str__(self) -> str:
        return f"{self.name}, beta {self.beta:g}, {self.nmaxold} steps, weight {self.weight:g}"


def ladder(run: RunFolder) -> tuple[Mixing, ...]:
    """Return the ways to mix of a run: its AMIX where INCAR has one; see `mixing_ladder`."""
    return mixing_ladder(run.settings.amix if "AMIX" in run.tags else None)


def mixing_ladder(amix: float | None) -> tuple[Mixing, ...]:
    """Return the ways to mix that are tried one after the other.

    Parameters
    ----------
    amix
        AMIX of the INCAR as the first ``beta``; GPAW's 0.05 without it.

    Examples
    --------
    >>> [mixing.beta for mixing in mixing_ladder(None)]
    [0.05, 0.02, 0.01]
    """
    first = Mixing(name="msr1", beta=0.05 if amix is None else amix, nmaxold=10, weight=50.0)
    return (
        first,
        Mixing(name="pulay", beta=min(0.02, first.beta / 2), nmaxold=5, weight=100.0),
        Mixing(name="pulay", beta=min(0.01, first.beta / 4), nmaxold=8, weight=100.0),
    )


def calculator_parameters(run: RunFolder, charge: int) -> dict[str, Any]:
    """Return GPAW's parameters for a run folder, all but the mixer and the log.

    Parameters
    ----------
    run
        The checked folder.
    charge
        Of the cell, in e.
    """
    settings = run.settings
    parameters: dict[str, Any] = {
        "xc": functional(run.tags),
        "kpts": _kpts(run.kpoints),
        "occupations": occupations(settings, run.kpoints),
        "convergence": _convergence(settings),
        "maxiter": settings.nelm,
        # Relaxations may leave symmetry by rounding errors, which GPAW then refuses to go on from.
        "symmetry": {"point_group": settings.is_static and settings.isym != 0},
        "spinpol": settings.ispin == 2,
        **basis_parameters(run.tags, settings),
    }
    if settings.nbands:
        parameters["nbands"] = settings.nbands
    if charge:
        parameters["charge"] = float(charge)
    if settings.idipol in _LAYERS:
        parameters["poissonsolver"] = {"dipolelayer": _LAYERS[settings.idipol]}
    return parameters


def basis_parameters(tags: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """Return mode, basis and grid: plane waves where INCAR has ENCUT, else LCAO."""
    if settings.encut is not None:
        basis: dict[str, Any] = {"mode": {"name": "pw", "ecut": settings.encut}}
    else:
        basis = {"mode": "lcao", "basis": chosen_basis()}
    if all(settings.ngx):
        return basis | {"gpts": settings.ngx}
    return basis | {"h": grid_spacing(tags)}


def with_grid(
    parameters: Mapping[str, Any], lattice: FloatArray, axes: tuple[int, ...]
) -> tuple[dict[str, Any], tuple[int, int, int]]:
    """Return the parameters for a cell, and the grid by whose whole steps its atoms may be moved.

    Parameters
    ----------
    parameters
        GPAW's, see `calculator_parameters`.
    lattice
        (3, 3) in Angstrom.
    axes
        Those without periodic images. Where there are some, the grid that GPAW would take by itself
        stands in the parameters: files on grids are right only if it is the one assumed here.
    """
    if "gpts" in parameters:
        return dict(parameters), parameters["gpts"]
    from gpaw.utilities import h2gpts
    from gpaw.utilities.gpts import get_number_of_grid_points

    if parameters["mode"] == "lcao":
        points = h2gpts(parameters["h"], lattice, idiv=4)
    else:
        waves = SimpleNamespace(name="pw")
        points = get_number_of_grid_points(lattice, h=parameters["h"], mode=waves)
    n1, n2, n3 = (int(n) for n in points)
    if not axes:
        return dict(parameters), (n1, n2, n3)
    others = {name: value for name, value in parameters.items() if name != "h"}
    return others | {"gpts": (n1, n2, n3)}, (n1, n2, n3)


def occupations(settings: Settings, kpoints: KPoints) -> dict[str, Any]:
    """Return how levels are filled: ISMEAR and SIGMA, NUPDOWN.

    VASP's Gaussian smearing is Methfessel-Paxton's of order 0.

    Examples
    --------
    >>> from .potentials import GAMMA
    >>> occupations(Settings(ismear=-1, sigma=0.1), GAMMA)
    {'name': 'fermi-dirac', 'width': 0.1}
    """
    if settings.ismear in (-4, -5):
        if kpoints.mesh is None or len(kpoints.points) < 4:
            raise EngineError(
                f"INCAR: ISMEAR = {settings.ismear} (tetrahedra) needs a mesh of at least 4 "
                f"k-points, not a {kpoints.title}. Set ISMEAR = 0 or -1."
            )
        name = "improved-tetrahedron-method" if settings.ismear == -5 else "tetrahedron-method"
        filling: dict[str, Any] = {"name": name}
    elif settings.ismear == -1:
        filling = {"name": "fermi-dirac", "width": settings.sigma}
    else:
        filling = {"name": "methfessel-paxton", "order": settings.ismear, "width": settings.sigma}
    if has_fixed_moment(settings):
        filling["fixmagmom"] = True
    return filling


def has_fixed_moment(settings: Settings) -> bool:
    """Return whether NUPDOWN holds the total moment."""
    return settings.ispin == 2 and settings.nupdown is not None and settings.nupdown >= 0


def starting_moments(settings: Settings, n_atoms: int) -> FloatArray:
    """Return the moment of each atom to start from, in Bohr magnetons.

    MAGMOM as it is; without it 1 on every atom, as in VASP. Where NUPDOWN holds the total moment
    they are scaled, or shifted, to sum to it.

    Examples
    --------
    >>> starting_moments(Settings(ispin=2, magmom=(3.0, 1.0), nupdown=2), 2).tolist()
    [1.5, 0.5]
    """
    if settings.ispin != 2:
        return np.zeros(n_atoms)
    moments = np.ones(n_atoms) if settings.magmom is None else np.array(settings.magmom)
    if not has_fixed_moment(settings):
        return moments
    wanted = float(settings.nupdown or 0.0)
    total = float(moments.sum())
    if abs(total) > 1e-9 and wanted:
        return moments * (wanted / total)
    return moments + (wanted - total) / n_atoms


def _convergence(settings: Settings) -> dict[str, Any]:
    """Return GPAW's criteria: EDIFF as it is, those of density and wave functions scaled by it.

    That of the density is never weaker than GPAW's own: forces follow it to first order.
    """
    factor = settings.ediff / 1e-4
    return {
        "energy": {"name": "energy", "tol": settings.ediff, "relative": False},
        "density": max(1e-7, _DENSITY * min(1.0, factor) ** 0.5),
        "eigenstates": _EIGENSTATES * min(10.0, factor),
    }


def _kpts(kpoints: KPoints) -> Any:
    """Return the points as GPAW takes them, which finds by itself those that are equal.

    Its own meshes where it has them: of points that are equal by symmetry the grid of LCAO makes
    energies that differ by some meV, so that it matters which ones are computed.
    """
    if kpoints.mesh is not None and not any(kpoints.shift):
        # Without "gamma" odd divisions of a Monkhorst-Pack mesh have Gamma, as VASP's; with False
        # they would be moved off it.
        return {"size": kpoints.mesh, **({"gamma": True} if kpoints.style == "Gamma" else {})}
    if np.ptp(kpoints.weights) > 1e-6:
        raise EngineError(
            f"{kpoints.source} lists points of different weights; this engine takes meshes, or "
            "lists of all points with equal weights."
        )
    return kpoints.points.tolist()
