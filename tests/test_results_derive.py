"""Every request becomes a number, or a row that says why there is none."""

from dataclasses import replace

import numpy as np
import pytest

from heterofire.results.derive import derive
from heterofire.results.interlayers import interlayer_distance
from heterofire.results.records import Label
from heterofire.results.requests import (
    BarrierRequest,
    ChargeRequest,
    DosRequest,
    EnergyRequest,
    InterlayerRequest,
    LegRequest,
)

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
SITE = {"model": "MoS2@NC", "label": "gallery-1"}
BINDING = EnergyRequest(
    **SITE,
    quantity="K binding energy",
    reference="K atom",
    legs=(
        LegRequest(role="host with K", factor=1, key="with"),
        LegRequest(role="host", factor=-1, key="host"),
        LegRequest(role="K atom", factor=-1, key="K"),
    ),
)
BARRIER = BarrierRequest(model="MoS2@NC", label="surface", band="band", initial="a", final="b")
DOS = DosRequest(model="MoS2@NC", label="host", key="host")
GAP = InterlayerRequest(model="MoS2@NC", label="host", key="host", bottom=(1, 2), top=(0,))
CHARGE = ChargeRequest(model="MoS2@NC", label="host", key="host", element="Mo")


def _add(store, **runs) -> None:
    for key, run in runs.items():
        label = Label(study="s", profile="quick", model="m", task="relax", name=f"m/{key}")
        store.add_run(key, label, run)


@pytest.fixture
def filled(store, full_run, make_run, make_structure, make_band, label):
    host = replace(full_run, settings=make_run(full_run.structure).settings)
    with_k = full_run.structure.copy()
    with_k.append("K", [0.5, 0.5, 0.9], properties={"selective_dynamics": [True] * 3})
    _add(
        store,
        host=host,
        K=make_run(make_structure("K", box=14.0), -5.0),
        a=make_run(with_k, -38.0),
        b=make_run(with_k, -38.1),
        **{"with": make_run(with_k, host.e0 - 6.5)},
    )
    store.add_band("band", label, make_band(with_k, [-38.0, -37.6, -38.1]))
    return store


def test_each_request_gives_its_numbers(filled):
    items = derive(filled, [BINDING, BARRIER, DOS, GAP, CHARGE], **ABOUT)
    values = {item.quantity: (round(item.value, 6), item.unit, item.status) for item in items}
    assert values["K binding energy"] == (-1.5, "eV", "ok")
    assert values["barrier forward"][0] == pytest.approx(0.4, abs=0.01)
    assert values["barrier back"][0] == pytest.approx(0.5, abs=0.01)
    assert values["DOS at E_F"][1:] == ("states/eV/cell", "ok")
    assert values["band gap"][1:] == ("eV", "ok")
    assert values["d-band centre of Mo"][1:] == ("eV", "ok")
    assert values["net charge of Mo"] == (0.5, "e", "ok")
    assert values["interlayer distance"][1] == "Angstrom"
    assert all(item.method == "GFN1-xTB, 1000 K" for item in items)
    assert {item.energy_kind for item in items if item.quantity.startswith("barrier")} == {"E0"}


def test_what_is_derived_survives_the_store(filled):
    items = derive(filled, [BINDING, BARRIER, DOS, GAP, CHARGE], **ABOUT)
    filled.replace_properties(**ABOUT, properties=items)
    assert filled.properties(**ABOUT) == items


def test_a_missing_calculation_is_named_and_hides_nothing(filled):
    gone = BINDING.model_copy(
        update={"legs": (*BINDING.legs[:2], LegRequest(role="bcc K", factor=-1, key="gone"))}
    )
    band = BARRIER.model_copy(update={"band": "nope"})
    items = derive(filled, [gone, band, CHARGE], **ABOUT)
    assert [item.status for item in items] == ["missing", "missing", "missing", "ok"]
    assert items[0].notes == ("calculation gone (bcc K) is not finished",)
    assert "nope (band of surface)" in items[1].notes[0]
    assert items[0].value is None
    assert items[0].reference == "K atom"


