"""Charges of atoms and fragments by scheme, and their way through the store."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.charges import INTEGRATED, charge_values, net_charges
from heterofire.results.derive import derive
from heterofire.results.planar import vacuum_middle
from heterofire.results.records import (
    BaderCharges,
    DensityDifference,
    ElfProfile,
    Label,
    SiteCharges,
)
from heterofire.results.requests import ChargeRequest, ElfRequest, TransferRequest
from heterofire.structures.errors import RunError, StoreError

CELL = Structure(
    Lattice.orthorhombic(4, 4, 20), ["C", "S", "K"], [[0, 0, 0.1], [0, 0, 0.4], [0, 0, 0.25]]
)
LAYERS = {"sheet": (0,), "film": (1,)}
ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}


def bader(algorithm: str, net: list[float], moments=None) -> BaderCharges:
    return BaderCharges(
        algorithm=algorithm,
        reference="AECCAR0+AECCAR2",
        electrons=np.array([4.0, 6.0, 1.0]) - net,
        net=np.array(net),
        volumes=np.array([20.0, 30.0, 10.0]),
        distances=np.array([0.7, 1.1, 1.5]),
        moments=moments,
        vacuum_electrons=0.0,
        vacuum_volume=0.0,
        grid=(20, 20, 100),
        notes=("a note",),
    )


@pytest.fixture
def charged(make_run):
    return replace(
        make_run(CELL),
        bader=(bader("near-grid", [-0.5, -0.3, 0.8]), bader("weight", [-0.52, -0.29, 0.81])),
        site_charges=SiteCharges(
            scheme="Mulliken",
            electrons=np.array([4.2, 6.2, 0.6]),
            net=np.array([-0.2, -0.2, 0.4]),
        ),
        elf=ElfProfile(
            z=np.arange(100) * 0.2,
            mean=np.linspace(0, 0.5, 100),
            largest=1 - np.abs(np.arange(100) * 0.2 - 5.0) / 20,
            grid=(20, 20, 100),
        ),
    )


def difference(settings_of, planes: tuple[float, ...], gained: float) -> DensityDifference:
    """A difference in which the film's side of the only plane gains so many electrons."""
    z = vacuum_middle(CELL) + np.arange(100) * 0.2
    delta = np.zeros(100)
    delta[60], delta[30] = gained / 0.2, -gained / 0.2
    return DensityDifference(
        folder="runs/difference",
        settings=settings_of.settings,
        engine_version="0.8.0",
        status="converged",
        reasons=(),
        structure=CELL,
        fragments={"sheet": (0, 2), "film": (1,)},
        z=z,
        joint=np.ones(100),
        delta=delta,
        integrated=np.cumsum(delta) * 0.2,
        planes=planes,
        coarse=np.zeros((2, 2, 4)),
        grid=(20, 20, 100),
        elapsed_s=0.5,
    )


def label(name: str) -> Label:
    return Label(study="s", profile="quick", model="m", task="charge", name=name)


