import json
from dataclasses import replace

import numpy as np
import pytest

from heterofire.structures.errors import InputError
from heterofire.structures.hops import build_hop
from heterofire.structures.models import build_model
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.hop_planning import hold_layers
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study, parse_study
from heterofire.workflows.subtractions import Subtraction


@pytest.fixture(scope="module")
def quick():
    return plan_study(load_study("potassium-anode"), "quick", engine="xtb", method="GFN1-xTB")


def test_parents_come_before_their_children(quick):
    seen = set()
    for step in quick.steps:
        assert set(step.parents.values()) <= seen
        seen.add(step.key)


def test_no_calculation_is_planned_twice(quick):
    keys = [step.key for step in quick.steps]
    assert len(keys) == len(set(keys))


def test_planning_twice_gives_the_same_identities(quick):
    again = plan_study(load_study("potassium-anode"), "quick", engine="xtb", method="GFN1-xTB")
    assert again.identity == quick.identity


def test_another_engine_or_method_is_another_calculation(quick):
    vasp = plan_study(load_study("potassium-anode"), "quick", engine="vasp", has_vtst=True)
    assert not {c.key for c in vasp.calculations} & {c.key for c in quick.calculations}


def test_both_engines_get_the_same_input_files(quick):
    vasp = plan_study(load_study("potassium-anode"), "quick", engine="vasp", has_vtst=True)
    assert [c.incar for c in vasp.calculations] == [c.incar for c in quick.calculations]


def test_the_quick_profile_asks_for_gamma_only(quick):
    assert {tuple(c.kpoints["mesh"]) for c in quick.calculations} == {(1, 1, 1)}


def test_all_legs_of_an_energy_share_cutoff_dispersion_and_smearing(quick):
    calculations = {c.key: c for c in quick.calculations}
    for request in quick.requests:
        if request.kind != "energy":
            continue
        tags = {
            tuple(calculations[leg.key].incar.get(tag) for tag in ("ENCUT", "IVDW", "SIGMA"))
            for leg in request.legs
            if leg.key
        }
        assert len(tags) == 1, request.label


def test_every_reaction_conserves_atoms_and_counts_two_chalcogens(quick):
    cells = {c.key: c.structure.composition for c in quick.calculations}
    reactions = [r for r in quick.requests if getattr(r, "quantity", "") == "reaction energy"]
    assert len(reactions) == 8
    for reaction in reactions:
        for element in ("K", "Mo", "S", "Se"):
            balance = sum(leg.factor * cells[leg.key][element] for leg in reaction.legs)
            assert abs(balance) < 1e-9, (reaction.label, element)
        consumed = sum(
            -leg.factor * (cells[leg.key]["S"] + cells[leg.key]["Se"])
            for leg in reaction.legs
            if leg.factor < 0
        )
        assert consumed == pytest.approx(2.0)


@pytest.mark.parametrize("profile", ["quick", "paper", "converged"])
def test_all_routes_with_se_hold_the_same_fraction_of_it(profile):
    plan = plan_study(load_study("potassium-anode"), profile, engine="vasp")
    cells = {c.key: c.structure.composition for c in plan.calculations}
    fractions = []
    for request in plan.requests:
        if getattr(request, "quantity", "") == "reaction energy" and request.model == "with Se":
            amounts = {
                element: sum(
                    -leg.factor * cells[leg.key][element] for leg in request.legs if leg.factor < 0
                )
                for element in ("S", "Se")
            }
            fractions.append(amounts["Se"] / sum(amounts.values()))
    assert len(fractions) == 4
    assert fractions == pytest.approx([fractions[0]] * 4)


def test_end_points_of_a_band_have_the_same_atoms_in_the_same_order(quick):
    for band in (c for c in quick.calculations if c.n_images):
        assert [s.specie for s in band.structure] == [s.specie for s in band.final]
        assert np.allclose(band.structure.lattice.matrix, band.final.lattice.matrix)


def test_through_the_layer_the_ring_gives_way_and_the_rest_of_the_metals_is_held(quick):
    ends = [c for c in quick.calculations if "through-layer/initial" in c.label.name]
    assert len(ends) == 2
    for end in ends:
        free = {"Mo": 0, "S": 0, "Se": 0, "C": 0, "N": 0, "K": 0}
        for site in end.structure:
            free[site.specie.symbol] += all(site.properties["selective_dynamics"])
        assert free["Mo"] == 3
        assert free["C"] + free["N"] < 10
        assert free["S"] + free["Se"] == 14
        assert free["K"] == 1


def test_all_hosts_hop_along_the_same_path(quick):
    for kind in ("gallery", "surface", "through-layer"):
        bands = [c for c in quick.calculations if c.label.name.endswith(f"K-hop-{kind}/neb")]
        for end in ("structure", "final"):
            first, second = [getattr(band, end)[-1].frac_coords[:2] for band in bands]
            assert np.allclose(first, second)


def test_in_the_gallery_the_path_leads_to_selenium(quick):
    (with_se,) = [c for c in quick.calculations if c.label.name == "MoSSe@NC/K-hop-gallery/neb"]
    selenium = next(i for i, site in enumerate(with_se.final) if site.specie.symbol == "Se")
    apart = [end.get_distance(selenium, -1) for end in (with_se.structure, with_se.final)]
    assert apart[1] < 3.5 < apart[0]


