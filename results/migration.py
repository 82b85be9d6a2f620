"""How high an ion has to climb to go from cell to cell: the lowest path through several hops."""

from collections.abc import Sequence

from ..structures.errors import RunError
from ..structures.percolation import Link, percolate
from .barriers import band_barrier
from .records import Band, Run
from .requests import MigrationRequest
from .values import Value

_SAME = 1e-9  # eV


def migration_value(
    request: MigrationRequest, bands: Sequence[Band], ends: Sequence[tuple[Run, Run]]
) -> Value:
    """Return the barrier of the lowest path from cell to cell.

    All energies are E0 of the same atoms in the same cell. The barrier is the highest saddle that
    cannot be gone around, above the lowest site that the path connects, or the lowest image of its
    bands where one lies below the sites.

    Parameters
    ----------
    request
        Which sites each hop joins.
    bands, ends
        Band and end points of each hop, in the request's order.

    Raises
    ------
    RunError
        The hops do not lead as far as is asked.
    """
    sites: dict[int, float] = {}
    links, saddles, bottoms = list[Link](), dict[str, float](), dict[str, float]()
    for hop, band, (initial, final) in zip(request.hops, bands, ends, strict=True):
        first, second, *_ = hop.edges[0]
        for site, energy in ((first, initial.e0), (second, final.e0)):
            kind = request.site_kinds[site]
            sites[kind] = min(energy, sites.get(kind, energy))
        barrier = band_barrier(band, initial, final)
        saddles[hop.label] = initial.e0 + barrier.forward
        bottoms[hop.label] = initial.e0 + float(barrier.energies.min())
        links += [
            Link(first=i, second=j, shift=(u, v), height=saddles[hop.label])
            for i, j, u, v in hop.edges
        ]
    found = percolate(len(request.site_kinds), links)
    if len(found) < request.directions:
        raise RunError(
            f"the {len(request.hops)} hops of {request.model} that were computed lead from cell to "
            f"cell in {len(found)} direction(s), not in {request.directions}: compute more of them"
        )
    path = found[request.directions - 1]
    open_hops = [name for name, e in saddles.items() if e <= path.height + _SAME]
    lowest = min(
        *(sites[request.site_kinds[i]] for i in path.places), *(bottoms[name] for name in open_hops)
    )
    used = {name: saddles[name] - lowest for name in open_hops}
    listed = ", ".join(f"{name} {height:.3f} eV" for name, height in used.items())
    return Value(
        quantity="migration barrier",
        unit="eV",
        value=path.height - lowest,
        energy_kind="E0",
        detail={
            "saddles": {name: e - lowest for name, e in saddles.items()},
            "directions": request.directions,
        },
        notes=(f"above the lowest place on the path; saddles up to the highest: {listed}",),
    )
