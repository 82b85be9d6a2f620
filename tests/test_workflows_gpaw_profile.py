"""Profile gpaw: the same studies on one core, with k-points, beside profiles left as they were."""

import hashlib

import numpy as np
import pytest

from heterofire.launchers.project import Project
from heterofire.launchers.settings import load_settings
from heterofire.structures.checks import vacuum_of
from heterofire.structures.errors import InputError, RunError
from heterofire.workflows.collecting import check_method
from heterofire.workflows.flows import useful_first
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study, parse_study

METHOD = "PBE-D3(zero), PW 400 eV"

# All keys of the plan in their order: as before there was a profile gpaw, but for LREAL, which is
# .FALSE. for all sizes now, and for hops: all hosts share their ends now, and layers are held in
# the gallery.
BEFORE = [
    ("quick", "vasp", "1abc0b2c605c67d208b5ee14"),
    ("quick", "xtb", "11198c7b65f5db05a5ea9f86"),
    ("paper", "vasp", "3b68ac79500c4755e96b1e1e"),
    ("converged", "vasp", "290310c3f409c62f32acf35c"),
]


@pytest.fixture(scope="module")
def anode():
    return load_study("potassium-anode")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    settings = load_settings(folder=tmp_path_factory.mktemp("gpaw"), engine="gpaw")
    return Project(settings).plan("potassium-anode", "gpaw")


@pytest.fixture(scope="module")
def steps(plan):
    return {step.label.name: step for step in plan.calculations}


@pytest.mark.parametrize(("profile", "engine", "before"), BEFORE)
def test_keys_of_other_profiles_are_what_they_were(anode, profile, engine, before):
    method = "GFN1-xTB" if engine == "xtb" else ""
    keys = [step.key for step in plan_study(anode, profile, engine=engine, method=method).steps]
    assert hashlib.sha256("\n".join(keys).encode()).hexdigest()[:24] == before


def test_every_step_is_planned_with_one_method(plan):
    assert plan.method == METHOD
    assert {(step.engine, step.method) for step in plan.calculations} == {("gpaw", METHOD)}
    assert not any("ENCUT" in warning for warning in plan.grouped_warnings)


def test_hosts_are_at_gamma_and_crystals_have_a_mesh(steps):
    assert len(steps["MoS2@NC/relax"].structure) == 45
    assert steps["MoS2@NC/relax"].kpoints["mesh"] == [1, 1, 1]
    assert (len(steps["K/bulk"].structure), steps["K/bulk"].kpoints["mesh"]) == (2, [4, 4, 4])
    assert steps["K2S/bulk"].kpoints["mesh"] == [3, 3, 3]


def test_layers_without_images_along_c_have_less_vacuum_and_no_warning_of_it(plan, steps):
    for name, vacuum in (("MoS2@NC/relax", 14.0), ("MoSSe@NC/K-gallery-1/relax", 11.6)):
        assert vacuum_of(steps[name].structure) == pytest.approx(vacuum, abs=0.05)
    assert not any("periodic images" in warning for warning in plan.grouped_warnings)


def test_hosts_have_one_cell_whichever_face_the_selenium_is_on(steps):
    """Plane waves of another cell: the energy of 45 atoms moved by 38 meV with 0.08 Angstrom."""
    cells = [
        steps[f"{model}/relax"].structure.lattice.matrix
        for model in ("MoS2@NC", "MoSSe@NC", "MoSSe(outer)@NC")
    ]
    assert all(np.array_equal(cell, cells[0]) for cell in cells)
    assert steps["MoSSe@NC/K-outer-1/relax"].structure.lattice.c == pytest.approx(cells[0][2, 2])


def test_energies_that_are_compared_are_converged_tighter_than_those_on_the_way(steps):
    tight = ("MoSSe@NC/charge", "MoSSe@NC/K-outer-1/charge", "K/bulk", "K atom/molecule")
    assert all(steps[name].incar["EDIFF"] == 1e-4 for name in tight)


def test_atoms_are_relaxed_as_the_paper_does(steps):
    incar = steps["MoSSe@NC/relax"].incar
    wanted = {"ISMEAR": -1, "SIGMA": 0.1, "IVDW": 11, "EDIFF": 1e-3, "EDIFFG": -0.05, "ISIF": 2}
    assert wanted.items() <= incar.items()
    assert (incar["IDIPOL"], incar["LDIPOL"]) == (3, True)
    assert (steps["K atom/molecule"].incar["ISPIN"], steps["K/bulk"].incar["ISPIN"]) == (2, 1)


def test_every_product_with_selenium_has_one_in_twelve(steps):
    shares = [
        composition["Se"] / (composition["S"] + composition["Se"])
        for name in ("MoS2:Se/bulk", "KMoS2:Se/bulk", "KMo(1-x)S2:Se/bulk")
        if (composition := steps[name].structure.composition)
    ]
    assert shares == pytest.approx([1 / 12] * 3)


