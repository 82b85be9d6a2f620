"""Is a slab polar: the dipole that formal charges of its atoms make along the normal."""

from dataclasses import dataclass

from pymatgen.core import Structure

from .errors import StructureError

_POLAR = 0.05  # e Angstrom per Angstrom^2; relaxation undoes less


@dataclass(frozen=True, kw_only=True)
class Polarity:
    """What formal charges say about a slab; they are a guess by composition, not computed."""

    charges: dict[str, float]  # per element, in e; empty where no guess balances
    dipole: float | None  # along the normal, e Angstrom per Angstrom^2; None without charges

    @property
    def is_polar(self) -> bool | None:
        """Return whether the slab carries a dipole (Tasker's type 3); None if that is unknown."""
        return None if self.dipole is None else abs(self.dipole) > _POLAR


def polarity_of(slab: Structure) -> Polarity:
    """Return the dipole per area by formal charges, J. Phys. C 12 (1979) 4977 (Tasker).

    Parameters
    ----------
    slab
        Neutral by its composition; c along z, not cut by the cell's lower or upper face.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> from heterofire.structures.slabs import build_slab
    >>> lif = build_crystal("LiF")
    >>> [polarity_of(build_slab(lif, hkl, n_layers=2).structure).is_polar
    ...  for hkl in ((1, 0, 0), (1, 1, 1))]
    [False, True]
    """
    if len(slab.composition) == 1:
        return Polarity(charges={str(el): 0.0 for el in slab.composition}, dipole=0.0)
    guesses = slab.composition.reduced_composition.oxi_state_guesses()
    if not guesses:
        return Polarity(charges={}, dipole=None)
    charges = {str(el): float(q) for el, q in guesses[0].items()}
    area = slab.volume / slab.lattice.c
    total = sum(charges[site.specie.symbol] for site in slab)
    if abs(total) > 1e-6:
        raise StructureError(f"formal charges of {slab.composition.formula} sum to {total:+g}")
    dipole = sum(charges[site.specie.symbol] * site.z for site in slab) / area
    return Polarity(charges=charges, dipole=float(dipole))
