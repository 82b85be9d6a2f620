import sys
from dataclasses import replace

import pytest
from pymatgen.io.vasp import Poscar

from heterofire.launchers.settings import engine_command
from heterofire.structures.errors import EngineError, RunError
from heterofire.workflows.collecting import store_folder
from heterofire.workflows.custody import run_vasp
from heterofire.workflows.folders import check_engine, is_finished, prepare_folder
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import parse_study

STUDY = """\
study: small
title: One host, one hop
hosts: [MoS2@NC]
hops: [{kind: surface, images: 1}]
charges: {hops: [surface], elf: true}
phases: {S: {molecule: S8}}
"""


@pytest.fixture(scope="module")
def planned():
    plan = plan_study(parse_study(STUDY, "small.yaml"), "quick", engine="xtb", method="GFN1-xTB")
    return {c.label.name.split("/", 1)[1]: c for c in plan.calculations}


@pytest.fixture
def finished_ends(planned, store, make_run):
    """A store that has the relaxed end points of the hop."""
    for role in ("initial", "final"):
        end = planned[f"K-hop-surface/{role}"]
        store.add_run(end.key, end.label, make_run(end.structure))
    return store


def test_a_fresh_folder_gets_the_planned_inputs(planned, store, tmp_path):
    folder = tmp_path / "run"
    assert prepare_folder(planned["relax"], store, folder) == "written"
    names = {path.name for path in folder.iterdir()}
    assert names == {"INCAR", "KPOINTS", "POSCAR", "POTCAR.spec"}
    assert prepare_folder(planned["relax"], store, folder) == "written"


def test_interrupted_vibrations_start_again_from_the_geometry_itself(planned, store, tmp_path):
    relax = planned["relax"]
    vibrations = replace(relax, incar={**relax.incar, "IBRION": 5})
    prepare_folder(vibrations, store, tmp_path)
    displaced = relax.structure.copy()
    displaced.translate_sites([0], [0.01, 0.0, 0.0])
    Poscar(displaced).write_file(tmp_path / "CONTCAR")
    assert prepare_folder(vibrations, store, tmp_path) == "written"
    start = Poscar.from_file(tmp_path / "POSCAR").structure
    assert start[0].distance(relax.structure[0]) < 1e-6


def test_an_interrupted_run_goes_on_from_its_last_positions(planned, store, tmp_path):
    prepare_folder(planned["relax"], store, tmp_path)
    moved = planned["relax"].structure.copy()
    moved.translate_sites([0], [0.01, 0.0, 0.0])
    Poscar(moved).write_file(tmp_path / "CONTCAR")
    (tmp_path / "OUTCAR").write_text("cut short")
    assert prepare_folder(planned["relax"], store, tmp_path) == "resumed"
    start = Poscar.from_file(tmp_path / "POSCAR").structure
    assert start[0].distance(moved[0]) < 1e-6
    assert (tmp_path / "part-01" / "OUTCAR").read_text() == "cut short"
    assert not (tmp_path / "OUTCAR").exists()


@pytest.mark.parametrize("content", ["", "cut sho", "other atoms"], ids=["empty", "cut", "other"])
def test_positions_that_cannot_be_trusted_are_not_used(planned, store, tmp_path, content):
    prepare_folder(planned["relax"], store, tmp_path)
    (tmp_path / "CONTCAR").write_text(content)
    if content == "other atoms":
        Poscar(planned["molecule"].structure).write_file(tmp_path / "CONTCAR")
    assert prepare_folder(planned["relax"], store, tmp_path) == "written"


def test_what_is_stored_is_not_prepared_again(planned, store, make_run, tmp_path):
    calculation = planned["relax"]
    store.add_run(calculation.key, calculation.label, make_run(calculation.structure))
    assert prepare_folder(calculation, store, tmp_path / "run") == "stored"
    assert not (tmp_path / "run").exists()


def test_a_child_without_its_parent_says_which_one_is_missing(planned, store, tmp_path):
    with pytest.raises(RunError, match=r"MoS2@NC/dos starts from calculation .* not in the result"):
        prepare_folder(planned["dos"], store, tmp_path)


def test_a_child_starts_from_its_parents_relaxed_structure(planned, store, make_run, tmp_path):
    relaxed = planned["relax"].structure.copy()
    relaxed.translate_sites([3], [0.0, 0.02, 0.0])
    store.add_run(planned["relax"].key, planned["relax"].label, make_run(relaxed))
    prepare_folder(planned["dos"], store, tmp_path)
    assert Poscar.from_file(tmp_path / "POSCAR").structure[3].distance(relaxed[3]) < 1e-6


def test_a_band_gets_its_image_folders_and_goes_on_from_all_of_them(
    planned, finished_ends, tmp_path
):
    band = planned["K-hop-surface/neb"]
    assert prepare_folder(band, finished_ends, tmp_path) == "written"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["00", "01", "02"]
    (tmp_path / "01" / "CONTCAR").write_bytes((tmp_path / "01" / "POSCAR").read_bytes())
    assert prepare_folder(band, finished_ends, tmp_path) == "resumed"
    assert (tmp_path / "01" / "part-01" / "CONTCAR").exists()


