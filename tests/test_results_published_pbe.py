"""Published PBE values: each with a source, a unit and a word on how sure we are of it."""

import re
from typing import get_args

import pytest
import yaml
from ase.collections import dcdft

from heterofire.results.published_pbe import (
    Certainty,
    read_reference_values,
    reference_value,
    reference_values,
    values_of,
)
from heterofire.structures.errors import InputError

SOURCES = {"one2000": {"citation": "One, A Journal 1, 1 (2000)", "doi": "10.1000/one"}}
VALUE = {
    "name": "K, a", "system": "bcc K", "quantity": "lattice constant", "value": 5.28,
    "unit": "Angstrom", "functional": "PBE", "method": "a code", "source": "one2000",
    "place": "Table I", "certainty": "read",
}  # fmt: skip


def _text(*changes, sources=SOURCES) -> str:
    return yaml.safe_dump({"sources": sources, "values": [VALUE | one for one in changes]})


def test_every_source_has_a_doi_or_says_where_it_was_read():
    sources = {item.source for item in reference_values().values()}
    for source in sources:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", source.doi) or source.url.startswith("https://")
        assert re.search(r"\b(19|20)\d\d\b", source.citation)
    assert sum(not source.doi for source in sources) <= 2
    assert len({source.doi for source in sources if source.doi}) == len(sources) - 2


def test_numbers_of_the_delta_test_set_are_those_that_ase_ships():
    wien2k = dcdft.data["K"]
    printed = {
        "bcc K, a, PBE WIEN2k": (2 * wien2k["wien2k_volume"]) ** (1 / 3),
        "bcc K, bulk modulus, PBE WIEN2k": wien2k["wien2k_B"],
        "bcc K, bulk modulus, measured": wien2k["exp_B"],
        "graphite, a, PBE": dcdft["C"].cell.lengths()[0],
    }
    for name, value in printed.items():
        assert reference_value(name).value == pytest.approx(value, rel=5e-4)


def test_values_of_one_kind_agree_as_well_as_the_codes_do():
    for system, quantity, spread in (
        ("bcc K", "lattice constant", 0.004),
        ("bcc K", "bulk modulus", 0.02),
        ("Si", "lattice constant", 0.004),
        ("LiF (rock salt)", "lattice constant", 0.01),
    ):
        found = [i.value for i in values_of(system) if i.quantity == quantity and i.functional]
        assert len(found) > 1
        assert max(found) - min(found) < spread


def test_pbe_errs_as_it_is_known_to_do():
    for system in ("bcc K", "Si (", "diamond", "LiF (rock salt)", "LiF molecule"):
        lengths = [i for i in values_of(system) if i.unit == "Angstrom"]
        measured = [i.value for i in lengths if i.is_measured]
        assert min(i.value for i in lengths if i.functional == "PBE") > max(measured)
    names = "S2, atomisation energy, PBE PAW", "S2, atomisation energy, measured"
    bound, measured = (reference_value(name).value_in("eV") for name in names)
    assert 0.5 < bound - measured < 1.0


def test_each_certainty_is_in_use_and_what_is_recalled_is_the_lesser_part():
    words = [item.certainty for item in reference_values().values()]
    assert set(words) == set(get_args(Certainty))
    assert words.count("recalled, not re-read") < len(words) / 4


def test_binding_energies_are_given_in_another_unit_of_energy():
    pair = reference_value("Li+ and TFSI-, binding energy, MP2")
    assert pair.value_in("eV") == pytest.approx(-5.941, abs=0.001)
    assert pair.value_in("kJ/mol") == pytest.approx(-137 * 4.184)
    assert pair.value_in("kcal/mol") == -137
    with pytest.raises(InputError, match="Angstrom, which cannot be given in eV"):
        reference_value("LiF, a, PBE PAW").value_in("eV")


def test_a_name_that_is_not_on_file_is_answered_with_near_ones():
    with pytest.raises(InputError, match=r"'LiF, a'; near are .*LiF, a, measured"):
        reference_value("LiF, a")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": 52.8}, r"K, a, entry: .*52.8 Angstrom is outside 0.5 to 30"),
        ({"unit": "bohr"}, r"K, a, unit: Input should be 'Angstrom'"),
        ({"certainty": "sure"}, r"K, a, certainty: Input should be 'read'"),
        ({"source": "two2001"}, r"K, a, source: two2001 is not among the sources"),
        ({"quantity": "binding energy", "unit": "eV"}, r"K, a, entry: .*5.28 is not bound"),
        ({"uncertainty": -0.1}, r"K, a, uncertainty: Input should be greater than 0"),
        ({"page": 3}, r"K, a, page: Extra inputs"),
    ],
    ids=["range", "unit", "certainty", "source", "sign", "uncertainty", "field"],
)
def test_a_wrong_entry_is_named_with_its_field(changes, said):
    with pytest.raises(InputError, match=rf"published_pbe.yaml, {said}"):
        read_reference_values(_text(changes))


def test_a_name_used_twice_and_an_unused_source_are_refused():
    with pytest.raises(InputError, match="used twice: K, a;"):
        read_reference_values(_text({}, {"value": 5.29}))
    spare = SOURCES | {"two2001": {"citation": "Two, A Journal 2, 1 (2001)", "doi": "10.1000/two"}}
    with pytest.raises(InputError, match="no value has the source two2001"):
        read_reference_values(_text({}, sources=spare))


def test_a_source_needs_a_doi_in_the_form_of_one():
    wrong = {"one2000": {"citation": "One, A Journal 1, 1 (2000)", "doi": "doi:10.1000/one"}}
    with pytest.raises(InputError, match="source one2000, doi: String should match"):
        read_reference_values(_text({}, sources=wrong))
    without = {"one2000": {"citation": "One, A Journal 1, 1 (2000)"}}
    with pytest.raises(InputError, match="neither a doi nor a url"):
        read_reference_values(_text({}, sources=without))
