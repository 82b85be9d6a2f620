"""Binding is interaction plus preparation, and the lowest placement is the one that counts."""

import pytest
from pydantic import TypeAdapter, ValidationError

from heterofire.results.derive import derive
from heterofire.results.records import Label
from heterofire.results.requests import (
    ComplexRequest,
    EnergyRequest,
    LegRequest,
    PartRequest,
    PathwayRequest,
    PlacementRequest,
    Request,
    StateRequest,
)

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
BOX = 20.0


def _placement(n, *frozen) -> PlacementRequest:
    return PlacementRequest(
        name=f"placement {n}", key=f"p{n}", frozen={name: f"p{n} {name}" for name in frozen}
    )


PARTS = (PartRequest(name="CoPc", key="CoPc"), PartRequest(name="TFSI-", key="trans"))
REQUEST = ComplexRequest(
    model="CoPc",
    label="TFSI- by O",
    quantity="TFSI- binding energy",
    placements=(_placement(1, "CoPc", "TFSI-"), _placement(2, "CoPc", "TFSI-")),
    parts=PARTS,
)
ENERGIES = {
    "p1": -31.0, "p1 CoPc": -19.9, "p1 TFSI-": -9.7,
    "p2": -31.3, "p2 CoPc": -19.8, "p2 TFSI-": -9.95,
}  # fmt: skip


def _add(store, runs) -> None:
    for key, run in runs.items():
        label = Label(study="s", profile="quick", model="m", task="relax", name=f"m/{key}")
        store.add_run(key, label, run)


@pytest.fixture
def filled(store, make_run, make_structure):
    """Two placements of a molecule on another, their parts alone and frozen."""
    whole = make_structure("Co", "N", "O", box=BOX)
    host, guest = make_structure("Co", "N", box=BOX), make_structure("O", box=BOX)
    runs = {"CoPc": make_run(host, -20.0), "trans": make_run(guest, -10.0, charge=-1.0)}
    for key, energy in ENERGIES.items():
        structure = whole if key in ("p1", "p2") else host if "CoPc" in key else guest
        charge = 0.0 if structure is host else -1.0
        runs[key] = make_run(structure, energy, charge=charge)
    _add(store, runs)
    return store


def test_binding_is_interaction_plus_preparations_of_the_lowest_placement(filled):
    binding, interaction, *preparations = derive(filled, [REQUEST], **ABOUT)
    assert binding.quantity == "TFSI- binding energy"
    assert binding.value == pytest.approx(-31.3 + 30.0, abs=1e-12)
    assert interaction.quantity == "TFSI- interaction energy"
    assert interaction.value == pytest.approx(-31.3 + 19.8 + 9.95, abs=1e-12)
    assert [item.quantity for item in preparations] == [
        "preparation energy of CoPc", "preparation energy of TFSI-",
    ]  # fmt: skip
    assert [item.value for item in preparations] == pytest.approx([0.2, 0.05])
    total = interaction.value + sum(item.value for item in preparations)
    assert total == pytest.approx(binding.value, abs=1e-9)
    assert {item.detail["placement"] for item in (interaction, *preparations)} == {"placement 2"}


def test_the_other_placements_are_reported(filled):
    binding = derive(filled, [REQUEST], **ABOUT)[0]
    assert binding.detail["placements"] == pytest.approx({"placement 2": -1.3, "placement 1": -1.0})
    assert binding.notes[0] == (
        "placement 2 is the lowest of 2 of 2 placements (placement 1 +0.300 eV)"
    )


def test_a_placement_that_is_not_finished_is_named_and_the_others_count(filled):
    more = REQUEST.model_copy(update={"placements": (*REQUEST.placements, _placement(3))})
    binding = derive(filled, [more], **ABOUT)[0]
    assert binding.value == pytest.approx(-1.3)
    assert binding.notes[0].endswith("2 of 3 placements (placement 1 +0.300 eV); "
                                     "not finished: placement 3")  # fmt: skip
    none = REQUEST.model_copy(update={"placements": (_placement(3, "CoPc"), _placement(4))})
    rows = derive(filled, [none], **ABOUT)
    assert {row.status for row in rows} == {"missing"}
    assert "none of the placements is finished: placement 3 (p3)" in rows[0].notes[0]


def test_frozen_parts_are_never_taken_from_another_placement(filled):
    request = REQUEST.model_copy(update={"placements": (REQUEST.placements[0], _placement(2))})
    binding, *others = derive(filled, [request], **ABOUT)
    assert binding.value == pytest.approx(-1.3)
    assert [item.value for item in others] == [None] * 3
    assert "placement 2, the lowest, has no frozen geometry of CoPc, TFSI-" in others[0].notes[0]


