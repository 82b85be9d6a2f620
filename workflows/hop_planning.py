"""Hops of the ion: end points, the band between them, and the lowest path through several."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymatgen.core import Structure

from ..results.records import Floats
from ..results.requests import HopRequest, MigrationRequest
from ..structures.edits import hold_atoms
from ..structures.errors import InputError
from ..structures.hop_networks import DistinctHop, HopNetwork, find_hop_network, links
from ..structures.hops import Hop, build_hop, hop_between, region_of
from ..structures.models import Model
from ..structures.percolation import percolate
from ..structures.sites import Site
from .calculations import Calculation
from .charge_planning import add_image_charges
from .host_parts import HopPath
from .planner import Planner, Start
from .plans import mesh_name
from .study import Profile, pick

_IN_THE_MIDDLE = 0.5  # Angstrom, of the atoms of one layer's middle plane
_WHERE = {1: "along a line", 2: "in the plane"}


def add_hops(planner: Planner, model: Model, path: HopPath, host: Calculation) -> None:
    """Add one hop, or the symmetry-distinct ones that a path asks for, on the relaxed host."""
    if path.network is not None:
        _add_network(planner, model, path, host)
        return
    first, second = _shared_sites(planner, model, path)
    hop = hop_between(model, first, second, kind=path.kind, ion=planner.study.ion)
    _add_hop(planner, model, path, hop, path.kind)


def _shared_sites(planner: Planner, model: Model, path: HopPath) -> tuple[Site, Site]:
    """Return where all hosts of this cell hop from and to, so that their barriers are of one path.

    It starts at the best site of the first host. Of the neighbours it goes to the best one in the
    host of most elements, where the ion meets what the others have not.
    """
    cell = (path.kind, *model.structure.lattice.matrix.round(3).ravel().tolist())
    if cell not in planner.hop_sites:
        lattice = model.structure.lattice.matrix
        alike = [
            host
            for host in planner.hop_hosts
            if np.allclose(host.structure.lattice.matrix, lattice, atol=1e-3)
        ]
        richest = max(alike, key=lambda host: len(host.structure.composition))
        about: dict[str, Any] = {"ion": planner.study.ion, "gallery_gap": path.gallery_gap}
        start = build_hop(alike[0], path.kind, **about).initial_site
        end = build_hop(richest, path.kind, **about, start=start).final_site
        planner.hop_sites[cell] = (start, end)
    return planner.hop_sites[cell]


def _add_network(planner: Planner, model: Model, path: HopPath, host: Calculation) -> None:
    """Add the distinct hops, and the barriers of the lowest paths that they make."""
    ion, region = planner.study.ion, region_of(path.kind)
    gap = path.gallery_gap if region == "gallery" else None
    network = find_hop_network(model, region, ion=ion, gallery_gap=gap)
    chosen = _chosen(network, pick(path.network, planner.profile))
    requests = [
        _hop_request(planner, model, path, network, hop, number, host)
        for number, hop in enumerate(chosen, start=1)
    ]
    reach = percolate(len(network.sites), links(chosen, range(len(chosen))))
    planner.requests += [
        MigrationRequest(
            model=model.name,
            label=f"{path.kind}, {_WHERE[found.directions]}",
            directions=found.directions,
            site_kinds=network.kinds,
            hops=tuple(requests),
        )
        for found in reach
    ]


def _chosen(network: HopNetwork, extent: str) -> Sequence[DistinctHop]:
    """Return the hops of a network that are to be computed."""
    if extent == "all":
        return network.hops
    return network.lowest(1 if extent == "line" else 2)


def _hop_request(
    planner: Planner,
    model: Model,
    path: HopPath,
    network: HopNetwork,
    hop: DistinctHop,
    number: int,
    host: Calculation,
) -> HopRequest:
    """Add one hop of a network and return where it occurs."""
    first, second = (network.sites[i] for i in hop.edges[0][:2])
    built = hop_between(model, first, second, kind=path.kind, ion=planner.study.ion)
    label = f"{path.kind} {number}: {hop.name}"
    runs = _add_hop(planner, model, path, built, label, Start(parents={"host": host.key}))
    return HopRequest(label=label, edges=hop.edges, **runs)


def _add_hop(
    planner: Planner,
    model: Model,
    path: HopPath,
    hop: Hop,
    label: str,
    start: Start | None = None,
) -> dict[str, str]:
    """Add a hop: both end points relaxed, then the band between them; return their keys."""
    ion = planner.study.ion
    folder, ends = f"{model.name}/{ion}-hop-{label.partition(':')[0].replace(' ', '-')}", {}
    for role, structure in (("initial", hop.initial), ("final", hop.final)):
        held = _freeze(structure, path, hop, planner.profile)
        if path.hold_layers:
            held = hold_layers(held, model, hop)
        ends[role] = planner.add(model.name, f"{folder}/{role}", "relax", held, start=start)
    tags, n_images = path.incar.get(planner.profile), pick(path.images, planner.profile)
    rough = planner.add_band(model.name, folder, ends, n_images=n_images, tags=tags)
    band = _refined(planner, folder, ends, rough, tags)
    planner.add_barrier(label, band)
    if band is not rough:
        planner.add_barrier(label, rough, mesh=mesh_name(rough))
    charges = planner.study.charges
    if charges and path.kind in pick(charges.hops, planner.profile):
        add_image_charges(planner, model, label, band)
    ends_of_band = {role: band.parents[role] for role in ("initial", "final")}
    return {**ends_of_band, "band": band.key}


def _refined(
    planner: Planner,
    folder: str,
    ends: Mapping[str, Calculation],
    band: Calculation,
    tags: Mapping[str, Any] | None,
) -> Calculation:
    """Return the band whose barrier counts: this one, or where it goes on off Gamma."""
    mesh = planner.refined_mesh()
    if mesh is None:
        return band
    finer = {role: planner.refine(end, f"{folder}/{role}-refine") for role, end in ends.items()}
    return planner.add_band(
        band.label.model,
        folder,
        finer,
        n_images=band.n_images,
        tags=tags,
        before=band,
        **mesh,
    )


def _freeze(structure: Structure, path: HopPath, hop: Hop, profile: Profile) -> Structure:
    """Return the structure with the path's frozen elements held, but for those near the hop."""
    frozen = path.freeze.get(profile, ()) if isinstance(path.freeze, dict) else path.freeze
    if not frozen:
        return structure
    ion = len(structure) - 1
    ends = [end.frac_coords[ion] for end in (hop.initial, hop.final)]

    def is_far(place: Floats) -> bool:
        return min(_along_plane(structure, place, end) for end in ends) >= path.free_within

    held = [
        i
        for i, site in enumerate(structure)
        if site.specie.symbol in frozen and is_far(site.frac_coords)
    ]
    return hold_atoms(structure, held)