def test_a_number_that_cannot_be_derived_says_why(filled, make_run, make_structure):
    _add(filled, bare=make_run(make_structure("Mo")))
    requests = [
        DOS.model_copy(update={"key": "bare"}),
        CHARGE.model_copy(update={"key": "bare"}),
        CHARGE.model_copy(update={"element": "W"}),
        BINDING.model_copy(update={"legs": BINDING.legs[:2]}),
    ]
    items = derive(filled, requests, **ABOUT)
    assert [item.status for item in items] == ["missing"] * 6
    assert "has no DOS" in items[0].notes[0]
    assert "has no charges" in items[3].notes[0]
    assert "has no W" in items[4].notes[0]
    assert "does not balance" in items[5].notes[0]


def test_runs_of_another_engine_are_not_used(filled):
    items = derive(filled, [BINDING, DOS, BARRIER], study="s", profile="quick", engine="vasp")
    assert {item.status for item in items} == {"missing"}
    assert all("computed by xtb, not by vasp" in item.notes[0] for item in items)


def test_unconverged_runs_give_unconverged_numbers(filled, make_run):
    structure = filled.get_run("a").structure
    poor = make_run(structure, -38.0, status="unconverged", reasons=("NSW = 60 reached",))
    _add(filled, poor=poor)
    items = derive(filled, [BARRIER.model_copy(update={"initial": "poor"})], **ABOUT)
    assert [item.status for item in items] == ["unconverged"] * 2
    assert "NSW = 60" in items[0].notes[0]


def test_a_damaged_row_costs_only_its_own_numbers(filled, tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute("UPDATE calculations SET e0 = -1 WHERE key = 'with'")
    items = derive(filled, [BINDING, CHARGE], **ABOUT)
    assert [item.status for item in items] == ["missing", "ok"]
    assert "does not match its hash" in items[0].notes[0]


def test_a_dos_on_a_coarse_grid_says_so(filled, make_run):
    run = filled.get_run("host")
    _add(filled, sharp=replace(run, settings=replace(run.settings, sigma=0.001)))
    dos = derive(filled, [DOS, DOS.model_copy(update={"key": "sharp"})], **ABOUT)
    assert dos[0].notes == ("runs/MoS2 was corrected: ZBRENT: POTIM 0.5 -> 0.1",)
    assert "raise NEDOS" in dos[3].notes[0]


def test_barrier_details_hold_the_whole_profile(filled):
    forward = derive(filled, [BARRIER], **ABOUT)[0]
    assert forward.detail["energies"] == pytest.approx([0.0, 0.4, -0.1])
    assert forward.detail["path"] == pytest.approx([0.0, 0.8, 1.6])
    assert len(forward.detail["curve_path"]) == len(forward.detail["curve_energies"]) == 121


def test_a_barrier_on_a_mesh_that_does_not_count_says_so(filled):
    rows = derive(filled, [BARRIER, BARRIER.model_copy(update={"mesh": "1x1x1"})], **ABOUT)
    assert [row.quantity for row in rows] == [
        *("barrier forward", "barrier back"),
        *("barrier forward at 1x1x1 k-points", "barrier back at 1x1x1 k-points"),
    ]


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.55, 0.9])
def test_the_interlayer_distance_does_not_depend_on_the_cell_origin(shift):
    lattice = np.array([[3.0, 0, 0], [-1.5, 2.6, 0], [0.4, 0.2, 25.0]])
    z = np.array([0.0, 0.005, 0.2, 0.26, 0.262])
    atoms = np.column_stack([np.zeros(5), np.zeros(5), (z + shift) % 1.0])
    distance = interlayer_distance(lattice, atoms, [0, 1], [2, 3, 4])
    assert distance == pytest.approx(25.0 * (0.2 - 0.0025), abs=1e-9)
