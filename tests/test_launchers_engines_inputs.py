"""What the engine reads: POSCAR, INCAR, KPOINTS, POTCAR, tags; and what it refuses."""

import os
from pathlib import Path

import numpy as np
import pytest
from pymatgen.io.vasp.inputs import Incar
from pymatgen.io.vasp.inputs import Poscar as PymatgenPoscar

from heterofire.launchers.engines.folder import read_folder
from heterofire.launchers.engines.freedom import Freedom
from heterofire.launchers.engines.incars import parse_incar
from heterofire.launchers.engines.poscars import format_poscar, read_poscar
from heterofire.launchers.engines.tags import check_tags, load_table, normal, read_settings
from heterofire.launchers.engines.xtb_engine import total_charge
from heterofire.structures.errors import EngineError, InputError, StructureError

POSCAR = """salt
1.0
4.0 0.0 0.0
0.5 4.5 0.0
0.0 0.0 9.0
Li F
1 1
Selective dynamics
Direct
0.0 0.0 0.1  T F F
0.5 0.5 0.3  F T T
"""
GAMMA = "Gamma\n0\nGamma\n1 1 1\n0 0 0\n"


@pytest.fixture
def write(tmp_path):
    """Write a run folder of LiF; keywords replace files, None leaves one out."""

    def build(**files):
        contents = {"INCAR": "ISMEAR = -1\n", "POSCAR": POSCAR, "KPOINTS": GAMMA, **files}
        for name, text in contents.items():
            if text is not None:
                (tmp_path / name.replace("_", ".")).write_text(text)
        return tmp_path

    return build


def test_a_poscar_survives_a_round_trip_to_the_last_digit(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    first = read_poscar(tmp_path / "POSCAR")
    (tmp_path / "CONTCAR").write_text(format_poscar(first, first.positions))
    again = read_poscar(tmp_path / "CONTCAR")
    np.testing.assert_allclose(again.fractional, first.fractional, atol=1e-15)
    assert (again.symbols, again.comment) == (first.symbols, "salt")
    np.testing.assert_array_equal(again.movable, [[True, False, False], [False, True, True]])


@pytest.mark.parametrize(
    ("scale", "mode"),
    [("1.0", "Direct"), ("2.5", "Direct"), ("2.5", "Cartesian"), ("-300.0", "Direct")],
    ids=["plain", "scaled", "scaled Cartesian", "negative is the volume"],
)
def test_positions_are_those_pymatgen_reads(tmp_path, scale, mode):
    lines = POSCAR.splitlines()
    lines[1], lines[8] = scale, mode
    (tmp_path / "POSCAR").write_text("\n".join(lines) + "\n")
    mine = read_poscar(tmp_path / "POSCAR")
    theirs = PymatgenPoscar.from_file(tmp_path / "POSCAR").structure
    np.testing.assert_allclose(mine.lattice, theirs.lattice.matrix, atol=1e-9)
    np.testing.assert_allclose(mine.positions, theirs.cart_coords, atol=1e-9)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (2, "4.0 zero 0.0", "line 3"),
        (6, "1 2", "ends too early"),
        (6, "1", "do not fit"),
        (9, "0.0 0.0", "line 10"),
        (9, "0.0 nan 0.1 T T T", "finite"),
        (10, "0.5 0.5 0.3 F T X", "neither T nor F"),
    ],
)
def test_a_malformed_poscar_says_where(tmp_path, line, text, message):
    lines = POSCAR.splitlines()
    lines[line] = text
    (tmp_path / "POSCAR").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=message):
        read_poscar(tmp_path / "POSCAR")


def test_the_corpus_reads_as_pymatgen_reads_it():
    corpus = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not corpus:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder with real VASP files")
    n_read = 0
    for path in sorted(Path(corpus).rglob("*CAR")):
        if path.name == "POSCAR" and "Selective" not in path.read_text():
            try:
                theirs = PymatgenPoscar.from_file(path, check_for_potcar=False)
            except ValueError:
                continue
            if not theirs.true_names:
                continue
            mine = read_poscar(path)
            assert mine.symbols == tuple(str(s.specie) for s in theirs.structure), path
            np.testing.assert_allclose(mine.positions, theirs.structure.cart_coords, atol=1e-8)
            n_read += 1
        elif path.name == "INCAR":
            assert set(parse_incar(path.read_text())) == set(Incar.from_file(path)), path
            n_read += 1
    assert n_read > 5


