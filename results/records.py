"""What a finished run says: the values every other module of ``results`` works on.

Energies are in eV, lengths in Angstrom, forces in eV/Angstrom, charges in e. Every energy
carries its name: ``e0`` is energy(sigma -> 0), ``free_energy`` is F (TOTEN), and
``e_wo_entropy`` is the energy without the electronic entropy.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

Status = Literal["converged", "unconverged"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What must agree before two energies may be subtracted."""

    engine: str  # "vasp", "xtb", "gpaw"
    method: str  # as a reader wants it: "PBE-D3(zero), 400 eV", "GFN1-xTB, 1000 K"
    functional: str  # "PBE", "GFN1-xTB"
    cutoff: float | None  # ENCUT in eV; None where the engine has none
    potcars: tuple[str, ...]  # sorted TITELs, "PAW_PBE K_sv 06Sep2000"; else symbols
    dispersion: str  # "none", "D3(zero)", "D3(BJ)", "built in"
    hubbard_u: tuple[tuple[str, float], ...]  # (element, U - J in eV), only non-zero ones
    smearing: str  # "Fermi", "Gaussian", "Methfessel-Paxton 1", "tetrahedron"
    sigma: float  # smearing width in eV
    kpoint_spacing: float  # largest distance of k-points, 1/Angstrom (2 pi included)


@dataclass(frozen=True, kw_only=True)
class Dos:
    """Total and projected density of states in states/eV/cell."""

    energies: Floats  # (n,) in eV, absolute: not shifted by the Fermi level
    total: Floats  # (n_spins, n)
    projected: Floats | None  # (n_atoms, n_orbitals, n_spins, n)
    orbitals: tuple[str, ...]  # ("s", "p", "d") or ("s", "py", "pz", "px", "dxy", ...)
    efermi: float  # eV, on the scale of energies
    projection: str  # "PAW spheres", "Mulliken"


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Eigenvalues and occupations."""

    eigenvalues: Floats  # (n_spins, n_kpoints, n_bands) in eV
    occupations: Floats  # same shape, 0 to 1
    weights: Floats  # (n_kpoints,), sum 1


@dataclass(frozen=True, kw_only=True)
class SiteCharges:
    """Valence electrons attributed to each atom, and the net charge they leave."""

    scheme: str  # "Mulliken", "PAW spheres"
    electrons: Floats  # (n_atoms,)
    net: Floats  # (n_atoms,) in e; ZVAL - electrons, positive = electrons lost

    @property
    def is_partition(self) -> bool:
        """Return whether every electron is some atom's: those between PAW spheres are nobody's."""
        return self.scheme == "Mulliken"


@dataclass(frozen=True, kw_only=True)
class BaderCharges:
    """Valence electrons in the Bader volume of each atom, by one algorithm on one grid."""

    algorithm: str  # "near-grid", "on-grid", "weight"
    reference: str  # what the volumes are taken from: "AECCAR0+AECCAR2"
    electrons: Floats  # (n_atoms,) integrand in the volume
    net: Floats | None  # (n_atoms,) in e; ZVAL - electrons, positive = lost; None without ZVAL
    volumes: Floats  # (n_atoms,) in Angstrom^3
    distances: Floats  # (n_atoms,) in Angstrom, from the nucleus to the nearest point outside
    moments: Floats | None  # (n_atoms,) in Bohr magnetons, spin density in the volume
    vacuum_electrons: float  # where the density is below the threshold; in no volume
    vacuum_volume: float  # Angstrom^3
    grid: tuple[int, int, int]
    notes: tuple[str, ...] = ()  # attractors without an atom nearby, the threshold ...

    @property
    def gained(self) -> Floats | None:
        """Return electrons gained by each atom: electrons - ZVAL, positive = gained."""
        return None if self.net is None else -self.net


@dataclass(frozen=True, kw_only=True)
class ElfProfile:
    """The electron localization function by planes parallel to the first two lattice vectors."""

    z: Floats  # (n,) in Angstrom along their normal
    mean: Floats  # (n,), dimensionless, 0 to 1; spin channels averaged
    largest: Floats  # (n,)
    grid: tuple[int, int, int]
    coarse: Floats | None = None  # (m1, m2, m3) points about 0.2 Angstrom apart, for slices


@dataclass(frozen=True, kw_only=True)
class Vibrations:
    """Harmonic modes of the coordinates that were free to move, at the geometry of the run."""

    wavenumbers: Floats  # (n_modes,) in 1/cm, stiffest first; an imaginary mode is negative
    vectors: Floats  # (n_modes, n_atoms, 3) mass-weighted displacements, each of length 1

    @property
    def imaginary(self) -> tuple[float, ...]:
        """Return the imaginary wavenumbers in 1/cm, as positive numbers, largest first."""
        return tuple(sorted((-float(w) for w in self.wavenumbers if w < 0), reverse=True))


@dataclass(frozen=True, kw_only=True)
class Part:
    """What an earlier part of a calculation did before it was stopped or died."""

    name: str  # "part-01", the folder with its files
    n_ionic_steps: int
    elapsed_s: float  # of the ionic steps that ended
    ended: Literal["walltime", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished calculation as read from its folder.

    Where atoms were displaced to find their vibrations, energies, forces and structure are those
    of the geometry itself; levels, charges and DOS are of the last displacement.
    """

    folder: str
    settings: Settings
    engine_version: str
    status: Status
    reasons: tuple[str, ...]  # why it is unconverged; empty when it is converged
    initial_structure: Structure
    structure: Structure  # after the last ionic step
    e0: float
    free_energy: float
    e_wo_entropy: float
    efermi: float
    forces: Floats  # (n_atoms, 3) of the last ionic step
    max_force: float  # largest force along coordinates that were free to move
    n_ionic_steps: int
    n_electrons: float
    charge: float  # e, net charge of the cell: sum of ZVAL - n_electrons
    magnetization: float | None  # Bohr magnetons; None without spin
    incar: Mapping[str, Any]
    kpoints: Mapping[str, Any]
    elapsed_s: float
    dos: Dos | None = None
    bands: Bands | None = None
    site_charges: SiteCharges | None = None
    bader: tuple[BaderCharges, ...] = ()  # one per algorithm; of runs of the charge task
    elf: ElfProfile | None = None  # of runs of the elf task
    vibrations: Vibrations | None = None  # of runs of the vibrations task
    corrections: tuple[str, ...] = ()  # what custodian changed, in order
    notes: tuple[str, ...] = ()  # e.g. tags the engine did not honour
    parts: tuple[Part, ...] = ()  # before the last one; their steps and times are counted above
    n_cores: int | None = None  # MPI ranks times threads; None where no file tells
    moments: Floats | None = None  # (n_atoms,) Bohr magnetons, as in OUTCAR; None without spin
    vacuum_level: float | None = None  # eV, on the scale of the eigenvalues; None where not known
    vacuum_spread: float | None = None  # eV, how far the potential is from flat out there


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image of a band."""

    structure: Structure
    e0: float
    free_energy: float
    e_wo_entropy: float
    max_force: float | None  # None for an end point read from energies only
    status: Status


@dataclass(frozen=True, kw_only=True)
class Band:
    """A finished nudged elastic band: the images in order, both end points included."""

    folder: str
    settings: Settings
    engine_version: str
    status: Status
    reasons: tuple[str, ...]
    images: tuple[Image, ...]
    path: Floats  # (n_images,) cumulated displacement in Angstrom, starts at 0
    is_climbing: bool
    n_ionic_steps: int
    incar: Mapping[str, Any]
    elapsed_s: float
    corrections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    n_cores: int | None = None  # of all images together


@dataclass(frozen=True, kw_only=True)
class DensityDifference:
    """The density of a whole minus those of its fragments, frozen in the joint geometry.

    ``z`` runs along the normal of the first two lattice vectors, from the middle of the vacuum
    through all fragments to the middle of the next vacuum; it may leave the cell.
    """

    folder: str
    settings: Settings
    engine_version: str
    status: Status
    reasons: tuple[str, ...]
    structure: Structure  # of the whole
    fragments: Mapping[str, tuple[int, ...]]  # name: atoms of the whole
    z: Floats  # (n,) in Angstrom
    joint: Floats  # (n,) planar sum of the whole's valence density, e/Angstrom
    delta: Floats  # (n,) planar sum of the difference, e/Angstrom; positive = electrons gained
    integrated: Floats  # (n,) running integral of delta from z[0], e
    planes: tuple[float, ...]  # z where joint is lowest between neighbouring fragments
    coarse: Floats  # (m1, m2, m3) difference in e/Angstrom^3, low-pass to about 0.2 Angstrom
    grid: tuple[int, int, int]  # of the densities that were subtracted
    elapsed_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a calculation is for; one calculation may serve under several labels."""

    study: str
    profile: str
    model: str  # "MoS2@NC", "K_bcc"
    task: str  # "relax", "static", "dos", "neb"
    name: str  # "MoS2@NC/K-gallery-1/relax"


