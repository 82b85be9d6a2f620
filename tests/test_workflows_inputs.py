"""Inputs from preset, structure and study; the files they become."""

import os
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Incar, Kpoints, Poscar
from pymatgen.io.vasp.sets import VaspInputSet

from heterofire.launchers.engines.kpoints import read_kpoints
from heterofire.launchers.engines.tags import Settings
from heterofire.structures.errors import HeteroError, InputError, StructureError
from heterofire.structures.layers import graphene, mx2_monolayer
from heterofire.workflows.inputs import input_set, make_inputs, write_inputs, write_neb_inputs
from heterofire.workflows.preset_files import PROFILES, load_preset, task_names
from heterofire.workflows.slabs import slab_shape

GOLDEN = Path(__file__).parent / "data" / "golden"


def box(elements, positions, edge=(12.0, 12.0, 12.0)):
    lattice = Lattice.orthorhombic(*edge)
    return Structure(lattice, elements, positions, coords_are_cartesian=True)


@pytest.fixture
def mos2():
    return mx2_monolayer(c=24.0)


@pytest.fixture
def with_potassium(mos2):
    """A slab with two different faces: K on one side."""
    result = mos2.copy()
    result.append("K", [0.0, 0.0, 0.70])
    return result


@pytest.fixture
def potassium_atom():
    return box(["K"], [[6, 6, 6]], (12.0, 12.1, 12.2))