def test_an_incar_keeps_the_first_of_two_values_and_drops_comments():
    tags = parse_incar("# NSW = 9\nNSW=3 ! steps\nnsw = 5\nSYSTEM = K on MoS2; ISIF = 2\n")
    assert tags == {"NSW": "3", "SYSTEM": "K on MoS2", "ISIF": "2"}


@pytest.mark.parametrize("name", ["INCAR", "POSCAR", "KPOINTS"])
def test_a_missing_file_is_named(write, name):
    with pytest.raises(InputError, match=name):
        read_folder(write(**{name: None}), "xtb")


@pytest.mark.parametrize(
    "text",
    [
        "g\n0\nGamma\n1 1 1\n",
        "m\n0\nMonkhorst-Pack\n1 1 1\n0 0 0\n",
        "e\n1\nReciprocal\n0 0 0 1.0\n",
        "a\n0\nAuto\n3\n",
    ],
    ids=["Gamma", "Monkhorst", "explicit", "automatic"],
)
def test_every_way_to_write_the_gamma_point_is_taken(write, text):
    assert read_folder(write(KPOINTS=text), "xtb").poscar.symbols == ("Li", "F")


@pytest.mark.parametrize(
    "text",
    [
        "m\n0\nGamma\n2 2 1\n",
        "s\n0\nGamma\n1 1 1\n0.5 0 0\n",
        "e\n2\nReciprocal\n0 0 0 1\n0.5 0 0 1\n",
        "p\n40\nLine-mode\nReciprocal\n0 0 0\n0.5 0 0\n",
        "a\n0\nAuto\n30\n",
    ],
    ids=["mesh", "shift", "list", "lines", "automatic"],
)
def test_any_other_kpoints_are_refused(write, text):
    with pytest.raises(EngineError, match=r"KPOINTS.*Gamma"):
        read_folder(write(KPOINTS=text), "xtb")


def test_kspacing_counts_only_when_it_gives_the_gamma_point(write):
    read_folder(write(KPOINTS=None, INCAR="KSPACING = 2.0\n"), "xtb")
    with pytest.raises(EngineError, match="KSPACING"):
        read_folder(write(KPOINTS=None, INCAR="KSPACING = 0.5\n"), "xtb")


@pytest.mark.parametrize(
    "tag",
    [
        "LDAU = .TRUE.",
        "LHFCALC = T",
        "LSORBIT = .T.",
        "METAGGA = SCAN",
        "ISIF = 3",
        "IBRION = 0",
        "ALGO = CHI",
        "ISPIN = 3",
        "PSTRESS = 10",
        "LSOL = .TRUE.",
    ],
)
def test_tags_that_change_the_physics_are_refused_by_name(tag):
    with pytest.raises(EngineError, match=tag.split(" = ")[0]):
        check_tags(parse_incar(tag), load_table("xtb"))


def test_all_refused_tags_are_named_at_once():
    with pytest.raises(EngineError, match=r"(?s)LDAU.*ISIF"):
        check_tags({"LDAU": "T", "ISIF": "3"}, load_table("xtb"))


@pytest.mark.parametrize("tag", ["LDAU = .FALSE.", "METAGGA = --", "ISIF = 2", "LHFCALC = F"])
def test_the_same_tags_pass_when_they_ask_for_nothing(tag):
    assert not check_tags(parse_incar(tag), load_table("xtb")).warnings


def test_each_tag_of_the_table_is_in_one_class_only():
    table = load_table("xtb")
    names = [set(table[k]) for k in ("honoured", "noted", "not_written")]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]
    assert all({"allowed", "why"} == set(rule) for rule in table["refused"].values())
    assert all(isinstance(a, str) for r in table["refused"].values() for a in r["allowed"])


def test_a_misspelt_tag_is_noted():
    report = check_tags({"ENCTU": "400"}, load_table("xtb"))
    assert report.noted["ENCTU"] == "unknown tag"
    assert "ENCTU" in report.warnings[0]