def test_an_image_of_a_finished_band_is_a_start(planned, finished_ends, make_band, tmp_path):
    band, run = planned["K-hop-surface/neb"], planned["K-hop-surface/charge-01"]
    moved = band.structure.copy()
    moved.translate_sites([45], [0.03, 0.0, 0.0])
    record = make_band(band.structure, [0.0, 0.2, 0.1])
    images = (record.images[0], replace(record.images[1], structure=moved), record.images[2])
    finished_ends.add_band(band.key, band.label, replace(record, images=images))
    prepare_folder(run, finished_ends, tmp_path)
    assert Poscar.from_file(tmp_path / "POSCAR").structure[45].distance(moved[45]) < 1e-6


@pytest.fixture
def going_on(planned, finished_ends, make_run, make_band):
    """A finished band, and one that goes on from it between ends that have moved since."""
    band = planned["K-hop-surface/neb"]
    images = [finished_ends.get_run(band.parents[role]).structure for role in ("initial", "final")]
    middle = images[0].copy()
    middle.translate_sites([45], [0.5, 0.0, 1.5], frac_coords=False)
    record = make_band(images[0], [0.0, 0.2, 0.1])
    places = (images[0], middle, images[1])
    moved = [replace(i, structure=s) for i, s in zip(record.images, places, strict=True)]
    finished_ends.add_band(band.key, band.label, replace(record, images=tuple(moved)))
    parents = {"band": band.key}
    for role, step, old in (("initial", 0.1, images[0]), ("final", 0.3, images[1])):
        new = old.copy()
        new.translate_sites([2], [0.0, step, 0.0], frac_coords=False)
        parents[role] = f"refined {role}"
        finished_ends.add_run(parents[role], band.label, make_run(new))
    return replace(band, parents=parents), middle, finished_ends


def test_a_band_goes_on_from_another_one_and_its_images_move_as_the_ends_did(going_on, tmp_path):
    band, middle, store = going_on
    assert prepare_folder(band, store, tmp_path) == "written"
    first, image, last = (
        Poscar.from_file(tmp_path / name / "POSCAR").structure for name in ("00", "01", "02")
    )
    assert image[45].distance(middle[45]) < 1e-6
    assert (image[2].coords - middle[2].coords)[1] == pytest.approx(0.2, abs=1e-6)
    initial, final = (store.get_run(band.parents[role]).structure for role in ("initial", "final"))
    assert first[2].distance(initial[2]) < 1e-6
    assert last[2].distance(final[2]) < 1e-6


def test_a_band_does_not_go_on_from_one_with_other_images(going_on, tmp_path):
    band, _, store = going_on
    with pytest.raises(RunError, match="has 3 images and would start from 1 of calculation"):
        prepare_folder(replace(band, n_images=3), store, tmp_path)


def test_a_layer_alone_stays_where_it_is_in_the_relaxed_whole(planned, store, make_run, tmp_path):
    relaxed = planned["relax"].structure.copy()
    relaxed.translate_sites(range(45), [0.0, 0.02, 0.01])
    store.add_run(planned["relax"].key, planned["relax"].label, make_run(relaxed))
    layer = planned["MoS2-alone/charge"]
    prepare_folder(layer, store, tmp_path)
    written = Poscar.from_file(tmp_path / "POSCAR").structure
    assert written.composition.reduced_formula == "MoS2"
    assert max(written[n].distance(relaxed[i]) for n, i in enumerate(layer.atoms)) < 1e-6
    assert written.lattice == relaxed.lattice


def test_another_engine_than_planned_is_refused(planned):
    check_engine(planned["relax"], {"engine": "xtb"})
    with pytest.raises(RunError, match="planned for engine 'xtb', but this worker has 'vasp'"):
        check_engine(planned["relax"], {"engine": "vasp"})


def test_a_run_goes_from_its_folder_through_the_engine_into_the_store(planned, store, tmp_path):
    calculation = planned["molecule"]
    prepare_folder(calculation, store, tmp_path)
    assert run_vasp(tmp_path, engine_command("xtb")) == ()
    assert is_finished(calculation, tmp_path)
    told = store_folder(calculation, store, tmp_path)
    assert told["status"] == "converged"
    assert store.get_run(calculation.key).e0 == pytest.approx(told["e0_ev"])


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"cannot start 'no-such-vasp'.*my_fworker.yaml"):
        run_vasp(tmp_path, ["no-such-vasp"])


def test_a_program_that_dies_is_quoted(planned, store, tmp_path):
    prepare_folder(planned["molecule"], store, tmp_path)
    dying = [sys.executable, "-c", "import sys; sys.exit('out of memory')"]
    with pytest.raises(EngineError, match=r"std_err\.txt: out of memory"):
        run_vasp(tmp_path, dying)


def test_only_physics_makes_another_calculation(planned):
    relax = planned["relax"]
    faster = replace(relax, incar=dict(relax.incar) | {"NCORE": 4})
    finer = replace(relax, incar=dict(relax.incar) | {"ENCUT": 500})
    assert faster.key == relax.key
    assert finer.key != relax.key