@pytest.fixture
def potassium_bulk():
    return Structure(Lattice.cubic(5.328), ["K", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def water():
    return box(["O", "H", "H"], [[6, 6, 6], [6.76, 6, 6.59], [5.24, 6, 6.59]])


def hydroxyl():
    return box(["O", "H"], [[6, 6, 6], [6.97, 6, 6]])


def structure_for(task):
    if task == "molecule":
        return water()
    if task == "bulk":
        return Structure(Lattice.cubic(5.328), ["K", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    slab = Structure(
        Lattice.hexagonal(3.16, 24.0),
        ["Mo", "S", "S", "K"],
        [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.435], [2 / 3, 1 / 3, 0.565], [1 / 3, 2 / 3, 0.66]],
    )
    if task == "vibrations":
        slab.add_site_property("selective_dynamics", [[False] * 3] * 3 + [[True] * 3])
    return slab


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("task", task_names())
def test_incar_and_kpoints_are_as_they_always_were(task, profile, tmp_path):
    images = 3 if task == "neb" else None
    structure = structure_for(task)
    inputs = make_inputs(
        structure, task=task, profile=profile, images=images, has_vtst=profile in ("quick", "gpaw")
    )
    folder = write_inputs(inputs, structure, tmp_path)
    text = f"{(folder / 'INCAR').read_text()}---\n{(folder / 'KPOINTS').read_text()}"
    golden = GOLDEN / f"{task}-{profile}.txt"
    if os.environ.get("HETEROFIRE_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_molecule_vibrates_in_the_box_it_was_relaxed_in(profile):
    relaxed = make_inputs(water(), task="molecule", profile=profile)
    vibrating = make_inputs(water(), task="vibrations", profile=profile)
    box_tags = ("IDIPOL", "DIPOL", "LDIPOL")
    assert [vibrating.incar[tag] for tag in box_tags] == [relaxed.incar[tag] for tag in box_tags]
    assert vibrating.kpoints == relaxed.kpoints


def test_an_adsorbate_vibrates_in_the_slab_it_was_relaxed_in(with_potassium):
    relaxed = make_inputs(with_potassium, task="relax", profile="converged")
    with_potassium.add_site_property("selective_dynamics", [[False] * 3] * 3 + [[True] * 3])
    vibrating = make_inputs(with_potassium, task="vibrations", profile="converged")
    moving = {"IBRION": 5, "NFREE": 2, "NSW": 1, "POTIM": 0.015, "EDIFF": 1e-7}
    expected = {**relaxed.incar, **moving}
    del expected["EDIFFG"]
    assert vibrating.incar == expected
    assert vibrating.kpoints == relaxed.kpoints


def test_a_charged_molecule_may_vibrate_a_charged_slab_may_not(with_potassium):
    assert make_inputs(water(), task="vibrations", profile="paper", charge=1).nelect == 7
    with_potassium.add_site_property("selective_dynamics", [[False] * 3] * 3 + [[True] * 3])
    with pytest.raises(InputError, match="charge \\+1 on a slab"):
        make_inputs(with_potassium, task="vibrations", profile="paper", charge=1)


def test_a_free_atom_has_a_static_run_in_place_of_vibrations(potassium_atom):
    inputs = make_inputs(potassium_atom, task="vibrations", profile="quick")
    assert (inputs.incar["IBRION"], inputs.incar["NSW"]) == (-1, 0)
    assert not {"NFREE", "POTIM"} & set(inputs.incar)


def test_files_read_back_by_pymatgen_are_what_was_made(tmp_path, with_potassium):
    with_potassium.add_site_property("selective_dynamics", [[False] * 3] * 3 + [[True] * 3])
    inputs = make_inputs(with_potassium, task="relax", profile="paper", spin={"Mo": 1})
    folder = write_inputs(inputs, with_potassium, tmp_path / "run")
    assert dict(Incar.from_file(folder / "INCAR")) == {**inputs.incar, "GGA": "Pe"}
    assert Kpoints.from_file(folder / "KPOINTS").kpts == [(1, 1, 1)]
    poscar = Poscar.from_file(folder / "POSCAR", check_for_potcar=False)
    assert poscar.structure.species == with_potassium.species
    assert np.allclose(poscar.structure.frac_coords, with_potassium.frac_coords, atol=1e-14)
    assert np.array(poscar.selective_dynamics).tolist() == [[False] * 3] * 3 + [[True] * 3]
    assert (folder / "POTCAR.spec").read_text().split() == ["Mo_pv", "S", "K_sv"]
    assert not (folder / "POTCAR").exists()


def test_input_set_is_one_of_pymatgens_and_writes_the_same_files(tmp_path, mos2):
    inputs = make_inputs(mos2, task="static", profile="converged")
    made = input_set(inputs, mos2)
    assert isinstance(made, VaspInputSet)
    made.write_input(str(tmp_path / "theirs"), potcar_spec=True)
    ours = write_inputs(inputs, mos2, tmp_path / "ours")
    for name in ("INCAR", "KPOINTS", "POSCAR"):
        assert (tmp_path / "theirs" / name).read_text() == (ours / name).read_text()


def test_overrides_win_and_are_listed(mos2):
    inputs = make_inputs(
        mos2, task="relax", profile="paper", overrides={"encut": 450, "IVDW": None, "LREAL": "Auto"}
    )
    assert inputs.incar["ENCUT"] == 450
    assert "IVDW" not in inputs.incar
    assert set(inputs.changes) == {
        "ENCUT 400 -> 450 (study)",
        "IVDW 11 -> unset (study)",
        "LREAL False -> Auto (study)",
    }


def test_every_difference_from_the_preset_is_listed(with_potassium):
    inputs = make_inputs(with_potassium, task="charge", profile="paper", spin=True)
    preset = load_preset("charge", "paper").incar
    differing = {t for t in {*preset, *inputs.incar} if preset.get(t) != inputs.incar.get(t)}
    assert {change.split()[0] for change in inputs.changes} == differing
    assert {"NGXF", "ISPIN", "MAGMOM", "DIPOL"} <= differing


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"ENCTU": 450}, "Did you mean 'ENCUT'"),
        ({"ENCUT": "high"}, "ENCUT = 'high' is not a number"),
        ({"NELECT": 20}, "give charge instead"),
        ({"KSPACING": 0.3}, "kpoint_spacing"),
        ({"IMAGES": 4}, "give images instead"),
    ],
    ids=["misspelt", "type", "NELECT", "KSPACING", "IMAGES"],
)
def test_override_that_cannot_work_is_refused(mos2, overrides, message):
    with pytest.raises(InputError, match=message):
        make_inputs(mos2, task="relax", profile="paper", overrides=overrides)


def test_making_inputs_changes_nothing_it_was_given(with_potassium):
    before, overrides = with_potassium.copy(), {"encut": 450}
    make_inputs(with_potassium, task="relax", profile="paper", overrides=overrides)
    assert with_potassium == before
    assert overrides == {"encut": 450}


