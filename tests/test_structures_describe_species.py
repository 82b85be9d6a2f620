"""What is printed of a molecule."""

from dataclasses import replace

import numpy as np
import pytest

from heterofire.structures.catalogue import kinds_of, list_entries
from heterofire.structures.describe_species import describe_species, format_species
from heterofire.structures.errors import InputError
from heterofire.structures.molecules import build_species
from heterofire.structures.species import box_species


def about(species):
    return describe_species(box_species(species))


def test_charge_spin_symmetry_and_moments_are_shown():
    text = format_species(about(build_species("CoPc")))
    for words in ("57 atoms, 291 electrons", "multiplicity 2", "start from Co1 1", "D4h"):
        assert words in text
    assert "warning" not in text


def test_every_stated_value_is_shown_beside_the_built_one():
    lines = format_species(about(build_species("TFSI-"))).splitlines()
    assert ["stated", "S2-N1-S1", "126.0", "degree", "built", "126.0", "+0.0"] in [
        line.split() for line in lines
    ]
    assert sum(line.startswith("stated") for line in lines) > 40


def test_atoms_are_called_alike_in_all_lines():
    found = about(build_species("LiF"))
    assert found.shortest == "Li1-F1 1.564 Angstrom"
    assert found.coordinates[0].name == "F1-Li1"


def test_one_atom_has_no_distance_but_a_description():
    text = format_species(about(build_species("F-")))
    assert "1 atom, 10 electrons" in text
    assert "Kh" in text
    assert "shortest" not in text


def test_a_geometry_that_is_not_the_stated_one_is_warned_of():
    species = build_species("SO2")
    bent = replace(species, positions=species.positions * np.array([1.4, 1.0, 1.0]))
    warnings = about(bent).warnings
    assert any("O1-S1 is off what is stated by +0.572" in text for text in warnings)
    assert any("the point group is Cs, not C2v" in text for text in warnings)


def test_a_molecule_of_the_g2_set_is_described_without_what_nobody_stated():
    found = about(build_species("H2O"))
    assert (found.point_group, found.coordinates, found.source) == ("C2v", (), "")


def test_the_catalogue_has_molecules_with_charge_and_multiplicity():
    labels = {e.name: e.label for e in list_entries() if e.kind == "molecule"}
    assert labels["TFSI-"] == "N1 S2 C2 O4 F6, C2, 15 atoms, charge -1, multiplicity 1"


def test_a_name_of_two_things_has_two_kinds_and_an_unknown_one_none():
    assert kinds_of("LiF") == ("crystal", "molecule")
    assert kinds_of("C2H6") == ("molecule",)
    assert kinds_of("MoS2@NC") == ("model",)
    with pytest.raises(InputError, match=r"no model named 'CoPcc'.*did you mean CoPc"):
        kinds_of("CoPcc")
