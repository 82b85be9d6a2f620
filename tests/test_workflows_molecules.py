"""Plans of molecules: complexes placed and taken apart, balanced equations, decompositions."""

from itertools import pairwise

import numpy as np
import pytest
from pymatgen.core import Structure

from heterofire.results.pathways import wrong_states
from heterofire.results.requests import (
    BarrierRequest,
    ComplexRequest,
    EnergyRequest,
    PathwayRequest,
    RateRequest,
    TransferRequest,
)
from heterofire.structures.errors import InputError
from heterofire.workflows.planning import plan_study
from heterofire.workflows.starts import start_structure
from heterofire.workflows.study import PROFILES
from heterofire.workflows.study_reading import parse_study

PHASES = """\
study: small
title: molecules
ion: Li
phases:
  Li: {crystal: Li_bcc}
  LiF: {crystal: LiF}
  SO2: {molecule: SO2}
  benzene: {molecule: C6H6}
  water: {molecule: H2O}
  methanol: {molecule: CH3OH}
  TFSI-: {molecule: TFSI-, charge: -1}
  LiTFSI: {molecule: LiTFSI}
  Li2(CF3SO2N): {molecule: Li2(CF3SO2N)}
  Li+ ion: {atom: Li, charge: 1}
  Li atom: {atom: Li}
  F- ion: {atom: F, charge: -1}
"""
COMPLEXES = """\
complexes:
  wet: {host: benzene, guest: methanol, anchor: C6 ring, candidates: 3, keep: 2}
  ionic:
    {host: benzene, guest: TFSI-, anchor: C6 ring,
     charges: {quick: true}, difference: {quick: true}}
  pair: {host: benzene, guest: benzene, anchor: C6 ring}
  wetter: {host: wet, guest: water, anchor: C6 ring, hold_host: {quick: true}}
"""
DECOMPOSITION = """\
decompositions:
  - name: LiTFSI
    molecule: LiTFSI
    where: [free]
    electrons: 2
    donor: Li
    donor_at: [N1, O1]
    steps:
      - {name: N-S, bond: [N1, S1], points: 2, leaves: N1, ions: 2, phase: Li2(CF3SO2N)}
      - {name: C-S, bond: [S1, C1], points: 2, leaves: S1, phase: SO2}
      - {name: C-F, bond: [C1, F1], to: 3.0, towards: Li, hold: true,
         leaves: F1, ions: 1, phase: LiF}
    charges: {quick: [free]}
"""


def plan_of(*parts, profile="quick", engine="xtb"):
    text = PHASES + "".join(parts)
    return plan_study(parse_study(text, "small.yaml"), profile, engine=engine, method="GFN1-xTB")


def by_name(plan):
    return {c.label.name: c for c in plan.calculations}


def of_kind(plan, kind):
    return [request for request in plan.requests if isinstance(request, kind)]


@pytest.fixture(scope="module")
def complexes():
    return plan_of(COMPLEXES)


@pytest.fixture(scope="module")
def decomposed():
    return plan_of(DECOMPOSITION)


# ---- complexes -----------------------------------------------------------------------------


def test_placements_are_ranked_by_their_energy_and_the_best_relaxed(complexes):
    found = by_name(complexes)
    tried = [found[f"wet/placement-{i}/static"] for i in (1, 2, 3)]
    assert {c.parents["host"] for c in tried} == {found["benzene/molecule"].key}
    for rank in (0, 1):
        relaxed = found[f"wet/{rank + 1}/relax"]
        assert set(relaxed.parents.values()) == {c.key for c in tried}
        assert relaxed.rank == rank
    assert len({tuple(c.structure.lattice.abc) for c in tried}) == 1, "one box for all"


def test_a_placement_goes_along_with_its_relaxed_host(complexes, store, make_run):
    found = by_name(complexes)
    host, placed = found["benzene/molecule"], found["wet/placement-1/static"]
    swollen = host.structure.copy()
    centre = swollen.cart_coords.mean(axis=0)
    places = centre + 1.05 * (swollen.cart_coords - centre)
    swollen = Structure(swollen.lattice, swollen.species, places, coords_are_cartesian=True)
    store.add_run(host.key, host.label, make_run(swollen))
    start = start_structure(placed, store, "host")
    ring = [placed.atoms[i] for i, site in enumerate(host.structure) if site.specie.symbol == "C"]
    sides = sorted(start.get_distance(i, j) for i in ring for j in ring if i < j)[:6]
    assert sides == pytest.approx([1.05 * 1.395] * 6, abs=0.02)