def test_projectors_are_the_same_for_all_sizes_whose_energies_are_subtracted(mos2):
    small, large = (
        make_inputs(mos2 * (n, n, 1), task="relax", profile="paper").incar for n in (4, 5)
    )
    assert (small["LREAL"], large["LREAL"]) == (False, False)


def test_symmetric_slab_gets_no_dipole_correction_and_asymmetric_one_does(mos2, with_potassium):
    plain = make_inputs(mos2, task="relax", profile="paper")
    dipole = make_inputs(with_potassium, task="relax", profile="paper")
    assert "IDIPOL" not in plain.incar
    assert (dipole.incar["IDIPOL"], dipole.incar["LDIPOL"]) == (3, True)
    masses = [float(site.specie.atomic_mass) for site in with_potassium]
    centre = np.average(with_potassium.frac_coords[:, 2], weights=masses)
    assert dipole.incar["DIPOL"][2] == pytest.approx(centre, abs=1e-5)
    assert not plain.warnings
    assert not dipole.warnings


def test_asymmetric_slab_without_correction_is_warned_about(with_potassium):
    [warning] = make_inputs(with_potassium, task="relax", profile="quick").warnings
    assert "dipole" in warning
    off = {"IDIPOL": None, "LDIPOL": None, "DIPOL": None}
    inputs = make_inputs(with_potassium, task="relax", profile="paper", overrides=off)
    assert any("dipole" in warning for warning in inputs.warnings)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.45, 0.5, 0.99])
def test_shape_does_not_depend_on_where_the_cell_is_cut(mos2, with_potassium, shift):
    for slab, is_asymmetric in ((mos2, False), (with_potassium, True)):
        moved = slab.copy()
        moved.translate_sites(range(len(moved)), [0, 0, shift])
        shape = slab_shape(moved)
        assert shape.is_asymmetric is is_asymmetric
        assert shape.vacuum == pytest.approx(slab_shape(slab).vacuum)
        difference = shape.centre[2] - slab_shape(slab).centre[2] - shift
        assert abs(difference - round(difference)) < 2e-5


def test_thin_vacuum_is_warned_about_with_its_size():
    [warning] = make_inputs(graphene(c=12.0), task="relax", profile="paper").warnings
    assert "vacuum 12.0 Angstrom is below 15" in warning


def test_cutoff_below_a_potential_is_warned_about():
    slab = Structure(Lattice.hexagonal(3.5, 20), ["Li"], [[0, 0, 0.5]])
    warnings = make_inputs(slab, task="relax", profile="paper", mesh=[9, 9, 1]).warnings
    assert [w for w in warnings if "ENCUT 400 eV is below ENMAX 499.034 eV of Li_sv" in w]
    soft = make_inputs(slab, task="relax", profile="paper", mesh=[9, 9, 1], potcars={"Li": "Li"})
    assert soft.warnings == ()


def test_relaxing_a_cell_near_the_cutoff_is_warned_about():
    lif = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.0263), ["Li", "F"], [[0] * 3, [0.5] * 3]
    )
    warnings = make_inputs(lif, task="bulk", profile="converged").warnings
    assert any("Pulay" in warning for warning in warnings)


def test_gamma_only_on_a_metal_is_warned_about_and_a_dense_mesh_is_not(potassium_bulk):
    quick = make_inputs(potassium_bulk, task="bulk", profile="quick")
    paper = make_inputs(potassium_bulk, task="bulk", profile="paper")
    assert any("1x1x1 k-points on a metal (K)" in warning for warning in quick.warnings)
    assert paper.warnings == ()
    assert min(paper.kpoints["mesh"]) >= 6


@pytest.mark.parametrize(
    ("is_slab", "task", "what"), [(True, "relax", "slab"), (False, "static", "crystal")]
)
def test_charged_slab_or_crystal_is_refused(mos2, is_slab, task, what):
    with pytest.raises(InputError, match=rf"charge -1 on a {what} \(MoS2\)"):
        make_inputs(mos2, task=task, profile="paper", is_slab=is_slab, charge=-1)


