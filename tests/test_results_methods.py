"""The methods text says what is stored: what all share, every exception, and what it cites."""

import os
import re
from dataclasses import replace
from pathlib import Path

import bibtexparser
import pytest

from heterofire.results.citations import bibtex, cite, entries, key_of_doi
from heterofire.results.methods import methods_text
from heterofire.results.parsing import parse_run
from heterofire.results.published import papers
from heterofire.results.records import Label, Leg, Property
from heterofire.structures.errors import InputError

ABOUT = {"study": "s", "profile": "quick", "engine": "vasp"}
VASP = {
    "engine": "vasp",
    "method": "PBE-D3(zero), 400 eV",
    "functional": "PBE",
    "cutoff": 400.0,
    "dispersion": "D3(zero)",
    "potcars": ("PAW_PBE Mo_pv 04Feb2005", "PAW_PBE S 06Sep2000"),
    "smearing": "Gaussian",
    "sigma": 0.05,
    "engine_version": "6.3.2",
    "incar": {"IBRION": 2, "NSW": 100, "EDIFF": 1e-5, "EDIFFG": -0.02, "ISIF": 2, "ISPIN": 1},
    "kpoints": {"style": "Gamma", "divisions": [3, 3, 1], "n_kpoints": 5, "shift": [0, 0, 0]},
}


@pytest.fixture
def add(store, make_run, make_structure):
    """Store a VASP run under a name; keywords change it."""

    def store_it(name, *, key=None, **changes):
        model, _, task = name.rpartition("/")
        label = Label(study="s", profile="quick", model=model, task=task, name=name)
        run = make_run(make_structure("Mo", "S", "S"), **{**VASP, **changes})
        store.add_run(key or name, label, run)

    return store_it


def _text(store):
    return methods_text(store, **ABOUT).text


def test_what_all_calculations_share_is_said_once_with_unit_and_citation(store, add):
    for i in range(3):
        add(f"host {i}/relax")
    text = _text(store)
    assert text.count("400 eV") == 1
    assert "VASP 6.3.2 [@kresse1996cms; @kresse1996prb]" in text
    assert "PBE [@perdew1996]" in text
    assert "zero damping [@grimme2010] was added" in text
    assert "PAW_PBE Mo_pv 04Feb2005, PAW_PBE S 06Sep2000" in text
    assert "below 0.02 eV Å⁻¹" in text
    assert "Γ-centred 3 × 3 × 1" in text


def test_gpaw_is_density_functional_theory_in_atomic_orbitals(store, add):
    method = "PBE-D3(zero), LCAO szp(dzp), h 0.22 A, 1160 K"
    about = {"engine": "gpaw", "method": method, "engine_version": "GPAW 26.7.0", "cutoff": None}
    add("host/relax", **about, smearing="Fermi", sigma=0.1, potcars=("Mo_pv", "S"))
    text = methods_text(store, "s", "quick", "gpaw").text
    assert "with GPAW 26.7.0 [@mortensen2024]" in text
    assert "PBE [@perdew1996] and a basis of atomic orbitals [@larsen2009], szp(dzp)" in text
    assert "zero damping [@grimme2010] was added" in text
    assert "tight-binding" not in text


def test_exceptions_are_named(store, add):
    for i in range(3):
        add(f"host {i}/relax")
    add("K/bulk", cutoff=520.0, method="PBE-D3(zero), 520 eV")
    add("odd/relax", dispersion="none", method="PBE, 400 eV")
    text = _text(store)
    assert "up to 400 eV (520 eV in the reference crystals)" in text
    assert "(no dispersion correction in odd/relax)" in text


def test_two_data_sets_of_one_element_are_told_apart(store, add):
    add("host/relax")
    add("host/static", potcars=("PAW_PBE Mo_pv 08Apr2002", "PAW_PBE S 06Sep2000"))
    assert "PAW_PBE Mo_pv 08Apr2002 (in the calculations at fixed geometry)" in _text(store)


def test_unconverged_calculations_are_named_with_what_force_is_left(store, add):
    add("host/relax")
    add("bad/relax", status="unconverged", reasons=("ionic: NSW",), max_force=0.37)
    assert "Not converged were 1 (largest remaining force in eV Å⁻¹): bad/relax (0.37)" in _text(
        store
    )


def test_a_calculation_that_another_one_has_replaced_is_left_out(store, add):
    add("host/relax", key="old", cutoff=300.0)
    add("host/relax", key="new")
    text = _text(store)
    assert "300 eV" not in text
    assert "holds 1 calculation" in text


def test_of_two_calculations_of_one_name_the_one_behind_a_number_counts(store, add):
    add("host/relax", key="used", cutoff=300.0)
    add("host/relax", key="newer")
    legs = (Leg(role="host", factor=1.0, key="used", energy=-1.0, charge=0.0, formula="Mo1 S2"),)
    number = Property(
        **ABOUT, method="PBE", model="host", quantity="K binding energy", label="", value=-1.0,
        reference="K atom", unit="eV", energy_kind="E0", status="ok", legs=legs, keys=("used",),
    )  # fmt: skip
    store.replace_properties(**ABOUT, properties=[number])
    text = _text(store)
    assert "300 eV" in text
    assert "K binding energy to K atom" in text