def test_each_part_is_computed_frozen_as_in_each_relaxed_complex(complexes):
    (wet,) = [r for r in of_kind(complexes, ComplexRequest) if r.label == "wet"]
    keys = {c.key: c for c in complexes.calculations}
    assert [p.name for p in wet.placements] == ["placement 1", "placement 2"]
    for placement in wet.placements:
        whole = keys[placement.key].structure
        parts = {name: keys[key] for name, key in placement.frozen.items()}
        assert set(parts) == {"benzene", "methanol"}
        assert sum(len(part.structure) for part in parts.values()) == len(whole)
        for part in parts.values():
            assert part.parents == {"structure": placement.key}
            assert part.structure.lattice == whole.lattice
            symbols = [whole[i].specie.symbol for i in part.atoms]
            assert symbols == [site.specie.symbol for site in part.structure]


def test_the_same_molecule_twice_has_two_names(complexes):
    (pair,) = [r for r in of_kind(complexes, ComplexRequest) if r.label == "pair"]
    assert [part.name for part in pair.parts] == ["benzene", "second benzene"]
    assert len({part.key for part in pair.parts}) == 1


def test_an_ion_keeps_its_charge_in_a_cubic_box(complexes):
    ionic = by_name(complexes)["ionic/1/relax"]
    assert ionic.charge == -1
    assert np.ptp(ionic.structure.lattice.abc) < 1e-6
    assert ionic.incar["LMONO"] is True
    assert ionic.incar["NELECT"] == ionic.nelect


def test_charges_and_the_density_difference_are_of_one_box(complexes):
    found = by_name(complexes)
    (difference,) = complexes.subtractions
    whole = found["ionic/charge"]
    assert difference.joint == whole.key
    alone = [c for c in complexes.calculations if c.key in difference.fragments.values()]
    assert {c.structure.lattice for c in alone} == {whole.structure.lattice}
    assert sorted(c.charge for c in alone) == [-1, 0]
    (transfer,) = of_kind(complexes, TransferRequest)
    assert sorted(i for part in transfer.fragments.values() for i in part) == list(
        range(len(whole.structure))
    )


def test_a_complex_on_a_complex_holds_what_it_is_told_to(complexes):
    found = by_name(complexes)
    relaxed = found["wetter/1/relax"]
    hosts = {found[f"wet/{i}/relax"].key for i in (1, 2)}
    assert set(relaxed.parents.values()) == hosts  # the lowest of both, once they are there
    flags = np.array(relaxed.structure.site_properties["selective_dynamics"]).all(axis=1)
    assert flags.sum() == 3  # the second water
    assert sorted(np.flatnonzero(~flags).tolist()) == sorted(relaxed.atoms)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  odd: {host: nothing, guest: water, anchor: C6 ring}\n", "'nothing' is not among"),
        ("  odd: {host: benzene, guest: Li, anchor: C6 ring}\n", "guest of complex 'odd': 'Li'"),
        ("  odd: {host: later, guest: water, anchor: C6 ring}\n", "'later' is not among"),
        ("  odd: {host: benzene, guest: water}\n", r"yaml:\d+: complexes.odd: Field required"),
    ],
)
def test_a_complex_of_what_is_not_there_is_refused(line, message):
    with pytest.raises(InputError, match=message):
        parse_study(PHASES + "complexes:\n" + line, "small.yaml")


def test_a_complex_is_in_its_profiles_only():
    words = COMPLEXES.replace("pair: {", "pair: {profiles: [paper], ")
    names = {p: {c.label.model for c in plan_of(words, profile=p).calculations} for p in PROFILES}
    assert [p for p in PROFILES if "pair" in names[p]] == ["paper"]
    needed = COMPLEXES.replace("wet: {", "wet: {profiles: [paper, quick], ")
    with pytest.raises(InputError, match=r"'wetter': 'wet' is not among .* of profile converged"):
        parse_study(PHASES + needed, "small.yaml")


def test_an_anchor_that_the_host_lacks_is_named():
    with pytest.raises(InputError, match="no anchor 'open Fe'"):
        plan_of("complexes:\n  odd: {host: benzene, guest: water, anchor: open Fe}\n")


# ---- equations -----------------------------------------------------------------------------


