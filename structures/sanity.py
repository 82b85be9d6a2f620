"""What a relaxation did to a molecule that no chemist would believe, in words."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bonding import bonds
from .internal_coordinates import atom_names
from .mof_clusters import cluster_names
from .molecule_library import sanity
from .species import Species

# Fe(III)-O in carboxylate trimers: 1.87 to mu3-O to 2.08 to water (Anson et al., Inorg. Chem. 36
# (1997) 1265), with a margin.
_FE_O = (1.85, 2.15)  # Angstrom
_ROUNDED = 0.005


def shortcomings(species: Species, positions: ArrayLike, *, method: str = "") -> list[str]:
    """Return what left chemically sane bounds, one sentence each.

    Parameters
    ----------
    species
        As built: a molecule of the library, an Fe cluster, or a complex of them.
    positions
        (n, 3) of its atoms after a relaxation, Angstrom, in one piece.
    method
        What relaxed it, named in the sentences.

    Examples
    --------
    >>> from heterofire.structures.molecules import build_species
    >>> node = build_species("MIL-101(Fe) node")
    >>> shortcomings(node, node.positions)
    []
    >>> shortcomings(node, 1.1 * node.positions, method="a guess")[0].split(",")[0]
    'MIL-101(Fe) node: 13 of 17 Fe-O are outside 1.85 to 2.15 Angstrom'
    """
    places = np.asarray(positions, dtype=np.float64)
    found = sanity(species, places, method=method)
    pieces = species.fragments or {species.name: tuple(range(len(species.symbols)))}
    for name, atoms in pieces.items():
        if name in cluster_names():
            found += _far_oxygen(name, species, list(atoms), places, method)
    return found


def _far_oxygen(
    name: str, species: Species, atoms: list[int], places: NDArray[np.float64], method: str
) -> Iterator[str]:
    """Give a sentence about the Fe-O that are too short or too long."""
    symbols = [species.symbols[i] for i in atoms]
    built = species.positions[atoms]
    pairs = [
        (i, j) for i, j in sorted(bonds(symbols, built)) if {symbols[i], symbols[j]} == {"Fe", "O"}
    ]
    names, now = atom_names(symbols), places[atoms]
    lengths = {f"{names[i]}-{names[j]}": float(np.linalg.norm(now[i] - now[j])) for i, j in pairs}
    least, most = _FE_O[0] - _ROUNDED, _FE_O[1] + _ROUNDED
    outside = {k: d for k, d in lengths.items() if not least <= d <= most}
    if outside:
        worst = ", ".join(f"{k} {outside[k]:.2f}" for k in sorted(outside, key=outside.__getitem__))
        blame = f" (a shortcoming of {method})" if method else ""
        yield (
            f"{name}: {len(outside)} of {len(pairs)} Fe-O are outside {_FE_O[0]:g} to {_FE_O[1]:g} "
            f"Angstrom, {worst}{blame}"
        )