def test_hubbard_corrections_charges_and_spin_are_told(store, add):
    add("host/relax")
    incar = {**VASP["incar"], "ISPIN": 2, "LDAUTYPE": 2}
    add("Fe cluster/molecule", hubbard_u=(("Fe", 4.0),), charge=-1.0, incar=incar)
    text = _text(store)
    assert "U − J of 4 eV on Fe" in text
    assert "[@dudarev1998]" in text
    assert "-1 e in the relaxations of molecules and complexes" in text
    assert "Spin polarization was allowed in 1 of 2" in text


def test_a_band_says_images_method_and_where_it_starts(store, add, make_band, make_structure):
    add("host/relax")
    band = make_band(make_structure("Mo", "S", "S"), [0.0, 0.4, 0.7, 0.1])
    settings = replace(band.settings, **{k: VASP[k] for k in ("engine", "method", "functional")})
    incar = {"IMAGES": 2, "LCLIMB": True, "EDIFFG": -0.05}
    label = Label(study="s", profile="quick", model="host", task="neb", name="host/neb")
    store.add_band("band", label, replace(band, settings=settings, incar=incar))
    text = _text(store)
    assert "climbing-image nudged elastic bands [@henkelman2000; @henkelman2000climbing]" in text
    assert "1 band of 2 images between relaxed end points" in text
    assert "[@smidstrup2014]" in text


def test_tight_binding_is_not_called_density_functional_theory(store, make_run, make_structure):
    label = Label(study="s", profile="quick", model="m", task="relax", name="m/relax")
    store.add_run("k", label, make_run(make_structure("S")))
    text = methods_text(store, "s", "quick", "xtb").text
    assert "semiempirical tight-binding method GFN1-xTB [@grimme2017]" in text
    assert "no density functional was used" in text
    assert "VASP" not in text


def test_what_collected_folders_were_run_with_is_not_claimed(store, make_run, make_structure):
    label = Label(study="c", profile="collected", model="m", task="static", name="a/b")
    store.add_run("k", label, make_run(make_structure("Mo", "S", "S"), **VASP))
    text = methods_text(store, "c", "collected", "vasp").text
    assert "FireWorks" not in text
    assert "Outputs were parsed with pymatgen" in text


def test_a_study_that_is_not_there_is_refused_with_those_that_are(store, add):
    add("host/relax")
    with pytest.raises(InputError, match="it has: s quick vasp"):
        methods_text(store, "other", "quick", "vasp")


def test_the_bibtex_holds_what_the_text_cites_and_nothing_else(store, add):
    add("host/relax")
    methods = methods_text(store, **ABOUT)
    parsed = bibtexparser.loads(methods.bibtex)
    assert {entry["ID"] for entry in parsed.entries} == set(methods.citations)
    assert "perdew1996" in methods.citations


def test_every_reference_is_sound_bibtex_with_author_year_and_doi():
    parser = bibtexparser.bparser.BibTexParser(ignore_nonstandard_types=False)
    parsed = bibtexparser.loads(bibtex(entries()), parser)
    assert [entry["ID"] for entry in parsed.entries] == sorted(entries())
    dois = [entry["doi"] for entry in parsed.entries if "doi" in entry]
    assert len(dois) == len(set(dois))
    for entry in parsed.entries:
        assert entry["author"]
        if "doi" not in entry:
            assert entry["url"].startswith("https://")
            continue
        assert re.fullmatch(r"10\.\d{4,5}/\S+", entry["doi"])
        assert 1950 < int(entry["year"]) <= 2030
        if entry["ENTRYTYPE"] == "article":
            assert {"title", "journal", "volume", "pages"} <= set(entry)


def test_every_paper_that_a_study_rebuilds_can_be_cited():
    assert all(key_of_doi(doi) for doi in papers())


def test_an_unknown_reference_is_our_bug_and_says_so():
    with pytest.raises(InputError, match=r"references\.bib"):
        cite("nobody1999")


def test_the_latex_text_has_no_sign_that_latex_stumbles_over(store, add):
    add("MoS2@NC_1 & 50%/relax")
    latex = methods_text(store, **ABOUT).latex
    assert r"\cite{kresse1996cms,kresse1996prb}" in latex
    assert r"10$^{-5}$ eV" in latex
    assert not re.search(r"(?<!\\)[&%#]", latex)
    assert latex.isascii()


def test_real_vasp_outputs_of_many_origins_give_a_text_that_names_each_difference(store):
    corpus = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not corpus:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder with real VASP files")
    for name in ("static/si_static_v5", "relax/lif_vdw", "molecule/pyiron_bader_h2o"):
        label = Label(study="s", profile="collected", model=name, task="static", name=name)
        store.add_run(name, label, parse_run(Path(corpus) / name))
    text = methods_text(store, "s", "collected", "vasp").text
    assert "PBEsol [@perdew2008]" in text
    assert "PAW_PBE Li_sv 10Sep2004" in text
    assert "Methfessel-Paxton smearing of order 2 [@methfessel1989], σ = 0.2 eV" in text
