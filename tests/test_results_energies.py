"""Energies are summed only where they cancel, and reactions conserve every atom."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice, Structure

from heterofire.results.compatibility import is_isolated
from heterofire.results.corrections import changed_physics
from heterofire.results.energies import balance, energy_property
from heterofire.results.requests import EnergyRequest, LegRequest
from heterofire.structures.errors import InputError, RunError

HOST, ION = ("Mo", "S", "S"), ("Mo", "S", "S", "K")
KEYS = ("with", "host", "K atom")


def _request(*legs: tuple[str, float, str | None], **changes) -> EnergyRequest:
    values = {"model": "MoS2@NC", "label": "gallery-1", "quantity": "K binding energy"}
    made = tuple(LegRequest(role=role, factor=factor, key=key) for role, factor, key in legs)
    return EnergyRequest(legs=made, **(values | changes))


def _binding(reference: str = "K atom", factor: float = -1.0) -> EnergyRequest:
    legs = (("host with K", 1, "with"), ("host", -1, "host"), (reference, factor, reference))
    return _request(*legs, reference=reference)


@pytest.fixture
def runs(make_run, make_structure):
    host = make_structure(*HOST, a=9.0)
    with_k = host.copy()
    with_k.append("K", [0.5, 0.5, 0.9])
    bulk = Structure(Lattice.cubic(10.66), ["K"] * 16, [[i / 16, 0.3, 0.1] for i in range(16)])
    atom = make_structure("K", box=14.0)
    return {
        "host": make_run(host, -100.0),
        "with": make_run(with_k, -106.5),
        "K atom": make_run(atom, -5.0),
        "bcc K": make_run(bulk, -16 * 5.9, kpoint_spacing=0.6),
        "K+": make_run(atom, -0.7, charge=1.0),
    }


def _energy(request, runs):
    return energy_property(request, runs, study="s", profile="quick")


def test_two_parts_far_apart_have_no_binding_energy(runs, make_run):
    apart = runs["host"].e0 + runs["K atom"].e0
    runs["with"] = make_run(runs["with"].structure, apart)
    assert _energy(_binding(), runs).value == 0.0


def test_a_binding_energy_keeps_its_legs_and_names(runs):
    item = _energy(_binding(), runs)
    assert item.value == pytest.approx(-1.5, abs=1e-12)
    assert [leg.energy for leg in item.legs] == [-106.5, -100.0, -5.0]
    assert item.keys == ("with", "host", "K atom")
    assert (item.energy_kind, item.unit, item.status) == ("E0", "eV", "ok")
    assert (item.engine, item.method) == ("xtb", "GFN1-xTB, 1000 K")


def test_an_energy_is_no_better_converged_than_the_geometry_it_was_computed_at(runs, make_run):
    legs = [LegRequest(role=key, factor=1 if key == "with" else -1, key=key) for key in KEYS]
    legs[0] = legs[0].model_copy(update={"geometry": "relaxed"})
    request = EnergyRequest(model="m", label="gallery-1", quantity="K binding energy", legs=legs)
    assert "geometry" not in legs[1].model_dump()  # plans are known by the hash of their requests
    assert ("geometry of with", "relaxed") in request.sources()
    with pytest.raises(InputError, match="geometry of 'with' is that of calculation relaxed"):
        _energy(request, runs)
    for status in ("converged", "unconverged"):
        relaxed = make_run(runs["with"].structure, -106.4, status=status, kpoint_spacing=0.9)
        item = _energy(request, {**runs, "relaxed": relaxed})
        assert item.value == pytest.approx(-1.5, abs=1e-12)
        assert item.status == {"converged": "ok"}.get(status, status)
        assert item.keys == (*KEYS, "relaxed")
    assert any(note.startswith("the geometry of with is not converged") for note in item.notes)


def test_three_references_differ_by_the_reference_energies_alone(runs):
    atom = _energy(_binding(), runs).value
    bulk = _energy(_binding("bcc K", -1 / 16), runs).value
    legs = (("host with K", 1, "with"), ("host", -1, "host"), ("K+", -1, "K+"), ("e", -1, None))
    ion = _energy(_request(*legs, reference="K+ gas"), runs)
    assert bulk - atom == pytest.approx(runs["K atom"].e0 - runs["bcc K"].e0 / 16, abs=1e-12)
    assert ion.value - atom == pytest.approx(runs["K atom"].e0 - runs["K+"].e0, abs=1e-12)
    assert any("vacuum level" in note for note in ion.notes)


def test_the_unit_says_per_what(runs):
    item = _energy(_binding().model_copy(update={"per": 2.0, "per_what": "MoX2"}), runs)
    assert (item.value, item.unit) == (pytest.approx(-0.75), "eV/MoX2")


def test_a_missing_atom_is_refused_by_name(runs):
    with pytest.raises(InputError, match=r"does not balance.*K \+1"):
        _energy(_request(("host with K", 1, "with"), ("host", -1, "host")), runs)


def test_a_missing_electron_is_refused(runs):
    legs = (("host with K", 1, "with"), ("host", -1, "host"), ("K+", -1, "K+"))
    with pytest.raises(InputError, match="charge -1"):
        _energy(_request(*legs), runs)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"engine": "vasp"}, "engine"),
        ({"functional": "GFN2-xTB"}, "functional"),
        ({"method": "GFN1-xTB, 300 K"}, "method"),
        ({"cutoff": 400.0}, "cutoff"),
        ({"dispersion": "none"}, "dispersion"),
        ({"smearing": "Gaussian"}, "smearing"),
        ({"sigma": 0.05}, "sigma"),
        ({"potcars": ("PAW_PBE K_sv 06Sep2000",)}, "POTCAR of K"),
        ({"hubbard_u": (("K", 1.0),)}, "U of K"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_legs_that_differ_are_refused_with_both_names(runs, make_run, changes, what):
    runs["K atom"] = make_run(runs["K atom"].structure, -5.0, **changes)
    with pytest.raises(RunError, match=rf"differ in {what} ") as caught:
        _energy(_binding(), runs)
    assert "'K atom'" in str(caught.value)
    assert "host" in str(caught.value)


def test_potcars_and_u_of_elements_that_are_not_shared_do_not_matter(runs, make_run):
    titles = ("PAW_PBE Mo_pv 04Feb2005", "PAW_PBE S 06Sep2000")
    k = "PAW_PBE K_sv 06Sep2000"
    for name, potcars in (("host", titles), ("with", (*titles, k)), ("K atom", (k,))):
        u = (("Mo", 4.0),) if name != "K atom" else ()
        runs[name] = make_run(runs[name].structure, -1.0, potcars=potcars, hubbard_u=u)
    assert _energy(_binding(), runs).value == pytest.approx(1.0)


def test_legs_in_one_cell_need_one_mesh(runs, make_run):
    runs["with"] = make_run(runs["with"].structure, -106.5, kpoint_spacing=0.4)
    with pytest.raises(RunError, match="same k-points in the same cell"):
        _energy(_binding(), runs)


def test_a_reference_may_be_finer_but_not_coarser(runs, make_run):
    request = _binding("bcc K", -1 / 16)
    bulk = runs["bcc K"].structure
    for spacing in (0.01, 0.95):
        runs["bcc K"] = make_run(bulk, -90.0, kpoint_spacing=spacing)
        assert _energy(request, runs).status == "ok"
    runs["bcc K"] = make_run(bulk, -90.0, kpoint_spacing=1.2)
    with pytest.raises(RunError, match=r"at most 1\.25 times the spacing"):
        _energy(request, runs)


def _reaction(make_run, spacings):
    runs = {}
    for i, (formula, spacing) in enumerate(spacings.items()):
        symbols = [e.symbol for e, n in Composition(formula).items() for _ in range(int(n))]
        cell = Lattice.cubic(5 + i / 10)
        coords = [[j / len(symbols), 0, 0] for j in range(len(symbols))]
        structure = Structure(cell, symbols, coords)
        runs[formula] = make_run(structure, -1.0, kpoint_spacing=spacing)
    legs = [("Mo", -1, "Mo"), ("K2S", -2, "K2S"), ("KMoS2", 1, "KMoS2"), ("K", 3, "K")]
    return _energy(_request(*legs), runs)


def test_without_a_shared_cell_a_fine_leg_does_no_harm_and_a_coarse_one_does(make_run):
    quick = {"Mo": 0.67, "K2S": 0.42, "KMoS2": 0.76, "K": 0.2}
    assert any("0.76" in note for note in _reaction(make_run, quick).notes)
    with pytest.raises(RunError, match=r"0\.600 1/Angstrom in 'KMoS2'"):
        _reaction(make_run, {"Mo": 0.15, "K2S": 0.17, "KMoS2": 0.6, "K": 0.19})
    with pytest.raises(RunError, match=r"at most 1\.0 in a cell of its own"):
        _reaction(make_run, quick | {"KMoS2": 1.04})


def test_an_atom_in_a_box_is_exempt_from_the_mesh(runs, make_run):
    runs["K atom"] = make_run(runs["K atom"].structure, -5.0, kpoint_spacing=5.0)
    assert _energy(_binding(), runs).value == pytest.approx(-1.5)
    assert is_isolated(runs["K atom"].structure)
    assert not is_isolated(runs["host"].structure)
    assert not is_isolated(runs["bcc K"].structure)


def test_a_molecule_across_the_cell_boundary_is_still_isolated(make_run):
    structure = Structure(Lattice.cubic(12), ["S", "S"], [[0.95, 0.5, 0.5], [0.1, 0.5, 0.5]])
    assert is_isolated(structure)


def test_an_unconverged_leg_marks_the_energy(runs, make_run):
    poor = make_run(runs["host"].structure, -100.0, status="unconverged", reasons=("NSW = 60",))
    item = _energy(_binding(), runs | {"host": poor})
    assert (item.status, item.value) == ("unconverged", pytest.approx(-1.5))
    assert any("NSW = 60" in note for note in item.notes)


def test_two_electrons_with_one_role_are_both_counted(runs, make_run):
    twice = make_run(runs["K atom"].structure, 0.3, charge=2.0)
    legs = (("host with K", 1, "with"), ("host", -1, "host"), ("K2+", -1, "K+"))
    electrons = (("e", -1, None), ("e", -1, None))
    item = _energy(_request(*legs, *electrons), runs | {"K+": twice})
    assert item.value == pytest.approx(-6.8)


@pytest.mark.parametrize(
    ("reactants", "products", "amounts"),
    [
        (["Mo", "K2S"], ["KMoS2", "K"], [1, 2, 1, 3]),
        (["K2S"], ["K", "S"], [1, 2, 1]),
        (["Mo", "K2S"], ["K18 Mo17 S36", "K"], [17, 36, 1, 54]),
        (["Mo54", "K8 S4"], ["Mo18 S36", "K54"], [1, 27, 3, 4]),
        (["Mo", "K2S", "K2Se"], ["Mo18 S35 Se", "K"], [18, 35, 1, 1, 72]),
        ([Composition({"K": 2, "S": 35 / 36, "Se": 1 / 36})], ["K", "S8", "Se3"],
         [864, 1728, 105, 8]),
    ],
)  # fmt: skip
def test_routes_are_balanced_with_whole_numbers(reactants, products, amounts):
    assert balance(reactants, products) == tuple(map(Fraction, amounts))


@pytest.mark.parametrize(
    ("reactants", "products", "message"),
    [
        (["Mo", "K2S"], ["MoS2"], "K is only in K2S"),
        (["MoS2"], ["Mo", "S", "S8"], "2 independent reactions"),
        (["Mo", "K2S"], ["K", "S"], "Mo left out"),
        (["MoS2", "K"], ["KMoS2", "Mo"], "Mo left out"),
        (["Mo", "S2"], ["MoS2", "nonsense"], "not a formula"),
        (["K2S"], ["KS", "K3S2"], "K, S cannot all|independent|left out"),
    ],
)
def test_what_cannot_be_balanced_is_refused_with_the_reason(reactants, products, message):
    with pytest.raises(InputError, match=message):
        balance(reactants, products)


_AMOUNT = st.integers(0, 12)
_SPECIES = st.lists(_AMOUNT, min_size=3, max_size=3).filter(any)


@given(st.lists(_SPECIES, min_size=2, max_size=5), st.integers(1, 4))
def test_balancing_conserves_every_element_or_refuses(species, n_reactants):
    formulas = [
        "".join(f"{el}{n}" for el, n in zip(("K", "Mo", "S"), counts, strict=True) if n)
        for counts in species
    ]
    n_reactants = min(n_reactants, len(formulas) - 1)
    try:
        amounts = balance(formulas[:n_reactants], formulas[n_reactants:])
    except InputError:
        return
    assert all(amount > 0 and amount.denominator == 1 for amount in amounts)
    signs = [-1] * n_reactants + [1] * (len(formulas) - n_reactants)
    for i in range(3):
        terms = zip(signs, amounts, species, strict=True)
        assert sum(sign * amount * counts[i] for sign, amount, counts in terms) == 0


@given(st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_a_solvable_reaction_is_always_solved(n):
    product = f"K{n[0]}Mo{n[1]}S{n[2]}Se{n[3]}"
    amounts = balance(["K", "Mo", "S", "Se"], [product])
    assert [amount / amounts[-1] for amount in amounts] == [*n, 1]


ISYM = "VaspErrorHandler: point_group -> INCAR ISYM=0"
ALGO = "VaspErrorHandler: edddav -> CHGCAR file_delete mode actual; INCAR ALGO=All, ISEARCH=1"


def test_a_correction_of_the_way_there_is_told_and_no_more(runs):
    runs["host"] = replace(runs["host"], corrections=(ALGO,))
    notes = _energy(_binding(), runs).notes
    assert f"host was corrected: {ALGO}" in notes
    assert not any("differ in corrections" in note for note in notes)


def test_legs_that_were_corrected_to_differ_are_flagged(runs):
    runs["host"] = replace(runs["host"], corrections=(ALGO, ISYM))
    item = _energy(_binding(), runs)
    assert "legs differ in corrections: ISYM 0 in host" in item.notes
    assert item.value == pytest.approx(-1.5)


def test_legs_that_were_corrected_alike_are_not_flagged(runs):
    runs = {name: replace(run, corrections=(ISYM,)) for name, run in runs.items()}
    assert not any("differ in corrections" in note for note in _energy(_binding(), runs).notes)


def test_a_refusal_says_that_a_correction_is_behind_it(runs):
    smeared = "VaspErrorHandler: tet -> INCAR ISMEAR=0, SIGMA=0.05"
    settings = replace(runs["host"].settings, smearing="Gaussian")
    runs["host"] = replace(runs["host"], corrections=(smeared,), settings=settings)
    with pytest.raises(RunError, match=r"differ in smearing.*host was corrected: .*ISMEAR=0"):
        _energy(_binding(), runs)


@pytest.mark.parametrize(
    ("correction", "changes"),
    [
        (
            "H: e -> INCAR MAGMOM=[1, 2, 3], PREC=Accurate",
            {"MAGMOM": "[1, 2, 3]", "PREC": "Accurate"},
        ),
        ("H: e -> INCAR unset LREAL 0", {"LREAL": ""}),
        ("H: e -> POSCAR changed; INCAR POTIM=0.2", {"POSCAR": "changed"}),
        ("H: e -> KPOINTS kpoints=[[3, 3, 1]]", {"KPOINTS": "kpoints=[[3, 3, 1]]"}),
        ("H: e -> INCAR Algo=Normal, AMIN=0.01", {}),
        ("H: e -> nothing", {}),
    ],
)
def test_what_changes_physics_is_told_from_what_does_not(correction, changes):
    assert dict(changed_physics([correction])) == changes


def test_an_energy_per_area_is_given_in_both_units(runs):
    """1 eV/nm^2 is 0.160 J/m^2 (CODATA 2018)."""
    legs = (("host with K", 1, "with"), ("host", -1, "host"), ("K atom", -1, "K atom"))
    item = _energy(_request(*legs, per=0.5, per_what="nm^2", quantity="work of adhesion"), runs)
    assert (item.value, item.unit) == (pytest.approx(-3.0), "eV/nm^2")
    assert item.notes[-1] == "-0.481 J/m^2"


def test_strain_that_pays_is_explained(runs, make_run):
    own = runs["host"]
    strained = make_run(own.structure, own.e0 - 0.2)
    request = _request(
        ("strained", 1, "strained"), ("own", -1, "own"),
        quantity="strain energy", per=1.0, per_what="nm^2",
    )  # fmt: skip
    item = _energy(request, {"strained": strained, "own": own})
    assert item.value == pytest.approx(-0.2)
    assert "negative: strained, the layer is nearer to the lattice" in item.notes[-1]