def test_ion_in_a_box_has_its_electrons_and_a_correction():
    ion = box(["K"], [[6, 6, 6]])
    inputs = make_inputs(ion, task="molecule", profile="paper", charge=1)
    assert (inputs.nelect, inputs.incar["NELECT"]) == (8, 8)
    assert inputs.incar["LMONO"] is True
    assert inputs.incar["ISPIN"] == 1
    assert inputs.warnings == ()


def test_ion_in_a_box_that_is_not_a_cube_is_warned_about(potassium_atom):
    inputs = make_inputs(potassium_atom, task="molecule", profile="paper", charge=1)
    assert any("cubes only" in warning for warning in inputs.warnings)


def test_neutral_cell_leaves_the_electron_count_to_the_potcar(mos2):
    inputs = make_inputs(mos2, task="relax", profile="paper")
    assert "NELECT" not in inputs.incar
    assert inputs.nelect == 12 + 2 * 6


def test_free_atom_has_its_moment_and_is_not_relaxed(potassium_atom):
    incar = make_inputs(potassium_atom, task="molecule", profile="quick").incar
    assert (incar["ISPIN"], incar["MAGMOM"], incar["NSW"]) == (2, [1.0], 0)
    assert incar["NUPDOWN"] == 1  # smearing would pair the spins in part
    assert incar["IBRION"] == -1
    assert "EDIFFG" not in incar


@pytest.mark.parametrize(
    ("structure", "spin", "expected"),
    [
        (water(), None, None),
        (hydroxyl(), None, [1.0, 1.0]),
        (water(), True, [1.0, 1.0, 1.0]),
        (box(["Fe", "O"], [[6, 6, 6], [7.6, 6, 6]]), None, [4.0, 0.0]),
        (box(["Fe", "Fe"], [[6, 6, 6], [8, 6, 6]]), [5, -5], [5.0, -5.0]),
        (box(["Fe", "O"], [[6, 6, 6], [7.6, 6, 6]]), {"O": 2}, [0.0, 2.0]),
        (box(["S"], [[6, 6, 6]]), None, [2.0]),
    ],
    ids=["closed", "radical", "on", "magnetic", "by atom", "by element", "triplet atom"],
)
def test_spin_follows_the_species_or_the_request(structure, spin, expected):
    incar = make_inputs(structure, task="molecule", profile="paper", spin=spin).incar
    assert incar.get("MAGMOM") == expected
    assert incar["ISPIN"] == (1 if expected is None else 2)


def test_moments_for_another_number_of_atoms_are_refused(mos2):
    with pytest.raises(InputError, match="2 moments for 3 atoms"):
        make_inputs(mos2, task="relax", profile="paper", spin=[1, 1])


def test_climbing_band_needs_a_worker_that_declares_vtst(mos2):
    asked = {"LCLIMB": True, "IOPT": 3}
    plain, climbing = (
        make_inputs(mos2, task="neb", profile="paper", images=5, overrides=asked, has_vtst=has_vtst)
        for has_vtst in (False, True)
    )
    assert not {"LCLIMB", "IOPT", "ICHAIN"} & set(plain.incar)
    assert (plain.incar["IBRION"], plain.incar["POTIM"], plain.incar["SPRING"]) == (3, 0.1, -5)
    [warning] = plain.warnings
    assert "IOPT, LCLIMB left out" in warning
    assert (climbing.incar["LCLIMB"], climbing.incar["IOPT"]) == (True, 3)
    assert (climbing.incar["POTIM"], climbing.incar["IMAGES"]) == (0, 5)
    assert climbing.warnings == ()


def test_band_without_images_is_refused(mos2):
    with pytest.raises(InputError, match="needs images"):
        make_inputs(mos2, task="neb", profile="paper")


def test_tetrahedra_give_way_where_there_are_too_few_points(mos2):
    dense = make_inputs(mos2, task="dos", profile="converged")
    sparse = make_inputs(mos2, task="dos", profile="converged", mesh=[1, 1, 1])
    assert (dense.incar["ISMEAR"], sparse.incar["ISMEAR"]) == (-5, 0)
    assert any("tetrahedra" in change for change in sparse.changes)