def test_in_the_gallery_an_atom_of_each_layer_far_from_the_hop_keeps_its_place_in_the_plane(quick):
    (band,) = [c for c in quick.calculations if c.label.name == "MoSSe@NC/K-hop-gallery/neb"]
    flags = band.structure.site_properties["selective_dynamics"]
    held = [i for i, flag in enumerate(flags) if not all(flag)]
    assert [flags[i] for i in held] == [[False, False, True]] * 2
    assert [band.structure[i].specie.symbol for i in held] == ["Mo", "C"]
    assert all(band.structure.get_distance(i, -1) > 4.5 for i in held)
    for i in held:
        assert np.allclose(band.structure[i].frac_coords, band.final[i].frac_coords)


def test_holding_layers_of_a_single_layer_is_refused():
    model = build_model("MoS2@NC")
    hop = build_hop(model, "surface")
    with pytest.raises(InputError, match="hold_layers needs two layers, and MoS2@NC is one"):
        hold_layers(hop.initial, replace(model, bottom=()), hop)


def test_host_and_host_with_ion_share_one_cell(quick):
    names = {c.label.name: c for c in quick.calculations}
    host, with_ion = names["MoS2@NC/relax"], names["MoS2@NC/K-gallery-1/relax"]
    assert np.allclose(host.structure.lattice.matrix, with_ion.structure.lattice.matrix)
    assert [s.specie for s in with_ion.structure][:-1] == [s.specie for s in host.structure]


def test_a_calculation_survives_the_way_through_json(quick):
    for calculation in (quick.calculations[0], quick.calculations[-1]):
        again = Calculation.from_dict(json.loads(json.dumps(calculation.to_dict())))
        assert again.key == calculation.key
        del again.__dict__["key"]
        assert again.key == calculation.key


def test_the_paper_profile_has_the_81_atom_models_and_the_papers_settings():
    paper = plan_study(load_study("potassium-anode"), "paper", engine="vasp")
    host = next(c for c in paper.calculations if c.label.name == "MoS2@NC/relax")
    assert len(host.structure) == 81
    wanted = {"ENCUT": 400, "EDIFF": 1e-5, "EDIFFG": -0.05, "IVDW": 11, "GGA": "PE"}
    assert {tag: host.incar[tag] for tag in wanted} == wanted


def test_climbing_without_vtst_falls_back_and_says_so():
    paper = plan_study(load_study("potassium-anode"), "paper", engine="vasp", has_vtst=False)
    band = next(c for c in paper.calculations if c.n_images)
    assert not {"LCLIMB", "IOPT", "ICHAIN"} & set(band.incar)
    assert any("VTST" in warning for warning in band.warnings)


def test_every_site_and_every_image_gets_a_charge_run_at_its_final_geometry(quick):
    by_key = {c.key: c for c in quick.calculations}
    for host in ("MoS2@NC", "MoSSe@NC"):
        wanted = [r for r in quick.requests if r.kind == "charge" and r.model == host]
        labels = {request.label for request in wanted}
        assert {"gallery-1", "gallery-2", "outer-1"} <= labels
        for hop in ("gallery", "surface", "through-layer"):
            assert {f"{hop} image {i}" for i in range(5)} <= labels
        for request in wanted:
            run = by_key[request.key]
            assert run.label.task == "charge"
            assert run.parents
            assert run.incar["NSW"] == 0
            if request.band and run.image is not None:
                assert run.parents == {"band": request.band}
                assert run.image == request.image


def test_fragments_of_a_difference_are_the_layers_in_the_cell_and_grid_of_the_whole(quick):
    by_key = {c.key: c for c in quick.calculations}
    assert [s.label.model for s in quick.subtractions] == ["MoS2@NC", "MoSSe@NC"]
    for subtraction in quick.subtractions:
        whole = by_key[subtraction.joint]
        parts = [by_key[key] for key in subtraction.fragments.values()]
        atoms = sorted(i for part in parts for i in part.atoms)
        assert atoms == list(range(len(whole.structure)))
        for part in parts:
            assert part.parents == whole.parents
            assert part.structure.lattice == whole.structure.lattice
            assert {part.incar[n] == whole.incar[n] for n in ("NGXF", "NGYF", "NGZF")} == {True}
            assert part.structure.species == [whole.structure[i].specie for i in part.atoms]


def test_the_sides_of_a_transfer_are_all_atoms_and_the_ion(quick):
    transfers = [r for r in quick.requests if r.kind == "transfer"]
    assert len(transfers) == 8  # two hosts by themselves, and three sites in each
    for request in transfers:
        atoms = sorted(i for part in request.fragments.values() for i in part)
        assert atoms == list(range(46 if "K" in request.fragments else 45))
        assert (request.difference is not None) == (request.label == "without ion")


def test_a_subtraction_survives_the_way_through_json(quick):
    first = quick.subtractions[0]
    again = Subtraction.from_dict(json.loads(json.dumps(first.to_dict())))
    assert (again, again.key) == (first, first.key)


def test_charges_of_a_hop_that_is_not_computed_are_refused():
    text = "study: s\ntitle: t\nhosts: [MoS2@NC]\ncharges: {hops: [gallery]}\n"
    with pytest.raises(InputError, match="charges want the hops gallery, not in hops"):
        parse_study(text, "s.yaml")