def hold_layers(structure: Structure, model: Model, hop: Hop) -> Structure:
    """Return the structure with one atom of each layer held in the plane, free to move upright.

    It is the farthest from both ends of the hop of those in the middle of its layer: the whole
    force that would make the layer slide is on it, and metals are moved least by it.

    Raises
    ------
    InputError
        The model is of one layer.
    """
    if not (model.bottom and model.top):
        raise InputError(f"hold_layers needs two layers, and {model.name} is one: leave it out.")
    places = structure.frac_coords
    ends = [end.frac_coords[-1] for end in (hop.initial, hop.final)]

    def nearness(i: int) -> float:
        return -min(_along_plane(structure, places[i], end) for end in ends)

    held = []
    for layer in (model.bottom, model.top):
        heights = structure.cart_coords[list(layer), 2]
        off = np.abs(heights - (heights.min() + heights.max()) / 2)
        middle = [i for i, far in zip(layer, off, strict=True) if far < off.min() + _IN_THE_MIDDLE]
        held.append(min(middle, key=lambda i: (round(nearness(i), 3), i)))
    return hold_atoms(structure, held, along=(True, True, False))


def _along_plane(structure: Structure, first: Floats, second: Floats) -> float:
    """Return the shortest distance of two places parallel to the layers, in Angstrom."""
    flat = [np.array([*place[:2], 0.0]) for place in (first, second)]
    return float(structure.lattice.get_all_distances([flat[0]], [flat[1]])[0, 0])