def test_selenium_on_the_outer_face_adds_steps_and_changes_none(anode, plan):
    outer = "MoSSe(outer)@NC"
    others = anode.model_copy(update={"hosts": tuple(h for h in anode.hosts if h.model != outer)})
    without = plan_study(others, "gpaw", engine="gpaw", method=METHOD)
    kept = [step.key for step in plan.steps if step.label.model != outer]
    assert kept == [step.key for step in without.steps]
    assert list(without.requests) == [r for r in plan.requests if r.model != outer]


def test_selenium_on_the_outer_face_has_sites_and_charges_and_no_bands(steps):
    names = [name for name in steps if name.startswith("MoSSe(outer)@NC/")]
    relaxed = [name.split("/")[1] for name in names if name.endswith("/relax")]
    sites = ["K-gallery-1", "K-gallery-2", "K-outer-1", "K-outer-near-Se-1"]
    assert relaxed == ["relax", *sites]
    assert all(f"MoSSe(outer)@NC/{site}/charge" in names for site in sites)
    assert not any(word in name for name in names for word in ("hop", "dos"))
    beside = steps["MoSSe(outer)@NC/K-outer-near-Se-1/relax"].structure
    touching = {near.specie.symbol for near in beside.get_neighbors(beside[-1], 3.4)}
    assert touching == {"S", "Se"}
    assert not any(name.startswith("MoSSe@NC/K-outer-near") for name in steps)


def test_binding_energies_are_taken_on_a_mesh_and_at_gamma_beside_it(plan, steps):
    found = {
        request.quantity: request.legs
        for request in plan.requests
        if (request.model, request.label) == ("MoSSe@NC", "outer-1")
        and getattr(request, "reference", "") == "bcc K"
    }
    finer, at_gamma = (found[f"K binding energy{end}"] for end in ("", " at 1x1x1 k-points"))
    names = {step.key: step.label.name for step in plan.calculations}
    host, ion = "MoSSe@NC", "MoSSe@NC/K-outer-1"
    assert [names[leg.key] for leg in finer] == [f"{ion}/charge", f"{host}/charge", "K/bulk"]
    assert [names[leg.key] for leg in at_gamma] == [f"{ion}/relax", f"{host}/relax", "K/bulk"]
    geometries = [names.get(leg.geometry) for leg in finer]
    assert geometries == [f"{ion}/refine", f"{host}/refine", None]
    assert [leg.geometry for leg in at_gamma] == [None] * 3
    assert steps[f"{ion}/charge"].kpoints["mesh"] == [3, 3, 1]
    assert steps[f"{ion}/charge"].incar["IDIPOL"] == steps[f"{host}/charge"].incar["IDIPOL"] == 3


def test_no_host_keeps_the_bonds_of_gamma_alone(steps):
    for name in ("MoS2@NC", "MoSSe(outer)@NC/K-gallery-1"):
        rough, refined, charge = (steps[f"{name}/{part}"] for part in ("relax", "refine", "charge"))
        assert refined.kpoints == {"style": "Monkhorst-Pack", "mesh": [2, 2, 1], "n_kpoints": 2}
        assert refined.incar["NSW"] == rough.incar["NSW"] > 0
        assert refined.parents == {"structure": rough.key}
        assert charge.parents == {"structure": refined.key}
    refined = steps["MoS2@NC/refine"].key
    for follower in ("dos", "elf", "N-graphene-alone/charge", "MoS2-alone/charge"):
        assert steps[f"MoS2@NC/{follower}"].parents == {"structure": refined}


def test_charges_are_on_the_mesh_of_the_energies_whatever_it_is(anode):
    finer = anode.model_copy(update={"final_spacing": {"gpaw": 0.2}})
    plan = plan_study(finer, "gpaw", engine="gpaw", method=METHOD)
    names = [step.label.name for step in plan.calculations]
    assert len(names) == len(set(names))
    meshes = {step.label.name: step.kpoints.get("mesh") for step in plan.calculations}
    for name in ("MoS2@NC", "MoS2@NC/MoS2-alone", "MoSSe@NC/K-outer-1"):
        assert meshes[f"{name}/charge"] == [5, 5, 1]


def test_without_charges_of_sites_binding_energies_have_a_run_of_their_own(anode):
    plan = plan_study(
        anode.model_copy(update={"charges": None}), "gpaw", engine="gpaw", method=METHOD
    )
    meshes = {step.label.name: step.kpoints.get("mesh") for step in plan.calculations}
    assert meshes["MoSSe@NC/K-outer-1/static"] == meshes["MoSSe@NC/static"] == [3, 3, 1]
    assert "MoSSe@NC/K-outer-1/charge" not in meshes


