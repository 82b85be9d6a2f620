"""The plan of the sulfide cathode: balanced states, layers alone, and what is refused."""

import numpy as np
import pytest
from pymatgen.core import Composition

from heterofire.results.pathways import wrong_states
from heterofire.structures.errors import InputError
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study, parse_study

PROFILES = ("quick", "paper", "converged")


@pytest.fixture(scope="module")
def plans():
    study = load_study("sulfide-cathode")
    return {p: plan_study(study, p, engine="vasp") for p in PROFILES}


def small_study(**changes):
    """One route on carbon, in YAML that a user could have written."""
    parts = {
        "species": "[PS3O(3-)]",
        "ions": "3",
        "reservoirs": "[Li, H2O, H2]",
        "phases": "[Li2SO3]",
        **changes,
    }
    return parse_study(
        f"""
study: small
title: one route
ion: Li
hosts: []
routes:
  - name: to Li2SO3
    surface: C(002)
    states:
      - {{name: start, species: [PS4(3-), OH], ions: 3}}
      - {{name: end, species: {parts["species"]}, ions: {parts["ions"]}, phases: {parts["phases"]}}}
    reservoirs: {parts["reservoirs"]}
phases:
  Li: {{crystal: Li_bcc}}
  H2: {{molecule: H2}}
  H2O: {{molecule: H2O}}
  O2: {{molecule: O2}}
  Li2SO3: {{crystal: Li2SO3_model}}
""",
        "small.yaml",
    )


def atoms_of(plan, legs):
    """Return the atoms that legs leave over: none, where they balance."""
    cells = {c.key: c.structure.composition for c in plan.calculations}
    left = {}
    for leg in legs:
        for element, amount in cells[leg.key].items():
            left[element] = left.get(element, 0.0) + leg.factor * amount
    return left


@pytest.mark.parametrize("profile", PROFILES)
def test_every_state_conserves_every_element(plans, profile):
    routes = [r for r in plans[profile].requests if r.kind == "pathway"]
    assert [route.model for route in routes] == ["Mo3Ni3N(221)", "C(002)"]
    for route in routes:
        assert len(route.states) == 5
        assert not wrong_states(route)
        for state in route.states:
            left = atoms_of(plans[profile], state.legs)
            assert all(abs(amount) < 1e-6 for amount in left.values()), (state.name, left)


def test_only_the_last_state_needs_reservoirs(plans):
    for route in (r for r in plans["quick"].requests if r.kind == "pathway"):
        assert [len(state.legs) for state in route.states[:4]] == [0, 2, 2, 2]
        assert len(route.states[4].legs) > 4


def test_molybdenum_disulfide_takes_a_metal_and_a_second_sulfur(plans):
    route = next(r for r in plans["paper"].requests if r.kind == "pathway")
    assert route.states[4].equation == ("PS4 + *OH + 1 Mo + 1 S -> PS3O + MoS2 + 1 MoS2 + 0.5 H2")