def test_a_part_that_was_not_at_its_minimum_is_said(filled, make_run):
    run = filled.get_run("CoPc")
    _add(filled, {"high": make_run(run.structure, -19.5)})
    parts = (PartRequest(name="CoPc", key="high"), PARTS[1])
    rows = derive(filled, [REQUEST.model_copy(update={"parts": parts})], **ABOUT)
    preparation = next(row for row in rows if row.quantity == "preparation energy of CoPc")
    assert preparation.value == pytest.approx(-0.3)
    assert "CoPc alone was not at its minimum" in preparation.notes[0]


def test_a_complex_whose_charges_do_not_add_up_is_refused(filled, make_run):
    neutral = make_run(filled.get_run("trans").structure, -9.0)
    _add(filled, {"radical": neutral})
    parts = (PARTS[0], PartRequest(name="TFSI", key="radical"))
    request = REQUEST.model_copy(update={"parts": parts, "placements": (_placement(2),)})
    (binding,) = derive(filled, [request], **ABOUT)
    assert "does not balance (products - reactants: charge -1)" in binding.notes[-1]
    electron = PartRequest(name="electron", key=None)
    balanced = request.model_copy(update={"parts": (*parts, electron)})
    (binding,) = derive(filled, [balanced], **ABOUT)
    assert binding.value == pytest.approx(-31.3 + 29.0)


def test_a_leg_takes_the_lowest_alternative_that_is_finished(filled, make_run):
    trans = filled.get_run("trans")
    _add(filled, {"cis": make_run(trans.structure, -10.25, charge=-1.0)})
    guest = LegRequest(role="TFSI-", factor=-1, key="trans", alternatives=("cis", "third"))
    request = EnergyRequest(
        model="CoPc", label="x", quantity="TFSI- binding energy",
        legs=(
            LegRequest(role="complex", factor=1, key="p1"),
            LegRequest(role="CoPc", factor=-1, key="CoPc"),
            guest,
        ),
    )  # fmt: skip
    (item,) = derive(filled, [request], **ABOUT)
    assert item.value == pytest.approx(-31.0 + 20.0 + 10.25)
    assert item.keys == ("p1", "CoPc", "cis")
    assert "TFSI- is cis, the lowest of 2 of 3 (others: trans +0.250 eV)" in item.notes[-1]
    assert item.notes[-1].endswith("not finished: third")


@pytest.mark.parametrize(
    ("symbols", "charge"), [(("O",), 0.0), (("O", "O"), -1.0)], ids=["charge", "atoms"]
)
def test_alternatives_of_other_atoms_or_charge_are_refused(
    filled, make_run, make_structure, symbols, charge
):
    _add(filled, {"other": make_run(make_structure(*symbols, box=BOX), -99.0, charge=charge)})
    leg = LegRequest(role="TFSI-", factor=-1, key="trans", alternatives=("other",))
    request = EnergyRequest(model="m", label="x", quantity="energy", legs=(leg,))
    (item,) = derive(filled, [request], **ABOUT)
    assert item.status == "missing"
    assert "not of the same atoms and charge" in item.notes[0]


def test_states_of_a_pathway_may_have_alternatives(filled):
    lower = tuple(
        LegRequest(role=name, factor=factor, key=key, alternatives=more)
        for name, factor, key, more in (("second", 1, "p1", ("p2",)), ("first", -1, "p1 x", ()))
    )
    first = StateRequest(name="first", legs=(), cell="p1 x")
    second = StateRequest(name="second", legs=lower, cell="p1")
    _add(filled, {"p1 x": filled.get_run("p1")})
    items = derive(filled, [PathwayRequest(model="m", label="r", states=(first, second))], **ABOUT)
    assert [item.value for item in items] == pytest.approx([0.0, -0.3, -0.3, -0.3])
    assert items[1].detail["cell"] == "p2"
    assert any("second is p2" in note for note in items[1].notes)


def test_requests_without_alternatives_are_written_as_before():
    leg = LegRequest(role="host", factor=1.0, key="k")
    assert leg.model_dump_json() == '{"role":"host","factor":1.0,"key":"k"}'
    some = leg.model_copy(update={"alternatives": ("l",)})
    assert LegRequest.model_validate_json(some.model_dump_json()) == some
    with pytest.raises(ValidationError, match="is an electron"):
        LegRequest(role="electron", factor=1.0, alternatives=("k",))


def test_a_complex_travels_as_json_and_names_what_is_no_part():
    adapter = TypeAdapter(Request)
    assert adapter.validate_python(REQUEST.model_dump(mode="json")) == REQUEST
    with pytest.raises(ValidationError, match="freezes MOF, which is no part"):
        ComplexRequest(
            model="m", label="l", parts=PARTS,
            placements=(PlacementRequest(name="p", key="k", frozen={"MOF": "f"}),),
        )  # fmt: skip


def test_every_row_of_a_complex_survives_the_store(filled):
    items = derive(filled, [REQUEST], **ABOUT)
    assert [(item.quantity, item.unit) for item in items] == REQUEST.wanted()
    filled.replace_properties(**ABOUT, properties=items)
    assert filled.properties(**ABOUT) == items
