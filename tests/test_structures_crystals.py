from importlib.resources import files

import numpy as np
import pytest
import yaml
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from heterofire.structures import crystals
from heterofire.structures.crystals import build_crystal, crystal_facts, crystal_names
from heterofire.structures.errors import InputError, StructureError

NAMES = crystal_names()


@pytest.mark.parametrize("name", NAMES)
def test_crystal_has_the_space_group_and_atoms_of_its_source(name):
    facts, crystal = crystal_facts(name), build_crystal(name)
    assert SpacegroupAnalyzer(crystal, symprec=0.01).get_space_group_number() == facts.number
    assert len(crystal) == facts.n_atoms
    assert crystal.composition.reduced_composition == type(crystal.composition)(facts.formula)


@pytest.mark.parametrize("name", NAMES)
def test_crystal_has_the_density_of_its_source(name):
    assert build_crystal(name).density == pytest.approx(crystal_facts(name).density, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_crystal_has_the_nearest_neighbours_of_its_source(name):
    crystal, facts = build_crystal(name), crystal_facts(name)
    first, second, _, distances = crystal.get_neighbor_list(4.7)
    symbols = np.array([site.specie.symbol for site in crystal])
    for pair, wanted in facts.nearest.items():
        a, b = pair.split("-")
        found = distances[(symbols[first] == a) & (symbols[second] == b)]
        assert found.min() == pytest.approx(wanted, abs=2e-3), pair
    assert distances.min() == pytest.approx(min(facts.nearest.values()), abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_primitive_cell_is_the_same_crystal(name):
    facts, primitive = crystal_facts(name), build_crystal(name, primitive=True)
    assert len(primitive) == facts.n_atoms_primitive
    assert primitive.density == pytest.approx(facts.density, rel=1e-3)
    assert SpacegroupAnalyzer(primitive, symprec=0.01).get_space_group_number() == facts.number


@pytest.mark.parametrize("name", NAMES)
def test_crystal_has_one_block_per_element(name):
    symbols = [site.specie.symbol for site in build_crystal(name)]
    blocks = [s for i, s in enumerate(symbols) if i == 0 or symbols[i - 1] != s]
    assert len(blocks) == len(set(symbols))


def test_every_crystal_names_its_source_and_confidence():
    for name in NAMES:
        facts = crystal_facts(name)
        assert len(facts.source) > 10
        assert facts.confidence in {"checked", "partly-checked", "recalled", "derived"}


def test_only_the_guessed_sulfite_is_hypothetical():
    assert [name for name in NAMES if crystal_facts(name).hypothetical] == ["Li2SO3_model"]


def test_unknown_crystal_suggests_close_names_and_lists_all():
    with pytest.raises(InputError, match=r"MoS2-2H.*did you mean MoS2_2H.*Known: .*K_bcc"):
        build_crystal("MoS2-2H")


def test_rounded_special_position_is_refused(monkeypatch):
    data = yaml.safe_load(files("heterofire.structures").joinpath("data/crystals.yaml").read_text())
    data["rounded"] = data["MoS2_2H"]
    data["rounded"]["sites"][1] |= {"x": 0.3333, "y": 0.6667}
    monkeypatch.setattr(crystals, "_entries", lambda: data)
    with pytest.raises(StructureError, match="special position"):
        build_crystal("rounded")


def test_changing_a_built_crystal_does_not_change_the_next_one():
    build_crystal("K_bcc").append("K", [0.1, 0.1, 0.1])
    assert len(build_crystal("K_bcc")) == 2


def test_facts_cannot_be_changed_by_a_caller():
    with pytest.raises(TypeError):
        crystal_facts("K2S").nearest["K-S"] = 1.0