def test_mesh_keeps_the_spacing_asked_for_and_one_point_along_vacuum(mos2, potassium_bulk):
    slab = make_inputs(mos2, task="relax", profile="paper", kpoint_spacing=0.2).kpoints["mesh"]
    assert slab[2] == 1
    for structure, mesh in (
        (mos2, slab[:2]),
        (potassium_bulk, make_inputs(potassium_bulk, task="bulk", profile="paper").kpoints["mesh"]),
    ):
        lengths = structure.lattice.reciprocal_lattice.abc
        for length, n in zip(lengths, mesh, strict=False):
            assert length / n <= 0.2 < length / (n - 1)


def test_a_mesh_off_gamma_is_even_and_read_so_by_vasps_file(mos2, tmp_path):
    inputs = make_inputs(
        mos2, task="relax", profile="paper", kpoint_spacing=0.27, kpoint_style="Monkhorst-Pack"
    )
    assert inputs.kpoints == {"style": "Monkhorst-Pack", "mesh": [10, 10, 1], "n_kpoints": 50}
    written = Kpoints.from_file(write_inputs(inputs, mos2, tmp_path) / "KPOINTS")
    assert (written.style.name, written.kpts[0]) == ("Monkhorst", (10, 10, 1))
    points = read_kpoints(tmp_path, mos2.lattice.matrix, Settings()).points
    assert np.abs(points).max(axis=1).min() == pytest.approx(0.05)


@pytest.mark.parametrize(
    "mesh", [{"mesh": [1, 1]}, {"mesh": [0, 1, 1]}, {"kpoint_spacing": -1.0}], ids=str
)
def test_impossible_mesh_is_refused(mos2, mesh):
    with pytest.raises(InputError):
        make_inputs(mos2, task="relax", profile="paper", **mesh)


def test_atoms_on_top_of_each_other_are_refused():
    with pytest.raises(StructureError, match="apart"):
        make_inputs(box(["H", "H"], [[6, 6, 6], [6.3, 6, 6]]), task="molecule", profile="paper")


