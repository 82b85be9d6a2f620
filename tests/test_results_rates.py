"""The largest barrier decides a route only where every bond-breaking step has one."""

import pytest
from pydantic import TypeAdapter, ValidationError

from heterofire.results.derive import derive
from heterofire.results.records import Label
from heterofire.results.requests import (
    LegRequest,
    RateRequest,
    Request,
    StateRequest,
    StepBandRequest,
)

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
ENERGIES = {"whole": -50.0, "N-S broken": -50.5, "CF3 left": -50.2, "LiF": -49.85}


def _state(name) -> StateRequest:
    legs = tuple(LegRequest(role=n, factor=f, key=n) for n, f in ((name, 1.0), ("whole", -1.0)))
    return StateRequest(name=name, cell=name, legs=() if name == "whole" else legs)


def _band(to, number) -> StepBandRequest:
    return StepBandRequest(to=to, band=f"band {number}", initial="whole", final="whole")


REQUEST = RateRequest(
    model="CoPc",
    label="TFSI- on CoPc",
    states=tuple(map(_state, ENERGIES)),
    breaking=("N-S broken", "CF3 left"),
    bands=(_band("N-S broken", 1), _band("CF3 left", 2)),
)


@pytest.fixture
def filled(store, make_run, make_band, make_structure):
    structure = make_structure("S", "N", box=15.0)
    label = Label(study="s", profile="quick", model="m", task="neb", name="m/x")
    for name, energy in ENERGIES.items():
        store.add_run(name, label, make_run(structure, energy))
    for number, top in ((1, 0.2), (2, 0.15)):
        store.add_band(f"band {number}", label, make_band(structure, [-50.0, -50.0 + top, -50.0]))
    return store


def _rate(store, request):
    (item,) = derive(store, [request], **ABOUT)
    return item


def test_the_largest_barrier_is_named_with_its_step(filled):
    item = _rate(filled, REQUEST)
    assert (item.quantity, item.label) == ("rate-determining barrier", "TFSI- on CoPc")
    assert item.value == pytest.approx(0.2, abs=1e-6)
    assert item.detail["step"] == "whole -> N-S broken"
    assert item.detail["barriers"] == pytest.approx({"N-S broken": 0.2, "CF3 left": 0.15}, abs=1e-6)
    assert item.notes[0] == "the largest barrier is that of whole -> N-S broken"


def test_a_step_without_a_band_that_climbs_higher_is_said(filled):
    item = _rate(filled, REQUEST)
    said = [note for note in item.notes if "CF3 left -> LiF has no band and climbs 0.350" in note]
    assert len(said) == 1


def test_without_all_barriers_there_is_none_and_the_largest_step_is_told(filled):
    for bands, reason in (
        (REQUEST.bands[:1], "no band leads to CF3 left"),
        ((REQUEST.bands[0], _band("CF3 left", 9)), "calculation band 9"),
    ):
        item = _rate(filled, REQUEST.model_copy(update={"bands": bands}))
        assert (item.value, item.status) == (None, "missing")
        assert reason in item.notes[0]
        assert item.notes[-1] == (
            "by its energy the largest step is CF3 left -> LiF with 0.350 eV, which is no barrier"
        )


def test_names_of_no_step_are_refused_and_the_request_travels_as_json():
    assert TypeAdapter(Request).validate_python(REQUEST.model_dump(mode="json")) == REQUEST
    with pytest.raises(ValidationError, match="no step leads to whole"):
        RateRequest(model="m", label="l", states=REQUEST.states, breaking=("whole",))