def test_sulfite_takes_lithium_and_water_and_gives_hydrogen(plans):
    route = [r for r in plans["paper"].requests if r.kind == "pathway"][1]
    assert route.states[4].equation == (
        "PS4 + *OH + 2 Li + 3 H2O -> PS3O + Li2SO3 + 1 Li2SO3 + 3.5 H2"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_states_of_a_route_are_isomers_on_the_same_surface(plans, profile):
    cells = [c for c in plans[profile].calculations if "/to " in c.label.name]
    relaxed = [c for c in cells if c.label.task == "relax"]
    first = {c.label.model: c.structure.composition for c in relaxed if "/1-" in c.label.name}
    for calculation in relaxed:
        missing = first[calculation.label.model] - calculation.structure.composition
        wanted = Composition("SH") if "/5-" in calculation.label.name else Composition()
        assert missing == wanted


def test_vibrations_move_only_what_lies_on_the_surface(plans):
    runs = [c for c in plans["paper"].calculations if c.label.task == "vibrations"]
    assert len(runs) == 10
    for run in runs:
        free = np.array(run.structure.site_properties["selective_dynamics"]).any(axis=1)
        symbols = {run.structure[int(i)].specie.symbol for i in np.flatnonzero(free)}
        assert symbols <= {"P", "S", "O", "H", "Li"}
        assert free.sum() in (8, 10)
    assert not [c for c in plans["quick"].calculations if c.label.task == "vibrations"]


def test_spin_is_on_in_every_state_of_a_route_with_radicals(plans):
    for calculation in plans["paper"].calculations:
        if "/to " not in calculation.label.name:
            continue
        incar, symbols = calculation.incar, [s.specie.symbol for s in calculation.structure]
        assert incar["ISPIN"] == 2
        moments = dict(zip(symbols, incar["MAGMOM"], strict=True))
        assert moments["Li"] == moments.get("C", 0.0) == 0.0
        assert moments["P"] == 1.0
        assert moments.get("Ni", 0.6) == 0.6


def test_adhesion_is_against_layers_at_the_same_strain(plans):
    plan = plans["quick"]
    cells = {c.key: c.structure for c in plan.calculations}
    energies = [r for r in plan.requests if r.kind == "energy"]
    adhesion = [r for r in energies if r.quantity == "work of adhesion"]
    assert {r.model for r in adhesion} == {"MoS2-MoN", "MoS2-Mo3Ni3N"}
    for request in adhesion:
        assert all(abs(a) < 1e-9 for a in atoms_of(plan, request.legs).values())
        lattices = [cells[leg.key].lattice.matrix[:2, :2] for leg in request.legs]
        for lattice in lattices[1:]:
            np.testing.assert_allclose(lattice, lattices[0], atol=1e-6)
        area = np.linalg.det(lattices[0])
        assert request.per == pytest.approx(area / 100)
        assert request.per_what == "nm^2"


def test_strain_energy_is_against_the_film_in_its_own_lattice(plans):
    plan = plans["quick"]
    cells = {c.key: c.structure for c in plan.calculations}
    found = [r for r in plan.requests if r.kind == "energy" and r.quantity == "strain energy"]
    assert {(r.model, r.label) for r in found} == {("MoS2-MoN", "MoS2"), ("MoS2-Mo3Ni3N", "MoS2")}
    for request in found:
        strained, own = (cells[leg.key] for leg in request.legs)
        assert strained.composition == own.composition
        assert own.volume / own.lattice.c != pytest.approx(strained.volume / strained.lattice.c)


def test_the_mismatch_is_stated_by_every_definition(plans):
    found = {r.model: r.percent for r in plans["paper"].requests if r.kind == "mismatch"}
    assert found["MoS2-MoN"]["largest principal strain"] == pytest.approx(0.71, abs=0.01)
    assert found["MoS2-Mo3Ni3N"]["area"] == pytest.approx(1.8, abs=0.05)
    assert found["MoS2-Mo3Ni3N"]["larger of the two lengths"] == pytest.approx(2.43, abs=0.05)
    assert found["MoS2-Mo3Ni3N"]["largest principal strain"] == pytest.approx(2.85, abs=0.05)


def test_dos_is_asked_for_per_area(plans):
    requests = {r.model: r for r in plans["quick"].requests if r.kind == "dos"}
    assert len(requests) == 3
    assert all(r.area > 50 for r in requests.values())
    assert requests["MoS2-Mo3Ni3N"].d_elements == ("Mo", "Ni")
    assert requests["Li2SO3(001) hypothetical"].d_elements == ()


def test_the_hypothetical_sulfite_is_marked_in_every_name(plans):
    for plan in plans.values():
        names = [c.label.model for c in plan.calculations if "Li2SO3(" in c.label.model]
        assert names
        assert all(name.endswith("hypothetical") for name in names)


def test_a_file_of_one_s_own_wins_over_the_hypothetical_sulfite(tmp_path):
    from heterofire.structures.crystals import build_crystal

    crystal = build_crystal("Li2SO3_model")
    crystal.scale_lattice(1.02 * crystal.volume)
    crystal.to(filename=str(tmp_path / "measured.cif"))
    text = (
        "study: own\ntitle: t\nion: Li\nhosts: [Li2SO3(001)]\n"
        "crystals: {Li2SO3_model: measured.cif}\n"
    )
    (tmp_path / "own.yaml").write_text(text)
    plan = plan_study(load_study(tmp_path / "own.yaml"), "quick", engine="vasp")
    assert {c.label.model for c in plan.calculations} == {"Li2SO3(001)"}


@pytest.mark.parametrize("path", ["../measured.cif", "absent.cif"], ids=["outside", "absent"])
def test_files_outside_or_absent_are_refused(tmp_path, path):
    (tmp_path / "study").mkdir()
    (tmp_path / "measured.cif").write_text("data_x\n")
    file = tmp_path / "study" / "own.yaml"
    file.write_text(
        f"study: own\ntitle: t\nhosts: [Li2SO3(001)]\ncrystals: {{Li2SO3_model: {path}}}\n"
    )
    with pytest.raises(InputError, match=path.split("/")[-1]):
        load_study(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reservoirs": "[Li, H2]"}, r"state 'end' does not balance against 'start': O \+3 atoms"),
        ({"reservoirs": "[Li, H2O, H2, O2]"}, r"state 'end' balances in several ways"),
        ({"ions": "2"}, r"state 'end': .* charge of -1"),
        ({"species": "[PS5]"}, r"state 'end': no molecule named 'PS5'"),
    ],
    ids=["atoms", "ambiguous", "charge", "species"],
)
def test_an_unbalanced_state_is_refused_by_its_name(changes, message):
    with pytest.raises(InputError, match=message):
        plan_study(small_study(**changes), "quick", engine="vasp")