def test_an_equation_balances_atoms_charge_and_electrons():
    plan = plan_of(
        "equations:\n"
        "  - {model: LiF, label: ions, reactants: {Li+ ion: 1, F- ion: 1}, products: {LiF: 1}}\n"
        "  - {model: Li, label: ionisation, reactants: {Li atom: 2}, products: {Li+ ion: 2},"
        " electrons: 2}\n"
    )
    ions, ionisation = of_kind(plan, EnergyRequest)
    factors = {leg.role: leg.factor for leg in ions.legs}
    assert factors == {"Li+ ion": -1, "F- ion": -1, "LiF": 0.25}  # four formula units per cell
    assert ionisation.equation == "2 Li atom -> 2 Li+ ion + 2 e-"
    assert [leg.factor for leg in ionisation.legs if leg.key is None] == [2.0]


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ("reactants: {Li+ ion: 1, F- ion: 2}, products: {LiF: 1}", r"charge \+1, F -1"),
        ("reactants: {Li atom: 1}, products: {Li+ ion: 1}", r"charge \+1"),
        ("reactants: {Li atom: 1}, products: {Li+ ion: 1}, electrons: -1", r"charge \+2"),
    ],
    ids=["atoms", "no electron", "electron on the wrong side"],
)
def test_an_unbalanced_equation_is_refused_by_name(sides, words):
    with pytest.raises(InputError, match=f"equation 'x' of odd does not balance.*{words}"):
        plan_of(f"equations:\n  - {{model: odd, label: x, {sides}}}\n")


# ---- decompositions ------------------------------------------------------------------------


def test_every_state_conserves_atoms_charge_and_electrons(decomposed):
    (route,) = of_kind(decomposed, PathwayRequest)
    assert wrong_states(route) == []
    cells = {c.key: c for c in decomposed.calculations}
    for state in route.states:
        left = {}
        for leg in state.legs:
            for element, amount in cells[leg.key].structure.composition.items():
                left[element] = left.get(element, 0.0) + leg.factor * amount
            assert cells[leg.key].charge == 0
        assert all(abs(value) < 1e-9 for value in left.values()), (state.name, left)


def test_the_states_are_those_of_the_paper_with_what_leaves_between(decomposed):
    (route,) = of_kind(decomposed, PathwayRequest)
    assert [state.name for state in route.states] == [
        "LiTFSI",
        "LiTFSI + 2 Li",
        "N-S broken",
        "Li2(CF3SO2N) gone",
        "C-S broken",
        "SO2 gone",
        "C-F broken",
        "LiF gone",
    ]
    sizes = {c.key: len(c.structure) for c in decomposed.calculations}
    assert [sizes[state.cell] for state in route.states] == [16, 18, 18, 8, 8, 5, 5, 3]


def test_the_molecule_takes_up_its_electrons_as_it_is(decomposed):
    reduced = by_name(decomposed)["free/LiTFSI decomposition/LiTFSI reduced/relax"]
    free = np.array(reduced.structure.site_properties["selective_dynamics"]).all(axis=1)
    symbols = [site.specie.symbol for site in reduced.structure]
    assert {s for s, flag in zip(symbols, free, strict=True) if flag} == {"Li"}


def test_a_scan_pulls_one_bond_with_both_ends_held(decomposed):
    found = by_name(decomposed)
    points = [found[f"free/LiTFSI decomposition/N-S scan/{i}/relax"] for i in (1, 2)]
    lengths = []
    for point in points:
        pull = point.transformation
        flags = np.array(point.structure.site_properties["selective_dynamics"]).any(axis=1)
        assert set(np.flatnonzero(~flags)) == {pull["first"], pull["second"]}
        lengths.append(pull["length"])
        assert point.structure.get_distance(pull["first"], pull["second"]) == pytest.approx(
            pull["length"], abs=1e-3
        )
    assert lengths == sorted(lengths)
    assert lengths[-1] == 3.2
    assert points[1].parents == {"structure": points[0].key}


def test_a_band_goes_from_the_bond_through_its_scan(decomposed):
    found = by_name(decomposed)
    band = found["free/LiTFSI decomposition/C-S/neb"]
    scan = [found[f"free/LiTFSI decomposition/C-S scan/{i}/relax"].key for i in (1, 2)]
    before = found["free/LiTFSI decomposition/Li2(CF3SO2N) gone/relax"].key
    assert band.parents == {"initial": before, "final": scan[1], "via 1": scan[0]}
    (rate,) = of_kind(decomposed, RateRequest)
    assert [step.to for step in rate.bands] == ["N-S broken", "C-S broken", "C-F broken"]
    barriers = {r.label for r in of_kind(decomposed, BarrierRequest)}
    assert "LiTFSI decomposition: Li2(CF3SO2N) gone -> C-S broken" in barriers