def folder_name(name: str, key: str) -> str:
    """Return a folder name for a step of a study.

    Examples
    --------
    >>> folder_name("MoS2@NC/K-gallery-1/relax", "3f2a90b1c4d5")
    'MoS2@NC_K-gallery-1_relax-3f2a90b1'
    """
    readable = re.sub(r"[^A-Za-z0-9@.+-]+", "_", name).strip("_.")
    return f"{readable}-{key[:8]}"


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One total energy in a binding or reaction energy."""

    role: str  # "host with K", "host", "K atom", "electron at the vacuum level"
    factor: float  # positive for products, negative for reactants
    key: str | None  # the calculation's key; None for an electron
    energy: float  # E0 in eV; 0 for an electron at the vacuum level
    charge: float  # e
    formula: str  # "Mo7 S14 C23 N1 K1"; "" for an electron


GEOMETRY = "geometry"  # method of a property that no run was needed for


@dataclass(frozen=True, kw_only=True)
class Property:
    """A number with its unit and its sources."""

    study: str
    profile: str
    engine: str
    method: str
    model: str  # "MoS2@NC"
    quantity: str  # "K binding energy", "barrier forward", "DOS at E_F"
    label: str  # which site, path or route: "gallery-1", "through-layer"
    reference: str  # "K atom", "bcc K", "K+ gas", "" where none is needed
    value: float | None  # None when it could not be derived; the notes say why
    unit: str
    energy_kind: str  # "E0" for every energy, "E0 + F_vib" for free ones; "" otherwise
    status: Literal["ok", "unconverged", "missing"]
    legs: tuple[Leg, ...] = ()
    keys: tuple[str, ...] = ()  # calculations it was derived from
    detail: Mapping[str, Any] = field(default_factory=dict)  # plain JSON: path, energies, spline
    notes: tuple[str, ...] = ()


def formula_elements(formula: str) -> str:
    """Return the elements of a formula by name, a space around each, as they are searched for.

    Examples
    --------
    >>> formula_elements("Mo9 S18 C32 N1 K1")
    ' C K Mo N S '
    """
    symbols = sorted({"".join(c for c in part if c.isalpha()) for part in formula.split()})
    return f" {' '.join(symbols)} "
