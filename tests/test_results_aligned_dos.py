"""Levels of several systems stand on one scale, which is said, or on none."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from pymatgen.core import Lattice, Structure

from heterofire.results.aligned_dos import deep_state
from heterofire.results.derive import derive
from heterofire.results.records import Bands, Dos, Label
from heterofire.results.requests import AlignedDosRequest, Request
from heterofire.structures.errors import RunError

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
SYSTEMS = {"CoPc": "a", "MOF": "b"}
REQUEST = AlignedDosRequest(model="MOF@CoPc", label="aligned", systems=SYSTEMS)
# Energies and occupations of spin up and down, whose gaps differ; N at -20, d states at -1 and 0.
UP, DOWN = [-20.0, -3.0, -1.0, 1.5], [-20.0, -2.5, 0.5, 2.0]
FILLED = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=float)
EFERMI = 0.0


def _run(make_run, shift, vacuum):
    """A run whose levels, Fermi level and vacuum are all moved by a shift."""
    levels = np.array([UP, DOWN]) + shift
    energies = np.arange(-26.0, 8.0, 0.01) + shift
    peaks = np.exp(-(((energies - levels[..., None]) / 0.1) ** 2)) / (0.1 * np.sqrt(np.pi))
    projected = np.zeros((2, 3, 2, len(energies)))  # Co, N; s, p, d
    projected[1, 0] = peaks[:, 0]
    projected[0, 2] = peaks[:, 2]
    projected[1, 1] = peaks[:, 1] + peaks[:, 3]
    structure = Structure(Lattice.cubic(14), ["Co", "N"], [[0.5] * 3, [0.5, 0.5, 0.63]])
    return make_run(
        structure,
        efermi=EFERMI + shift,
        vacuum_level=vacuum,
        dos=Dos(
            energies=energies, total=peaks.sum(axis=1), projected=projected,
            orbitals=("s", "p", "d"), efermi=EFERMI + shift, projection="Mulliken",
        ),
        bands=Bands(eigenvalues=levels[:, None], occupations=FILLED[:, None],
                    weights=np.array([1.0])),
    )  # fmt: skip


def _add(store, runs) -> None:
    for key, run in runs.items():
        label = Label(study="s", profile="quick", model="m", task="dos", name=f"m/{key}")
        store.add_run(key, label, run)


@pytest.fixture
def same_but_shifted(store, make_run):
    """The same system twice, in cells whose zeros differ by 3.7 eV."""
    _add(store, {"a": _run(make_run, 0.0, 5.0), "b": _run(make_run, 3.7, 8.7)})
    return store


def _value(items, model, quantity, reference=None):
    (item,) = [
        i for i in items
        if (i.model, i.quantity) == (model, quantity) and reference in (None, i.reference)
    ]  # fmt: skip
    return item.value


def test_the_zero_of_a_cell_drops_out(same_but_shifted):
    items = derive(same_but_shifted, [REQUEST], **ABOUT)
    for quantity, wanted in (("Fermi level", -5.0), ("HOMO", -6.0), ("LUMO", -4.5)):
        for model in SYSTEMS:
            assert _value(items, model, quantity) == pytest.approx(wanted), quantity
    assert {i.reference for i in items if i.quantity == "HOMO"} == {"vacuum level"}


def test_the_gap_is_taken_over_both_spins_and_given_for_each(same_but_shifted):
    items = derive(same_but_shifted, [REQUEST], **ABOUT)
    gap = next(i for i in items if i.quantity == "HOMO-LUMO gap")
    assert gap.value == pytest.approx(1.5)
    assert gap.detail["by_spin"] == pytest.approx([2.5, 3.0])
    homo = next(i for i in items if i.quantity == "HOMO")
    assert homo.detail["by_spin"] == pytest.approx([-6.0, -7.5])


def test_d_band_centres_are_given_against_both_zeros(same_but_shifted):
    items = derive(same_but_shifted, [REQUEST], **ABOUT)
    assert _value(items, "MOF", "d-band centre of Co", "E_F") == pytest.approx(-0.25, abs=1e-3)
    aligned = _value(items, "MOF", "d-band centre of Co", "vacuum level")
    assert aligned == pytest.approx(-5.25, abs=1e-3)
    centre = next(i for i in items if i.quantity == "d-band centre of Co")
    assert centre.detail["by_spin"] == pytest.approx([-1.0, 0.5], abs=1e-3)
    assert not [i for i in items if i.quantity == "d-band centre of Fe"]  # there is no Fe


def test_the_dos_near_e_f_is_a_mean_and_counts_both_spins(same_but_shifted):
    items = derive(same_but_shifted, [REQUEST], **ABOUT)
    assert _value(items, "CoPc", "TDOS at E_F") == pytest.approx(0.0, abs=1e-6)
    # One level inside +- 1 eV and half of another on its edge, over 2 eV.
    assert _value(items, "CoPc", "TDOS near E_F") == pytest.approx(0.75, abs=0.01)


def test_without_a_vacuum_level_a_deep_state_is_the_zero_and_is_said(store, make_run):
    _add(store, {"a": _run(make_run, 0.0, 5.0), "b": _run(make_run, 3.7, None)})
    deep = REQUEST.model_copy(update={"deep_element": "N"})
    items = derive(store, [deep], **ABOUT)
    for model in SYSTEMS:  # both, for one scale has one zero
        assert _value(items, model, "HOMO") == pytest.approx(19.0, abs=1e-3)
    item = next(i for i in items if i.quantity == "HOMO")
    assert item.reference == "lowest states of N"
    assert "shift with their surroundings" in item.notes[0]
    items = derive(store, [REQUEST], **ABOUT)
    assert {i.status for i in items} == {"missing"}
    assert "MOF of MOF@CoPc have no vacuum level" in items[0].notes[0]


def test_a_deep_state_that_is_not_there_is_refused(make_run):
    run = _run(make_run, 0.0, None)
    assert deep_state(run, "N").energy == pytest.approx(-20.0, abs=1e-3)
    with pytest.raises(RunError, match="no F to align by"):
        deep_state(run, "F")
    shared = replace(run.dos, projected=run.dos.projected[:, ::-1].repeat(1, axis=0))
    even = replace(shared, projected=shared.projected + shared.projected[::-1])
    with pytest.raises(RunError, match="belong mostly to Co"):
        deep_state(replace(run, dos=even), "Co")


def test_a_system_that_is_missing_hides_no_other(same_but_shifted):
    request = REQUEST.model_copy(update={"systems": {**SYSTEMS, "MOF@CoPc": "c"}})
    items = derive(same_but_shifted, [request], **ABOUT)
    assert _value(items, "CoPc", "HOMO") == pytest.approx(-6.0)
    gone = [i for i in items if i.model == "MOF@CoPc"]
    assert {i.status for i in gone} == {"missing"}
    assert gone[0].notes == ("calculation c is not finished",)


def test_a_vacuum_that_is_not_flat_is_said(store, make_run):
    rough = replace(_run(make_run, 0.0, 5.0), vacuum_spread=0.2)
    _add(store, {"a": rough, "b": _run(make_run, 3.7, 8.7)})
    items = derive(store, [REQUEST], **ABOUT)
    notes = {i.model: i.notes for i in items if i.quantity == "HOMO"}
    assert notes["CoPc"] == ("the potential in the vacuum is flat within 0.20 eV only",)
    assert notes["MOF"] == ()


def test_the_request_travels_as_json():
    adapter = TypeAdapter(Request)
    request = REQUEST.model_copy(update={"deep_atoms": {"CoPc": (1, 2)}})
    assert adapter.validate_python(request.model_dump(mode="json")) == request
