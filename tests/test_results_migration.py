"""The barrier of the lowest path through several hops, from stored bands."""

import pytest

from heterofire.results.derive import derive
from heterofire.results.records import Label
from heterofire.results.requests import HopRequest, MigrationRequest, MismatchRequest

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
# Two sites in a cell: rows of 0 by hop "a", from row to row by "b" and "c" through site 1.
HOPS = {
    "a": ((0, 0, 1, 0),),
    "b": ((0, 1, 0, 0),),
    "c": ((1, 0, 0, 1),),
}
ENDS = {"a": (-38.0, -38.0), "b": (-38.0, -37.8), "c": (-37.8, -38.0)}
TOPS = {"a": -37.7, "b": -37.5, "c": -37.4}


@pytest.fixture
def filled(store, full_run, make_run, make_band):
    with_ion = full_run.structure.copy()
    with_ion.append("K", [0.5, 0.5, 0.9], properties={"selective_dynamics": [True] * 3})
    label = Label(study="s", profile="quick", model="m", task="relax", name="m/x")
    for name, ends in ENDS.items():
        for role, energy in zip(("initial", "final"), ends, strict=True):
            store.add_run(f"{name}-{role}", label, make_run(with_ion, energy))
        store.add_band(f"{name}-band", label, make_band(with_ion, [ends[0], TOPS[name], ends[1]]))
    return store


def request(*names, directions=1, kinds=(0, 1)):
    hops = tuple(
        HopRequest(
            label=name, band=f"{name}-band", initial=f"{name}-initial", final=f"{name}-final",
            edges=HOPS[name],
        )
        for name in names
    )  # fmt: skip
    return MigrationRequest(
        model="m", label="surface", directions=directions, site_kinds=kinds, hops=hops
    )


def test_along_the_row_only_the_lowest_hop_counts(filled):
    (item,) = derive(filled, [request("a", "b", "c")], **ABOUT)
    assert (item.quantity, item.unit, item.energy_kind) == ("migration barrier", "eV", "E0")
    assert item.value == pytest.approx(0.3, abs=0.01)
    assert "a 0.300 eV" in item.notes[0]
    assert "b " not in item.notes[0]


def test_from_row_to_row_the_highest_saddle_counts_above_the_lowest_site(filled):
    (item,) = derive(filled, [request("a", "b", "c", directions=2)], **ABOUT)
    assert item.value == pytest.approx(0.6, abs=0.02)
    assert len(item.keys) == 9
    assert set(item.detail["saddles"]) == set(HOPS)


def test_the_lowest_site_is_one_that_the_path_connects(filled):
    """Site 1 lies higher than 0, but only by the hop that leads to it is it on the path."""
    (item,) = derive(filled, [request("c", "b", directions=1)], **ABOUT)
    assert item.value == pytest.approx(0.6, abs=0.02)


def test_hops_that_lead_nowhere_give_no_barrier(filled):
    (item,) = derive(filled, [request("b")], **ABOUT)
    assert item.status == "missing"
    assert "in 0 direction(s), not in 1" in item.notes[0]


def test_a_missing_band_is_named(filled):
    wanted = request("a")
    gone = wanted.hops[0].model_copy(update={"band": "gone"})
    (item,) = derive(filled, [wanted.model_copy(update={"hops": (gone,)})], **ABOUT)
    assert item.status == "missing"
    assert "gone (band of a)" in item.notes[0]


def test_a_mismatch_needs_no_run_and_names_its_definitions(store):
    wanted = MismatchRequest(model="m", label="film on slab", percent={"area": 1.8, "length": 2.4})
    items = derive(store, [wanted], **ABOUT)
    assert [(i.label, i.value, i.unit) for i in items] == [("area", 1.8, "%"), ("length", 2.4, "%")]
    assert {i.method for i in items} == {"geometry"}
    assert {i.status for i in items} == {"ok"}