def test_charges_come_back_from_the_store_as_they_went_in(store, charged):
    store.add_run("k1", label("m/charge"), charged)
    found = store.get_run("k1")
    assert [b.algorithm for b in found.bader] == ["near-grid", "weight"]
    for before, after in zip(charged.bader, found.bader, strict=True):
        for name in ("electrons", "net", "volumes", "distances"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert (after.grid, after.notes, after.moments) == (before.grid, before.notes, None)
    np.testing.assert_array_equal(found.elf.largest, charged.elf.largest)


def test_a_difference_comes_back_from_the_store_as_it_went_in(store, charged):
    record = difference(charged, (15.0,), 0.2)
    store.add_difference("d1", label("m/charge-difference"), record)
    found = store.get_difference("d1")
    assert found.fragments == record.fragments
    assert (found.planes, found.grid, found.elapsed_s) == ((15.0,), (20, 20, 100), 0.5)
    for name in ("z", "joint", "delta", "integrated", "coarse"):
        np.testing.assert_array_equal(getattr(found, name), getattr(record, name))
    with pytest.raises(StoreError, match="a run was asked for"):
        store.get_run("d1")
    assert store.check() == []


def test_the_net_charge_is_given_in_every_scheme_with_its_name(store, charged):
    store.add_run("k1", label("m/charge"), charged)
    items = derive(store, [ChargeRequest(model="m", label="top", key="k1")], **ABOUT)
    assert {item.reference: item.value for item in items} == pytest.approx(
        {"Bader near-grid": 0.8, "Bader weight": 0.81, "Mulliken": 0.4}
    )
    assert {item.unit for item in items} == {"e"}


def test_a_charge_along_a_hop_says_where_on_the_path_it_is(store, charged, make_band):
    band = make_band(CELL, [0.0, 0.3, 0.1])
    store.add_run("k1", label("m/charge"), charged)
    store.add_band("b1", label("m/neb"), band)
    request = ChargeRequest(model="m", label="gallery image 1", key="k1", band="b1", image=1)
    item = derive(store, [request], **ABOUT)[0]
    assert item.detail["hop"] == "gallery"
    assert item.detail["image"] == 1
    assert item.detail["path"] == pytest.approx(band.path[1])
    assert set(item.keys) == {"k1", "b1"}
    assert item.status == "ok"


def test_a_charge_on_a_band_that_is_not_at_rest_is_not_converged(store, charged, make_band):
    band = make_band(CELL, [0.0, 0.3, 0.1], status="unconverged", reasons=("NSW",))
    store.add_run("k1", label("m/charge"), charged)
    store.add_band("b1", label("m/neb"), band)
    request = ChargeRequest(model="m", label="gallery image 1", key="k1", band="b1", image=1)
    item = derive(store, [request], **ABOUT)[0]
    assert item.status == "unconverged"
    assert "NSW" in item.notes[0]


def transfer(**changes) -> TransferRequest:
    values = {"model": "m", "label": "host", "key": "k1", "fragments": LAYERS, "show": ("film",)}
    return TransferRequest(**{**values, **changes})


def test_electrons_gained_are_minus_the_net_charge(store, charged):
    store.add_run("k1", label("m/charge"), charged)
    items = {item.reference: item for item in derive(store, [transfer()], **ABOUT)}
    assert items["Bader near-grid"].value == pytest.approx(0.3)
    assert items["Mulliken"].value == pytest.approx(0.2)
    assert items["Mulliken"].quantity == "electrons gained by film"


def test_the_integrated_difference_stands_beside_the_charges(store, charged):
    store.add_run("k1", label("m/charge"), charged)
    store.add_difference("d1", label("m/d"), difference(charged, (26.5,), 0.12))
    items = derive(store, [transfer(difference="d1")], **ABOUT)
    found = next(item for item in items if item.reference == INTEGRATED)
    assert found.value == pytest.approx(0.12)
    assert found.keys == ("k1", "d1")
    assert found.notes == ()


def test_unlike_signs_of_bader_and_integrated_difference_are_explained(store, charged):
    store.add_run("k1", label("m/charge"), charged)
    store.add_difference("d1", label("m/d"), difference(charged, (26.5,), -0.12))
    items = derive(store, [transfer(difference="d1")], **ABOUT)
    found = next(item for item in items if item.reference == INTEGRATED)
    assert "Bader gives +0.300 e, the other sign" in found.notes[0]


def test_elf_is_taken_where_it_is_lowest_between_the_layers(store, charged):
    store.add_run("k1", label("m/elf"), charged)
    request = ElfRequest(model="m", label="host", key="k1", bottom=(0,), top=(1,))
    item = derive(store, [request], **ABOUT)[0]
    # Largest ELF falls with the distance from 5 A; between 2 and 8 A the lowest is at an edge.
    assert item.value == pytest.approx(1 - 2.8 / 20)
    assert item.unit == ""


def test_charges_without_zval_are_no_net_charges(charged):
    bare = replace(charged.bader[0], net=None)
    assert bare.gained is None
    assert list(net_charges(replace(charged, bader=(bare,)))) == ["Mulliken"]


def test_what_lies_between_paw_spheres_is_no_charge(charged):
    spheres = replace(charged.site_charges, scheme="PAW spheres")
    run = replace(charged, site_charges=spheres)
    assert list(net_charges(run)) == ["Bader near-grid", "Bader weight"]
    with pytest.raises(RunError, match="no charges: run it as task charge"):
        charge_values(replace(run, bader=()), "K", {})
