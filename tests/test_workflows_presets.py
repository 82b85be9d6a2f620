"""Preset files: they parse, inherit, and keep the legs of an energy alike."""

import pytest

from heterofire.structures.errors import InputError
from heterofire.workflows.preset_files import (
    PROFILES,
    load_preset,
    resolve,
    task_names,
    validate_presets,
)

# What two energies must share before they may be subtracted.
SHARED = ("ENCUT", "GGA", "IVDW", "ISMEAR", "SIGMA", "EDIFF", "PREC", "LASPH")
LEGS = ("relax", "static", "molecule", "bulk", "neb", "charge")


def test_every_shipped_preset_is_valid():
    assert validate_presets() == []


@pytest.mark.parametrize("profile", PROFILES)
def test_legs_of_an_energy_share_what_they_must(profile):
    # Relaxations on GPAW end with a looser field, 1 meV in all: energies come from runs after them.
    shared = set(SHARED) - ({"EDIFF"} if profile == "gpaw" else set())
    first = load_preset(LEGS[0], profile).incar
    for task in LEGS[1:]:
        incar = load_preset(task, profile).incar
        assert {tag: incar.get(tag) for tag in shared} == {t: first.get(t) for t in shared}, task
        assert incar["EDIFF"] <= 1e-3


def test_paper_profile_is_the_published_one():
    preset = load_preset("relax", "paper")
    published = {"GGA": "PE", "ENCUT": 400, "EDIFF": 1e-5, "EDIFFG": -0.05, "IVDW": 11, "IBRION": 2}
    assert published.items() <= preset.incar.items()
    assert preset.kpoints == {"mesh": [1, 1, 1]}


def test_converged_profile_is_tighter_in_every_respect():
    paper, converged = (load_preset("relax", p) for p in ("paper", "converged"))
    assert converged.incar["ENCUT"] > paper.incar["ENCUT"]
    assert converged.incar["EDIFF"] < paper.incar["EDIFF"]
    assert abs(converged.incar["EDIFFG"]) < abs(paper.incar["EDIFFG"])
    assert converged.kpoints["spacing"] <= 0.25


@pytest.mark.parametrize("task", task_names())
def test_quick_asks_for_nothing_the_embedded_engine_must_refuse(task):
    preset = load_preset(task, "quick")
    assert preset.kpoints == {"mesh": [1, 1, 1]}
    assert (preset.incar["ISMEAR"], preset.incar["SIGMA"]) == (-1, 0.0862)
    assert preset.incar["ISIF"] == 2


def test_profile_gpaw_has_the_cut_off_of_paper_and_keeps_cells():
    cutoffs = {load_preset("relax", profile).incar["ENCUT"] for profile in ("gpaw", "paper")}
    assert cutoffs == {400}
    assert load_preset("bulk", "gpaw").incar["ISIF"] == 2  # this engine relaxes no cell


@pytest.mark.parametrize("profile", PROFILES)
def test_plain_neb_has_no_tag_that_needs_vtst(profile):
    preset = load_preset("neb", profile)
    assert not {"LCLIMB", "IOPT", "ICHAIN"} & set(preset.incar)
    assert preset.incar["IBRION"] in (1, 3)
    assert preset.vtst["LCLIMB"] is True


def test_child_wins_over_the_profile_of_its_parent():
    documents = {
        "common": {"incar": {"NSW": 0}, "profiles": {"quick": {"incar": {"NSW": 5}}}},
        "relax": {"parent": "common", "incar": {"NSW": 10}},
    }
    assert resolve(documents, "common", "quick").incar == {"NSW": 5}
    assert resolve(documents, "relax", "quick").incar == {"NSW": 10}


def test_null_takes_a_tag_away():
    documents = {"common": {"incar": {"NSW": 0}}, "x": {"parent": "common", "incar": {"NSW": None}}}
    assert resolve(documents, "x", "paper").incar == {}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"parent": "nothing"}, "parent 'nothing'"),
        ({"parent": "bad"}, "its own ancestor"),
        ({"incar": {"ENCTU": 400}}, "Did you mean 'ENCUT'"),
        ({"incar": {"NSW": "many"}}, "NSW = 'many' is not a whole number"),
        ({"incra": {}}, "unknown key 'incra'"),
        ({"profiles": {"fast": {}}}, "unknown profile 'fast'"),
        ({"profiles": {"quick": {"mesh": 1}}}, "unknown key 'mesh' in profile quick"),
    ],
    ids=["no parent", "cycle", "misspelt tag", "type", "key", "profile", "key in profile"],
)
def test_broken_preset_is_reported_with_its_file(document, message):
    problems = validate_presets({"bad": document})
    assert any(message in problem and problem.startswith("bad.yaml") for problem in problems)


def test_unknown_task_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'static'"):
        load_preset("statics", "quick")
