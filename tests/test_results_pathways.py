"""States of a route are measured against the first, and their steps add up."""

import re
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from heterofire.results.derive import derive
from heterofire.results.records import Label, Vibrations
from heterofire.results.requests import (
    DosRequest,
    LegRequest,
    PathwayRequest,
    Request,
    StateRequest,
    VibrationRequest,
)
from heterofire.results.thermochemistry import vibrational_free_energy

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
ADSORBED = ("C", "P", "S", "O", "H")
ENERGIES = {"PS4 + *OH": -100.0, "PS4-OH": -100.5, "PS3O-SH": -101.5, "PS3O + *SH": -99.75}
MODES = {
    "PS4 + *OH": 40.0,
    "PS4-OH": 50.0,
    "PS3O-SH": 60.0,
    "PS3O + *SH": 70.0,
    "PS3O + Li2S": 80.0,
}


def _leg(role, factor, key=None) -> LegRequest:
    return LegRequest(role=role, factor=factor, key=key or role)


def _state(name, **changes) -> StateRequest:
    legs = (_leg(name, 1), _leg("PS4 + *OH", -1))
    return StateRequest(**({"name": name, "cell": name, "legs": legs} | changes))


FIRST = _state("PS4 + *OH", legs=())
LAST = _state(
    "PS3O + Li2S",
    legs=(_leg("PS3O + Li2S", 1), _leg("PS4 + *OH", -1), _leg("Li", -1)),
    equation="PS4OH/C(002) + 2 Li -> Li2PS4OH/C(002)",
)
MIDDLE = tuple(_state(name) for name in list(ENERGIES)[1:])
ROUTE = PathwayRequest(model="C(002)", label="to Li2S", states=(FIRST, *MIDDLE, LAST))
FREE = ROUTE.model_copy(
    update={
        "states": tuple(s.model_copy(update={"vibrations": f"vib {s.name}"}) for s in ROUTE.states)
    }
)


def _add(store, runs) -> None:
    for key, run in runs.items():
        label = Label(study="s", profile="quick", model="m", task="relax", name=f"m/{key}")
        store.add_run(key, label, run)


@pytest.fixture
def filled(store, make_run, make_structure):
    """Relaxed cells of five states and of bulk Li, and vibrations of each adsorbate."""
    adsorbed, with_li = make_structure(*ADSORBED), make_structure(*ADSORBED, "Li", "Li")
    runs = {name: make_run(adsorbed, energy) for name, energy in ENERGIES.items()}
    runs["PS3O + Li2S"] = make_run(with_li, -106.0)
    runs["Li"] = make_run(make_structure("Li", "Li", a=3.5), -7.0)
    for name, wavenumber in MODES.items():
        run = runs[name]
        held = run.structure.copy()
        free = [[False] * 3] * (len(held) - 1) + [[True] * 3]
        held.add_site_property("selective_dynamics", free)
        modes = Vibrations(
            wavenumbers=np.array([1000.0, 500.0, 10 * wavenumber]),
            vectors=np.zeros((3, len(held), 3)),
        )
        runs[f"vib {name}"] = replace(run, initial_structure=held, structure=held, vibrations=modes)
    _add(store, runs)
    return store


def _rows(items, quantity):
    return [item for item in items if item.quantity == quantity]


def _values(items, quantity):
    return [item.value for item in _rows(items, quantity)]


def test_states_are_measured_against_the_first(filled):
    items = derive(filled, [ROUTE], **ABOUT)
    assert _values(items, "state energy") == pytest.approx([0.0, -0.5, -1.5, 0.25, 1.0])
    assert [item.label for item in _rows(items, "state energy")][:2] == [
        "to Li2S: PS4 + *OH",
        "to Li2S: PS4-OH",
    ]
    assert all((item.unit, item.energy_kind, item.status) == ("eV", "E0", "ok") for item in items)


def test_steps_join_neighbours_and_add_up_to_the_last_state(filled):
    items = derive(filled, [ROUTE], **ABOUT)
    steps = _rows(items, "step energy")
    assert [item.value for item in steps] == pytest.approx([-0.5, -1.0, 1.75, 0.75])
    assert steps[2].label == "to Li2S: PS3O-SH -> PS3O + *SH"
    last = _values(items, "state energy")[-1]
    assert sum(item.value for item in steps) == pytest.approx(last, abs=1e-9)
    assert [(leg.role, leg.factor) for leg in steps[3].legs] == [
        ("PS3O + Li2S", 1.0),
        ("Li", -1.0),
        ("PS3O + *SH", -1.0),
    ]