def test_an_unknown_reservoir_is_refused_when_the_file_is_read():
    with pytest.raises(InputError, match="phase 'N2' is not among the phases"):
        small_study(reservoirs="[N2]")


def test_each_host_has_the_hops_that_lead_along_a_line_and_their_barrier(plans):
    requests = plans["quick"].requests
    migrations = [r for r in requests if r.kind == "migration" and r.directions == 1]
    assert {r.label for r in migrations} == {"surface, along a line"}
    assert len(migrations) == 3
    barriers = {r.band for r in requests if r.kind == "barrier"}
    for request in migrations:
        assert {hop.band for hop in request.hops} <= barriers
    hops = {r.model: [hop.label for hop in r.hops] for r in migrations}
    assert hops["MoS2-MoN"] == ["surface 1: Mo-top to hollow"]
    assert len(hops["Li2SO3(001) hypothetical"]) == 2


def test_hops_that_meet_at_a_site_share_its_cell(plans):
    for name, plan in plans.items():
        ends = [
            c for c in plan.calculations if "/Li-hop" in c.label.name and c.label.task == "relax"
        ]
        bands = [c for c in plan.calculations if c.label.task == "neb"]
        assert len({c.key for c in ends}) == len(ends), name
        assert len(ends) < 2 * len(bands), name


def test_the_paper_profile_wants_every_hop_and_the_whole_plane(plans):
    found = {(r.model, r.directions): r for r in plans["paper"].requests if r.kind == "migration"}
    assert {directions for _, directions in found} == {1, 2}
    assert len(found["MoS2-Mo3Ni3N", 2].hops) == 2
    assert len(found["Li2SO3(001) hypothetical", 2].hops) == 3


def test_quick_keeps_the_nitrides_as_in_the_crystal(plans):
    nitrides = {"MoS2-MoN": "MoN", "MoS2-Mo3Ni3N": "Mo3Ni3N"}
    for calculation in plans["quick"].calculations:
        structure, name = calculation.structure, calculation.label.name
        if calculation.label.model not in nitrides or "MoS2/" in name or "unstrained" in name:
            continue
        flags = structure.site_properties["selective_dynamics"]
        for site, flag in zip(structure, flags, strict=True):
            if site.specie.symbol in ("Ni", "N"):
                assert not any(flag), name
