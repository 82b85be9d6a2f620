"""Bonds of a run are measured, and a molecule that fell apart is said to have."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from pymatgen.core import Lattice, Structure

from heterofire.results.bond_lengths import pieces_value
from heterofire.results.derive import derive
from heterofire.results.records import Label
from heterofire.results.requests import BondRequest, Request
from heterofire.structures.molecules import build_species
from heterofire.structures.species import box_species

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
CF3 = ["C", "F", "F", "F"]
# C-F 1.34 Angstrom, F-C-F 109 degrees; the molecule lies across a wall of the cell.
PLACES = np.array([[0, 0, 0], [1.26, 0, 0.45], [-0.63, 1.09, 0.45], [-0.63, -1.09, 0.45]])


def _structure(places, *more) -> Structure:
    symbols = [*CF3, *(symbol for symbol, _ in more)]
    positions = [*places, *(place for _, place in more)]
    return Structure(Lattice.cubic(15.0), symbols, positions, coords_are_cartesian=True,
                     to_unit_cell=True)  # fmt: skip


def _stretched(length) -> np.ndarray:
    places = PLACES.copy()
    places[1] *= length / np.linalg.norm(places[1])
    return places


@pytest.fixture
def filled(store, make_run):
    """CF3 before and after one bond got longer, by 0.02 and by 1.5 Angstrom."""
    start = _structure(PLACES)
    runs = {"before": make_run(start)}
    for key, length in (("after", 1.363), ("broken", 2.9)):
        end = _structure(_stretched(length))
        runs[key] = replace(make_run(end), initial_structure=start)
    for key, run in runs.items():
        label = Label(study="s", profile="quick", model="m", task="relax", name=f"m/{key}")
        store.add_run(key, label, run)
    return store


def _request(key, **changes) -> BondRequest:
    bonds = {"C-F bond 1": (0, 1), "C-F bond 2": (0, 2)}
    return BondRequest(model="CoPc", label="TFSI-", key=key, bonds=bonds, **changes)


def test_lengths_and_changes_are_properties_in_angstrom(filled):
    request = _request("after", before="before")
    items = derive(filled, [request], **ABOUT)
    assert [(item.quantity, item.unit) for item in items] == request.wanted()
    old = float(np.linalg.norm(PLACES[1]))
    assert items[0].value == pytest.approx(1.363, abs=1e-6)
    assert items[2].value == pytest.approx(1.363 - old, abs=1e-6)
    assert items[2].detail["before"] == pytest.approx(old, abs=1e-6)
    assert items[3].value == pytest.approx(0.0, abs=1e-6)


def test_atoms_may_be_numbered_otherwise_before(filled, make_run):
    turned = _structure(_stretched(1.30)[[1, 0, 2, 3]])
    turned = Structure(turned.lattice, ["F", "C", "F", "F"], turned.frac_coords)
    label = Label(study="s", profile="quick", model="m", task="relax", name="m/t")
    filled.add_run("turned", label, make_run(turned))
    request = BondRequest(
        model="m", label="l", key="after", bonds={"C-F bond 1": (0, 1)}, before="turned",
        before_bonds={"C-F bond 1": (1, 0)},
    )  # fmt: skip
    items = derive(filled, [request], **ABOUT)
    assert items[1].value == pytest.approx(0.063, abs=1e-6)
    wrong = request.model_copy(update={"before_bonds": {"C-F bond 1": (0, 2)}})
    (item, *_) = derive(filled, [wrong], **ABOUT)
    assert "is C-F, before it was F-F" in item.notes[0]


def test_a_whole_molecule_is_one_piece_across_the_wall_of_the_cell(filled):
    item = derive(filled, [_request("after")], **ABOUT)[-1]
    assert (item.quantity, item.value, item.unit) == ("number of pieces", 1.0, "")
    assert item.detail["is_intact"]
    assert item.notes == ("every bond of the start is there at the end, no other formed",)


def test_a_molecule_that_fell_apart_is_named_by_its_bond(filled):
    item = derive(filled, [_request("broken")], **ABOUT)[-1]
    assert item.value == 2.0
    assert item.detail["pieces"] == ["CF2", "F"]
    assert not item.detail["is_intact"]
    assert item.notes[0] == "1 pieces at the start, 2 at the end"
    assert item.notes[1] == "C1-F1 1.34 -> 2.90 A broken"
    assert item.status == "ok"  # a relaxation that ended; that it broke is a result


def test_contacts_of_metals_do_not_hold_a_molecule_together(make_run):
    lithium = ("Li", np.array([1.9, 0, 1.9]))
    run = make_run(_structure(PLACES, lithium))
    value = pieces_value(run)
    assert value.detail["pieces"] == ["CF3", "Li"]
    assert pieces_value(run, (0, 1, 2, 3)).value == 1.0


def test_bonds_of_atoms_that_are_not_there_are_refused(filled):
    request = BondRequest(model="m", label="l", key="after", bonds={"C-F bond 1": (0, 9)})
    (item, _) = derive(filled, [request], **ABOUT)
    assert item.status == "missing"
    assert "C-F bond 1 is between atoms (0, 9)" in item.notes[0]


def test_a_bond_request_travels_as_json(filled):
    adapter = TypeAdapter(Request)
    request = _request("after", before="before", atoms=(0, 1))
    assert adapter.validate_python(request.model_dump(mode="json")) == request


def test_what_left_sane_bounds_is_told_as_the_methods_shortcoming(store, make_run):
    boxed = box_species(build_species("SO2"))
    wide = boxed.structure.copy()
    wide.scale_lattice(1.2**3 * wide.volume)
    run = replace(make_run(wide), initial_structure=wide)
    label = Label(study="s", profile="quick", model="free", task="molecule", name="SO2/molecule")
    store.add_run("so2", label, run)
    request = BondRequest(
        model="free", label="SO2", key="so2", species="SO2", order=tuple(boxed.atoms)
    )
    (pieces,) = derive(store, [request], **ABOUT)
    assert any("sane is 1.41 to 1.47 (a shortcoming of" in note for note in pieces.notes)