def test_steps_without_ibrion_are_molecular_dynamics_and_refused():
    with pytest.raises(EngineError, match="IBRION"):
        read_settings({"NSW": "10"})


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"NSW": "many"}, "NSW"),
        ({"SIGMA": "0"}, "SIGMA"),
        ({"EDIFF": ""}, "EDIFF"),
        ({"MAGMOM": "2*x"}, "MAGMOM"),
        ({"IMAGES": "-1"}, "IMAGES"),
    ],
)
def test_values_of_the_wrong_kind_name_the_tag(tags, name):
    with pytest.raises(InputError, match=name):
        read_settings(tags)


def test_fortran_spellings_are_understood():
    settings = read_settings({"EDIFF": "1.0D-6", "LORBIT": ".TRUE.", "MAGMOM": "2*0.5 3*0"})
    assert (settings.ediff, settings.lorbit, settings.magmom) == (1e-6, 11, (0.5, 0.5, 0, 0, 0))
    assert normal(".true.") == "T"


def test_another_order_in_potcar_is_an_error(write):
    with pytest.raises(InputError, match=r"Li F.*F Li_sv"):
        read_folder(write(POTCAR_spec="F\nLi_sv\n"), "xtb")


def test_nelect_is_a_charge_against_the_potcar_valences(write):
    run = read_folder(write(POTCAR_spec="Li_sv\nF\n", INCAR="NELECT = 9\n"), "xtb")
    assert total_charge(run) == 1  # Li_sv 3 + F 7


def test_a_real_potcar_gives_the_valences(write):
    potcar = "".join(
        f" PAW_PBE {s} 01Jan2000\n {z}\n parameters\n   TITEL  = PAW_PBE {s} 01Jan2000\n"
        f"   POMASS = 1.0; ZVAL   = {z:6.3f}    mass and valenz\n End of Dataset\n"
        for s, z in (("Li", 1.0), ("F", 7.0))
    )
    run = read_folder(write(POTCAR=potcar, INCAR="NELECT = 9\n"), "xtb")
    assert run.potcar_symbols == ("Li", "F")
    assert total_charge(run) == -1


def test_nelect_without_any_potcar_is_an_error(write):
    with pytest.raises(InputError, match=r"POTCAR\.spec"):
        total_charge(read_folder(write(INCAR="NELECT = 9\n"), "xtb"))


def test_a_fractional_charge_is_refused_since_tblite_would_round_it(write):
    run = read_folder(write(POTCAR_spec="Li_sv\nF\n", INCAR="NELECT = 9.5\n"), "xtb")
    with pytest.raises(EngineError, match="whole charges"):
        total_charge(run)


@pytest.mark.parametrize(
    "site", ["0.0 0.0 0.15 T T T", "0.0 0.0 1.15 T T T"], ids=["inside", "across the cell wall"]
)
def test_atoms_too_close_are_named(write, site):
    lines = POSCAR.splitlines()
    lines[10] = site
    with pytest.raises(StructureError, match=r"Li1 and F2 are 0\.45"):
        read_folder(write(POSCAR="\n".join(lines) + "\n"), "xtb")


def test_a_thin_cell_brings_an_atom_too_close_to_its_own_image(write):
    with pytest.raises(StructureError, match=r"0\.60"):
        read_folder(write(POSCAR="thin\n1\n0.6 0 0\n0 9 0\n0 0 9\nLi\n1\nDirect\n0 0 0\n"), "xtb")


def test_forces_on_frozen_directions_do_not_count(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    freedom = Freedom(read_poscar(tmp_path / "POSCAR"))
    assert freedom.n_free == 3
    assert freedom.largest_force(np.array([[0.0, 5.0, 5.0], [0.0, 0.0, 0.3]])) == pytest.approx(0.3)


def test_frozen_directions_follow_the_lattice_vectors(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    poscar = read_poscar(tmp_path / "POSCAR")
    freedom = Freedom(poscar)
    moved = freedom.expand(np.array([0.1, 0.2, 0.3])) @ np.linalg.inv(poscar.lattice)
    frozen = ~poscar.movable
    np.testing.assert_allclose(moved[frozen], 0.0, atol=1e-12)
    assert np.abs(moved[~frozen]).min() > 1e-3