def test_bands_are_those_in_the_gallery_and_on_the_surface_and_end_without_charges(steps):
    bands = [name for name in steps if name.endswith("/neb")]
    hosts = ("MoS2@NC", "MoSSe@NC")
    kinds = ("gallery", "surface")
    assert bands == [f"{host}/K-hop-{kind}/neb" for host in hosts for kind in kinds]
    assert not [name for name in steps if "hop" in name and "charge" in name]
    keys = {step.key: step for step in steps.values()}
    ends = [keys[key] for name in bands for key in steps[name].parents.values()]
    assert {tuple(end.kpoints["mesh"]) for end in ends} == {(1, 1, 1)}  # as the bands' own


def test_barriers_are_of_bands_that_went_on_off_gamma_and_at_gamma_beside_them(plan, steps):
    about = ("MoSSe@NC", "surface")
    counting, at_gamma = (
        r for r in plan.requests if r.kind == "barrier" and (r.model, r.label) == about
    )
    assert [name for name, _ in counting.wanted()] == ["barrier forward", "barrier back"]
    assert at_gamma.wanted()[0][0] == "barrier forward at 1x1x1 k-points"
    folder = "MoSSe@NC/K-hop-surface"
    rough, fine = steps[f"{folder}/neb"], steps[f"{folder}/neb-refine"]
    assert (at_gamma.band, counting.band) == (rough.key, fine.key)
    assert (fine.n_images, fine.kpoints["mesh"]) == (rough.n_images, [2, 2, 1])
    ends = {role: steps[name].key for role, name in (
        ("initial", "MoSSe@NC/K-outer-1/refine"), ("final", f"{folder}/final-refine"),
    )}  # fmt: skip
    assert fine.parents == {**ends, "band": rough.key}
    assert (counting.initial, counting.final) == (ends["initial"], ends["final"])


def test_what_is_cheap_comes_first_and_hosts_before_references_and_bands_before_densities_of_states(
    plan, steps
):
    priorities = useful_first(plan.steps)
    order = ["K/bulk", "MoS2@NC/relax", "MoS2@NC/K-outer-1/relax", "MoS2@NC/charge", "MoS2:Se/bulk",
             "MoS2@NC/K-hop-gallery/neb", "MoS2@NC/dos"]  # fmt: skip
    found = [priorities[steps[name].key] for name in order]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


def test_the_plan_says_time_and_memory_before_the_first_run(tmp_path, heterofire):
    (tmp_path / "s.yaml").write_text("{study: s, title: s, phases: {K: {crystal: K_bcc}}}")
    shown = heterofire(tmp_path, "plan", "s.yaml", "--profile", "gpaw", "--engine", "gpaw").stdout
    assert f"engine gpaw {METHOD}" in shown
    assert "until finished runs tell" in shown
    assert "memory: up to 0.3 GB for each worker (K/bulk)" in shown


def test_xtb_is_refused_before_it_meets_k_points(tmp_path):
    project = Project(load_settings(folder=tmp_path, engine="xtb"))
    with pytest.raises(
        InputError, match="engine xtb refuses k-points other than Gamma in K/bulk and 54 more"
    ):
        project.plan("potassium-anode", "gpaw")


def test_a_dispersion_that_gpaw_lacks_is_refused_when_planning(tmp_path):
    text = "{study: s, title: s, phases: {K: {atom: K}}, overrides: {gpaw: {every: {IVDW: 13}}}}"
    (tmp_path / "s.yaml").write_text(text)
    project = Project(load_settings(folder=tmp_path, engine="gpaw"))
    with pytest.raises(InputError, match="IVDW = 13: engine gpaw has 0"):
        project.plan(str(tmp_path / "s.yaml"), "gpaw")


def test_another_basis_is_another_calculation(tmp_path, monkeypatch):
    orbitals = "overrides: {gpaw: {every: {ENCUT: null}}}"
    (tmp_path / "s.yaml").write_text(
        f"{{study: s, title: s, phases: {{K: {{atom: K}}}}, {orbitals}}}"
    )
    keys = set()
    for basis in ("szp(dzp)", "dzp"):
        monkeypatch.setenv("HETEROFIRE_GPAW_BASIS", basis)
        project = Project(load_settings(folder=tmp_path, engine="gpaw"))
        keys.add(project.plan(str(tmp_path / "s.yaml"), "gpaw").calculations[0].key)
    assert len(keys) == 2


def test_a_run_by_another_method_is_not_stored(steps, tmp_path):
    step = steps["K/bulk"]
    check_method(step, f"{METHOD}, 1160 K", tmp_path)
    with pytest.raises(RunError, match=r"planned with .*PW 400 eV.* computed with 'PBE.*LCAO dzp"):
        check_method(step, "PBE-D3(zero), LCAO dzp, h 0.22 A, 1160 K", tmp_path)


def test_a_study_without_numbers_for_gpaw_has_those_of_quick():
    text = "{study: s, title: s, phases: {K: {crystal: K_bcc, supercell: {quick: [2, 2, 2]}}}}"
    plan = plan_study(parse_study(text, "s.yaml"), "gpaw", engine="vasp")
    assert len(plan.calculations[0].structure) == 16
