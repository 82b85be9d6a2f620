"""An adatom comes to rest in the hollows of a metal's face."""

import numpy as np
import pytest
from pymatgen.core import Structure

from heterofire.structures.adatoms import adatom_sites, hop_sites, put_adatom
from heterofire.structures.crystals import build_crystal
from heterofire.structures.edits import supercell
from heterofire.structures.errors import StructureError
from heterofire.structures.slabs import build_slab


@pytest.fixture(scope="module")
def lithium() -> Structure:
    slab = build_slab(build_crystal("Li_bcc"), (0, 0, 1), n_layers=3, vacuum=20.0).structure
    return supercell(slab, (3, 3, 1))


def test_every_cell_of_bcc_001_has_one_hollow(lithium):
    sites = adatom_sites(lithium, "Li")
    assert len(sites) == 9
    assert {site.n_neighbours for site in sites} == {4}
    assert np.ptp([site.height for site in sites]) < 0.15  # the step of the grid


def test_a_hop_goes_to_the_next_hollow_a_lattice_constant_away(lithium):
    first, second = hop_sites(lithium, adatom_sites(lithium, "Li"))
    with_ion = [put_adatom(lithium, site, "Li")[-1] for site in (first, second)]
    assert with_ion[0].distance(with_ion[1]) == pytest.approx(3.509, abs=0.2)


def test_the_hop_is_beside_what_lies_on_the_slab(lithium):
    top = lithium.cart_coords[:, 2].max()
    crowded = lithium.copy()
    for x, y in ((5.26, 5.26), (5.26, 6.5), (6.5, 5.26)):
        crowded.append("C", [x, y, top + 2.3], coords_are_cartesian=True)
    slab = range(len(lithium))
    sites = adatom_sites(crowded, "Li", slab)
    assert 0 < len(sites) < 9
    assert min(site.to_others for site in sites) > 2.5  # Li-C is 2.0: there it would leave the slab
    first, second = hop_sites(crowded, sites)
    nearest = sorted(site.to_others for site in sites)[:2]
    assert first.to_others + second.to_others <= sum(nearest) + 2.0


def test_a_face_that_is_all_covered_has_no_site(lithium):
    covered = lithium.copy()
    top = lithium.cart_coords[:, 2].max()
    for x in np.arange(0, 10.5, 1.5):
        for y in np.arange(0, 10.5, 1.5):
            covered.append("C", [x, y, top + 1.6], coords_are_cartesian=True)
    with pytest.raises(StructureError, match="covered"):
        adatom_sites(covered, "Li", range(len(lithium)))
