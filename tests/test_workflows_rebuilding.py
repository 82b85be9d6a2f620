"""Which run folders give a stored energy once more."""

from dataclasses import replace

import pytest

from heterofire.structures.errors import InputError, RunError
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.rebuilding import checked_start, stored_calculation, trials

RELAX = {
    "IBRION": 2, "NSW": 100, "EDIFFG": -0.05, "ISPIN": 2, "MAGMOM": [1, 0, 0], "LCHARG": True,
    "SIGMA": 0.1,
}  # fmt: skip


@pytest.fixture
def planned(label, make_structure):
    structure = make_structure("Mo", "S", "S")
    structure.add_site_property("selective_dynamics", [[False] * 3, [True] * 3, [True] * 3])
    return Calculation(
        label=label,
        structure=structure,
        incar=RELAX,
        kpoints={"style": "Gamma", "mesh": [2, 2, 1]},
        potcar_symbols=("Mo_pv", "S"),
        engine="xtb",
        method="GFN1-xTB",
        parents={"structure": "3f2a"},
    )


@pytest.fixture
def relaxed(make_run, planned):
    moved = planned.structure.copy()
    moved.translate_sites([1], [0, 0, 0.02])
    return replace(make_run(planned.structure, -12.5), structure=moved, elapsed_s=70.0)


def test_a_relaxation_is_one_energy_at_the_geometry_it_came_to(planned, relaxed):
    (trial,) = trials(planned, relaxed, key="3f2a")
    assert trial.calculation.structure.cart_coords == pytest.approx(relaxed.structure.cart_coords)
    assert trial.calculation.incar == {
        "IBRION": -1, "NSW": 0, "ISPIN": 2, "MAGMOM": [1, 0, 0], "SIGMA": 0.1, "LCHARG": False,
        "LWAVE": False,
    }  # fmt: skip
    assert not trial.calculation.parents
    assert (trial.stored, trial.seconds) == ((-12.5,), 10.0)
    assert trial.what == "static, at the relaxed geometry"


def test_k_points_potcars_and_frozen_atoms_stay_as_planned(planned, relaxed):
    (trial,) = trials(planned, relaxed, key="3f2a")
    same = ("kpoints", "potcar_symbols", "engine", "method", "charge")
    assert all(getattr(trial.calculation, n) == getattr(planned, n) for n in same)
    assert trial.calculation.structure.site_properties == planned.structure.site_properties


def test_as_a_whole_the_key_is_the_stored_one(planned, relaxed):
    (trial,) = trials(planned, relaxed, key=planned.key, whole=True)
    assert trial.calculation.key == planned.key
    assert trial.calculation.folder_name != planned.folder_name


def test_a_band_is_one_energy_for_each_image_between_its_ends(planned, make_band):
    band = make_band(planned.structure, [-1.0, -0.5, -0.2, -0.6, -1.1])
    found = trials(replace(planned, n_images=3), band, key="3f2a")
    assert [trial.stored for trial in found] == [(-0.5,), (-0.2,), (-0.6,)]
    assert [trial.what for trial in found] == [f"image {i} of 3" for i in (1, 2, 3)]
    assert not any(trial.calculation.n_images for trial in found)
    assert len({trial.folder_name for trial in found}) == 3


def test_a_whole_band_is_compared_image_by_image(planned, make_band):
    band = make_band(planned.structure, [-1.0, -0.5, -1.1])
    (trial,) = trials(replace(planned, n_images=1), band, key="3f2a", whole=True)
    assert trial.stored == (-1.0, -0.5, -1.1)


def test_stored_inputs_make_the_run_again(relaxed, label):
    titels = ("PAW_PBE Mo_pv 08Apr2002", "PAW_PBE S 06Sep2000")
    run = replace(
        relaxed,
        kpoints={"style": "Monkhorst", "divisions": [3, 3, 1], "shift": [0, 0, 0]},
        settings=replace(relaxed.settings, potcars=titels),
        charge=-1.0,
    )
    made = stored_calculation(run, label, key="3f2a")
    assert made.potcar_symbols == ("Mo_pv", "S")
    assert made.kpoints == {"style": "Monkhorst-Pack", "mesh": [3, 3, 1]}
    assert (made.charge, made.incar) == (-1, run.incar)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kpoints": {"style": "Line_mode", "n_kpoints": 40}}, "no mesh without a shift"),
        (
            {"kpoints": {"style": "Gamma", "divisions": [2, 2, 1], "shift": [0.5, 0, 0]}},
            "no mesh without a shift",
        ),
    ],
    ids=["lines", "shifted"],
)
def test_k_points_that_cannot_be_written_again_are_named(relaxed, label, changes, message):
    with pytest.raises(InputError, match=message):
        stored_calculation(replace(relaxed, **changes), label, key="3f2a")


def test_an_element_without_a_potcar_is_named(relaxed, label):
    run = replace(
        relaxed,
        kpoints={"style": "Gamma", "divisions": [1, 1, 1], "shift": [0, 0, 0]},
        settings=replace(relaxed.settings, potcars=("PAW_PBE S 06Sep2000",)),
    )
    with pytest.raises(InputError, match="no POTCAR of Mo"):
        stored_calculation(run, label, key="3f2a")


def test_a_start_from_elsewhere_is_refused(relaxed):
    checked_start(relaxed.initial_structure, relaxed, "K/relax")
    with pytest.raises(RunError, match=r"start up to 0\.18 Angstrom away"):
        checked_start(relaxed.structure, relaxed, "K/relax")