def test_a_host_left_out_of_one_profile_is_in_the_others():
    words = DECOMPOSITION + "    leave_out: {quick: [free]}\n"
    found = [of_kind(plan_of(words, profile=p), PathwayRequest) for p in ("quick", "paper")]
    assert [len(requests) for requests in found] == [0, 1]


def test_the_lower_of_two_places_of_the_ions_left_behind_counts():
    found = by_name(plan_of(DECOMPOSITION + "    ions_anew: {quick: [free]}\n"))
    folder = "free/LiTFSI decomposition/Li2(CF3SO2N) gone"
    left, anew = (found[f"{folder}, Li {how}/relax"] for how in ("as left", "anew"))
    assert left.transformation["kind"] == "take-away"
    assert anew.parents == {"structure": left.key}
    assert anew.transformation["ion"] == "Li"
    assert found[f"{folder}/relax"].parents == {"structure 1": left.key, "structure 2": anew.key}
    assert "free/LiTFSI decomposition/LiF gone, Li anew/relax" not in found  # no Li is left


def test_fragments_of_each_state_are_all_of_its_atoms(decomposed):
    sizes = {c.key: len(c.structure) for c in decomposed.calculations}
    transfers = {r.label.split(": ")[1]: r for r in of_kind(decomposed, TransferRequest)}
    for request in transfers.values():
        atoms = sorted(i for part in request.fragments.values() for i in part)
        assert atoms == list(range(sizes[request.key]))
    assert set(transfers["N-S broken"].fragments) == {"CF3SO2N", "CF3SO2", "Li"}
    assert set(transfers["C-S broken"].fragments) == {"CF3", "SO2", "Li"}
    assert set(transfers["C-F broken"].fragments) == {"CF2", "F", "Li"}


def test_a_plan_survives_its_way_through_a_fireworks_spec(decomposed):
    for calculation in decomposed.calculations:
        again = type(calculation).from_dict(calculation.to_dict())
        assert (again.key, again.transformation, again.rank) == (
            calculation.key,
            calculation.transformation,
            calculation.rank,
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bond: [N1, S1]", "bond: [N1, S9]", "LiTFSI has no atom 'S9'"),
        ("to: 3.0", "to: 1.2", "is to be pulled to 1.2"),
        ("bond: [S1, C1]", "bond: [S2, C2]", "S2 has left before"),
        ("where: [free]", "where: [free, nowhere]", "'nowhere' is not among"),
        ("    donor: Li\n", "", "electrons need a donor"),
        ("phase: SO2", "phase: SO3", "phase 'SO3' is not among the phases"),
        (", phase: SO2", "", "leaves, ions and phase go together"),
        ("charges: {quick: [free]}", "charges: {quick: [host]}", "host is not in 'where'"),
    ],
)
def test_a_wrong_decomposition_is_refused(old, new, message):
    assert old in DECOMPOSITION
    with pytest.raises(InputError, match=message):
        plan_of(DECOMPOSITION.replace(old, new))


def test_a_bond_of_a_ring_cannot_part_a_molecule():
    ring = DECOMPOSITION.replace("LiTFSI", "benzene").replace("bond: [N1, S1]", "bond: [C1, C2]")
    ring = ring.replace("    electrons: 2\n    donor: Li\n    donor_at: [N1, O1]\n", "")
    with pytest.raises(InputError, match="benzene stays in one piece"):
        plan_of(ring)


def test_vasp_gets_the_papers_settings(decomposed):
    plan = plan_of(DECOMPOSITION, COMPLEXES, profile="paper", engine="vasp")
    assert {c.incar["ENCUT"] for c in plan.calculations} == {400}
    assert {c.incar["IVDW"] for c in plan.calculations} == {11}
    molecules = [c for c in plan.calculations if c.label.task not in ("bulk", "neb")]
    assert {tuple(c.kpoints["mesh"]) for c in molecules} == {(1, 1, 1)}
    assert {c.incar.get("EDIFFG") for c in molecules if c.label.task == "molecule"} <= {-0.05, None}
    assert any("Li_sv" in warning for c in plan.calculations for warning in c.warnings)
    for before, after in pairwise(sorted(c.key for c in plan.calculations)):
        assert before != after