def test_the_largest_step_is_named(filled):
    (item,) = _rows(derive(filled, [ROUTE], **ABOUT), "rate-determining step")
    assert (item.label, item.value) == ("to Li2S", pytest.approx(1.75))
    assert item.detail["step"] == "PS3O-SH -> PS3O + *SH"
    assert "the largest step is PS3O-SH -> PS3O + *SH" in item.notes
    assert any("without a transition state" in note for note in item.notes)


def test_free_energies_add_the_vibrations_of_the_adsorbate(filled):
    items = derive(filled, [FREE], **ABOUT)
    f_vib = [
        vibrational_free_energy(np.array([1000.0, 500.0, 10 * w]) * 1.239842e-4, 298.15)
        for w in MODES.values()
    ]
    wanted = np.array([0.0, -0.5, -1.5, 0.25, 1.0]) + f_vib - f_vib[0]
    assert _values(items, "state free energy") == pytest.approx(wanted, abs=1e-5)
    steps = _values(items, "step free energy")
    assert steps == pytest.approx(np.diff(wanted), abs=1e-5)
    assert sum(steps) == pytest.approx(wanted[-1], abs=1e-5)
    free = _rows(items, "rate-determining step")[1]
    assert (free.reference, free.energy_kind) == ("298.15 K", "E0 + F_vib")
    assert free.value == pytest.approx(max(np.diff(wanted)), abs=1e-5)


def test_the_vibrations_of_reservoirs_are_said_to_be_left_out(filled):
    states = _rows(derive(filled, [FREE], **ABOUT), "state free energy")
    said = ["reservoirs are not included (Li)" in " ".join(item.notes) for item in states]
    assert said == [False, False, False, False, True]


def test_a_temperature_is_the_reference_of_free_energies(filled):
    cold = FREE.model_copy(update={"temperature_kelvin": 0.0})
    items = derive(filled, [cold], **ABOUT)
    states = _rows(items, "state free energy")
    assert {item.reference for item in states} == {"0 K"}
    assert states[1].value == pytest.approx(-0.5 + 0.5 * 100 * 1.239842e-4, abs=1e-5)


def test_without_vibrations_of_every_state_there_are_no_free_energies(filled):
    some = FREE.model_copy(update={"states": (*FREE.states[:-1], LAST)})
    items = derive(filled, [some], **ABOUT)
    assert {item.quantity for item in items} == {
        "state energy", "step energy", "rate-determining step",
    }  # fmt: skip


def test_a_missing_state_hides_only_what_needs_it(filled):
    gone = _state("PS3O-SH", legs=(_leg("PS3O-SH", 1, "no"), _leg("PS4 + *OH", -1)), cell="no")
    states = (FIRST, MIDDLE[0], gone, MIDDLE[2], LAST)
    items = derive(filled, [ROUTE.model_copy(update={"states": states})], **ABOUT)
    status = [item.status == "ok" for item in items]
    assert status == [True, True, False, True, True, True, False, False, True, False]
    assert items[2].notes == ("calculation no (PS3O-SH) is not finished",)
    assert items[-1].notes == items[2].notes


def test_missing_vibrations_leave_the_energies_alone(filled):
    last = LAST.model_copy(update={"vibrations": "no"})
    items = derive(filled, [FREE.model_copy(update={"states": (*FREE.states[:-1], last)})], **ABOUT)
    assert [item.status for item in _rows(items, "state energy")] == ["ok"] * 5
    free = _rows(items, "state free energy")
    assert [item.status for item in free] == ["ok"] * 4 + ["missing"]
    assert "calculation no" in free[-1].notes[0]


def test_an_unconverged_state_marks_its_own_rows_and_the_largest_step(filled, make_run):
    run = filled.get_run("PS4-OH")
    _add(filled, {"poor": replace(run, status="unconverged", reasons=("NSW = 60 reached",))})
    poor = _state("PS4-OH", legs=(_leg("PS4-OH", 1, "poor"), _leg("PS4 + *OH", -1)), cell="poor")
    items = derive(
        filled, [ROUTE.model_copy(update={"states": (FIRST, poor, *ROUTE.states[2:])})], **ABOUT
    )
    marked = [item.label for item in items if item.status == "unconverged"]
    assert marked == [
        "to Li2S: PS4-OH",
        "to Li2S: PS4 + *OH -> PS4-OH",
        "to Li2S: PS4-OH -> PS3O-SH",
        "to Li2S",
    ]
    assert "NSW = 60" in " ".join(items[-1].notes)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            LAST.model_copy(update={"legs": LAST.legs[:2]}),
            "PS3O \\+ Li2S does not balance.*Li \\+2",
        ),
        (
            _state("PS3O + Li2S", legs=(LAST.legs[0], _leg("PS4-OH", -1), LAST.legs[2])),
            "'PS3O \\+ Li2S' holds the first state 'PS4 \\+ \\*OH' .* \\+0 times",
        ),
        (LAST.model_copy(update={"cell": "other"}), "'PS3O \\+ Li2S' holds its own cell"),
        (LAST.model_copy(update={"name": "PS4-OH"}), "'PS4-OH' is there 2 times"),
    ],
    ids=["balance", "first state", "own cell", "name"],
)
def test_a_wrong_state_refuses_the_pathway_by_its_name(filled, wrong, message):
    route = ROUTE.model_copy(update={"states": (*ROUTE.states[:-1], wrong)})
    items = derive(filled, [route], **ABOUT)
    assert {item.status for item in items} == {"missing"}
    for item in items:
        assert item.value is None
        assert re.search(message, " ".join(item.notes))