def test_structure_in_another_order_than_its_potcars_is_refused(tmp_path, mos2):
    inputs = make_inputs(mos2, task="relax", profile="paper")
    turned = Structure.from_sites(list(mos2)[::-1])
    with pytest.raises(InputError, match="atoms come as S Mo, POTCAR as Mo S"):
        write_inputs(inputs, turned, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_band_is_written_as_numbered_folders(tmp_path, with_potassium):
    inputs = make_inputs(with_potassium, task="neb", profile="paper", images=2)
    images = []
    for step in range(4):
        image = with_potassium.copy()
        image.translate_sites([3], [0.1 * step, 0, 0], to_unit_cell=False)
        images.append(image)
    folder = write_neb_inputs(inputs, images, tmp_path / "band")
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == [
        *(f"0{i}/POSCAR" for i in range(4)),
        "INCAR",
        "KPOINTS",
        "POTCAR.spec",
    ]
    last = Poscar.from_file(folder / "03" / "POSCAR", check_for_potcar=False).structure
    assert last[3].frac_coords[0] == pytest.approx(with_potassium[3].frac_coords[0] + 0.3)


def test_band_of_another_length_or_order_is_refused(tmp_path, with_potassium):
    inputs = make_inputs(with_potassium, task="neb", profile="paper", images=2)
    with pytest.raises(InputError, match="3 structures for IMAGES = 2"):
        write_neb_inputs(inputs, [with_potassium] * 3, tmp_path)
    swapped = with_potassium.copy()
    swapped.replace(3, "Na")
    with pytest.raises(InputError, match="image 02 differs"):
        write_neb_inputs(inputs, [with_potassium] * 2 + [swapped, with_potassium], tmp_path)


def test_potcar_is_assembled_where_a_library_is_given(tmp_path, potassium_atom):
    library = tmp_path / "library"
    (library / "K_sv").mkdir(parents=True)
    (library / "K_sv" / "POTCAR").write_text("TITEL = PAW_PBE K_sv\n ZVAL = 9.0\n")
    inputs = make_inputs(potassium_atom, task="molecule", profile="quick")
    folder = write_inputs(inputs, potassium_atom, tmp_path / "run", potcar_dir=library)
    assert "K_sv" in (folder / "POTCAR").read_text()


def test_folder_that_cannot_be_written_is_named(tmp_path, mos2):
    (tmp_path / "file").write_text("in the way")
    inputs = make_inputs(mos2, task="relax", profile="quick")
    with pytest.raises(HeteroError, match=r"cannot write .*file/run/INCAR"):
        write_inputs(inputs, mos2, tmp_path / "file" / "run")


MOLECULAR = ("relax", "static", "dos", "charge", "elf", "neb", "vibrations")


@pytest.mark.parametrize("profile", ["quick", "paper", "converged"])
@pytest.mark.parametrize("task", MOLECULAR)
def test_any_task_of_a_molecule_has_the_box_of_the_task_molecule(task, profile):
    relaxed = make_inputs(water(), task="molecule", profile=profile)
    images = 3 if task == "neb" else None
    inputs = make_inputs(water(), task=task, profile=profile, is_molecule=True, images=images)
    for tag in ("IDIPOL", "LDIPOL", "DIPOL", "ISMEAR", "SIGMA", "ENCUT", "IVDW"):
        assert inputs.incar.get(tag) == relaxed.incar.get(tag), tag
    assert inputs.kpoints == relaxed.kpoints
    assert inputs.incar["IDIPOL"] == 4


def test_a_molecule_keeps_the_steps_of_its_own_task():
    def tags(task, **options):
        return make_inputs(water(), task=task, profile="paper", is_molecule=True, **options).incar

    assert tags("relax")["NSW"] > 0
    assert tags("static")["NSW"] == 0
    assert tags("neb", images=3)["IMAGES"] == 3
    assert tags("charge")["LAECHG"] is True
    assert tags("relax", charge=-2)["LMONO"] is True


def test_the_levels_of_a_molecule_come_with_the_potential_far_away(mos2):
    box_dos = make_inputs(water(), task="dos", profile="quick", is_molecule=True)
    assert box_dos.incar["LVHAR"] is True
    assert "LVHAR" not in make_inputs(mos2, task="dos", profile="quick").incar
    assert "LVHAR" not in make_inputs(water(), task="molecule", profile="quick").incar


def test_a_molecule_is_no_crystal():
    with pytest.raises(InputError, match="task 'bulk' is for crystals"):
        make_inputs(water(), task="bulk", profile="quick", is_molecule=True)


@pytest.mark.parametrize(
    ("structure", "options"),
    [
        (hydroxyl(), {"spin": False}),
        (hydroxyl(), {"overrides": {"ISPIN": 1}}),
        (water(), {"charge": -1, "overrides": {"ISPIN": 1}}),
        (box(["Li"], [[6, 6, 6]]), {"overrides": {"ISPIN": 1}}),
    ],
    ids=["spin off", "override", "ion", "atom"],
)
def test_an_unpaired_electron_without_spin_is_refused(structure, options):
    with pytest.raises(InputError, match="an odd number, leave one unpaired"):
        make_inputs(structure, task="molecule", profile="quick", **options)


def test_a_metal_may_have_an_odd_number_of_electrons_without_spin():
    lithium = Structure(Lattice.cubic(3.5), ["Li"], [[0, 0, 0]])
    inputs = make_inputs(lithium, task="bulk", profile="quick", overrides={"ISPIN": 1})
    assert inputs.incar["ISPIN"] == 1


def test_moments_that_the_electrons_cannot_have_are_warned_about():
    inputs = make_inputs(water(), task="molecule", profile="quick", spin=[1, 0, 0])
    assert any("MAGMOM sums to 1" in warning for warning in inputs.warnings)


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        ("EDIFF", -1.0, "EDIFF = -1.0 is not above zero"),
        ("ISPIN", 7, "ISPIN = 7 is not 1 or 2"),
        ("SIGMA", -0.1, "SIGMA = -0.1 is negative"),
    ],
)
def test_a_value_that_vasp_has_not_is_refused_with_those_that_it_has(tag, value, said):
    with pytest.raises(InputError, match=said):
        make_inputs(mx2_monolayer(), task="relax", profile="paper", overrides={tag: value})