def test_states_by_another_method_are_refused(filled, make_run):
    run = filled.get_run("PS3O + Li2S")
    other = make_run(run.structure, -106.0, method="GFN2-xTB", functional="GFN2-xTB")
    _add(filled, {"other": other})
    last = LAST.model_copy(
        update={"cell": "other", "legs": (_leg("PS3O + Li2S", 1, "other"), *LAST.legs[1:])}
    )
    items = derive(
        filled, [ROUTE.model_copy(update={"states": (*ROUTE.states[:-1], last)})], **ABOUT
    )
    assert {item.status for item in items} == {"missing"}
    assert "differ in functional" in items[0].notes[0]


def test_runs_of_another_engine_give_no_pathway(filled):
    items = derive(filled, [ROUTE], study="s", profile="quick", engine="vasp")
    assert {item.status for item in items} == {"missing"}


def test_vibrations_by_another_method_are_not_added(filled):
    run = filled.get_run("vib PS4-OH")
    other = replace(run, settings=replace(run.settings, method="GFN2-xTB"))
    _add(filled, {"v2": other})
    state = FREE.states[1].model_copy(update={"vibrations": "v2"})
    states = (FREE.states[0], state, *FREE.states[2:])
    items = derive(filled, [FREE.model_copy(update={"states": states})], **ABOUT)
    free = _rows(items, "state free energy")
    assert [item.status for item in free] == ["ok", "missing", "ok", "ok", "ok"]
    assert "by GFN2-xTB" in free[1].notes[0]


def test_every_row_of_a_pathway_survives_the_store(filled):
    items = derive(filled, [FREE], **ABOUT)
    assert [(item.quantity, item.unit) for item in items] == FREE.wanted()
    filled.replace_properties(**ABOUT, properties=items)
    assert filled.properties(**ABOUT) == items


def test_a_pathway_travels_as_json():
    adapter = TypeAdapter(Request)
    assert adapter.validate_python(FREE.model_dump(mode="json")) == FREE


def test_all_downhill_is_said(filled):
    route = ROUTE.model_copy(update={"states": ROUTE.states[:3]})
    item = derive(filled, [route], **ABOUT)[-1]
    assert item.value == pytest.approx(-0.5)
    assert "no step goes up in energy" in item.notes


def test_the_dos_of_a_slab_is_given_per_area_where_the_area_is_known(filled, full_run):
    _add(filled, {"dos": full_run})
    request = DosRequest(model="MoS2-MoN", label="host", key="dos", area=250.0)
    items = derive(filled, [request], **ABOUT)
    cell, area = items[:2]
    assert (area.quantity, area.unit) == ("DOS at E_F per area", "states/eV/nm^2")
    assert area.value == pytest.approx(cell.value / 2.5)
    assert [(item.quantity, item.unit) for item in items] == request.wanted()


def test_requests_without_an_area_are_written_as_before():
    old = '{"model":"m","label":"l","key":"k","kind":"dos","d_elements":["Mo"]}'
    request = DosRequest(model="m", label="l", key="k")
    assert request.model_dump_json() == old
    assert TypeAdapter(Request).validate_json(old) == request
    assert [quantity for quantity, _ in request.wanted()] == [
        "DOS at E_F", "band gap", "d-band centre of Mo",
    ]  # fmt: skip
    with_area = request.model_copy(update={"area": 12.5})
    assert TypeAdapter(Request).validate_json(with_area.model_dump_json()) == with_area


def test_f_vib_is_that_of_the_vibration_rows(filled):
    request = VibrationRequest(model="C(002)", label="x", key="vib PS4-OH")
    items = derive(filled, [request, FREE], **ABOUT)
    f_vib = _values(items, "F_vib")[0]
    assert _rows(items, "state free energy")[1].detail["F_vib_ev"] == f_vib
