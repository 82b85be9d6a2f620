"""`heterofire dock`: what it lists, prints, writes and refuses; and far apart means apart."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.launchers.docking import load_guest
from heterofire.launchers.engines.energies import single_point
from heterofire.structures.complexes import separate
from heterofire.structures.errors import InputError, StructureError
from heterofire.structures.formats import read_structure
from heterofire.structures.molecules import build_species
from heterofire.structures.species import box_species


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_anchors_are_listed():
    done = run("dock", "TFSI-", "NH2-MIL-101(Fe)", "--list", "--json")
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    named = [row["anchor"] for row in rows if row["kind"] != "atom"]
    assert named == ["open Fe", "amine N", "ring of the linker"]
    assert len(rows) == 48 + 3


def test_placements_are_ranked_and_written_with_charge_and_parts(tmp_path):
    folder = tmp_path / "placements"
    done = run(
        "dock", "TFSI-", "NH2-MIL-101(Fe)", "--anchor", "open Fe", "--head", "O", "-n", 3,
        "-o", folder, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    rows = json.loads(done.stdout)
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert all((row["charge"], row["2S+1"]) == (-1, 6) for row in rows)
    assert sorted(p.name for p in folder.iterdir()) == ["1.xyz", "2.xyz", "3.xyz"]
    again = load_guest(str(folder / "1.xyz"))
    assert (len(again.symbols), again.charge, again.multiplicity) == (63, -1, 6)


def test_a_written_complex_is_a_host_again(tmp_path):
    first = tmp_path / "pair.xyz"
    assert run("dock", "H2O", "C6H6", "--anchor", "pi", "-o", first).exit_code == 0
    done = run("dock", "H2O", first, "--anchor", "C6 ring", "-o", tmp_path / "POSCAR")
    assert done.exit_code == 0, done.exception
    assert len(read_structure(tmp_path / "POSCAR")) == 18


def test_slabs_take_molecules_anywhere(tmp_path):
    done = run("dock", "TFSI-", "Li(001)", "-o", tmp_path / "POSCAR", "--json")
    assert done.exit_code == 0, done.exception
    (row,) = json.loads(done.stdout)
    assert 1.8 < row["distance (A)"] < 2.2
    written = read_structure(tmp_path / "POSCAR")
    assert len(written) == 90
    assert "selective_dynamics" in written.site_properties


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("H2O", "C6H6"), InputError, "say where on C6H6 with --anchor; there are C6 ring"),
        (("H2O", "C6H6", "--anchor", "open Fe"), InputError, "no anchor 'open Fe'"),
        (("H2O", "C6H6", "--anchor", "pi", "--head", "N"), InputError, "no head 'N'"),
        (("H2O", "nothing.xyz", "--anchor", "pi"), InputError, "no file nothing.xyz"),
        (("H2O", "C(002)", "--anchor", "pi"), InputError, "leave --anchor"),
        (("H2O", "C(002)", "--list"), InputError, "is a slab"),
        (
            ("C6H6", "C6H6", "--anchor", "pi", "--distance", 1.2),
            StructureError,
            "finds no place at 'pi' of C6H6",
        ),
    ],
    ids=["where", "anchor", "head", "file", "slab", "list", "distance"],
)
def test_senseless_requests_are_refused(arguments, kind, message):
    done = run("dock", *arguments)
    assert isinstance(done.exception, kind)
    with pytest.raises(kind, match=message.replace("(", r"\(")):
        raise done.exception


def test_an_unreadable_file_is_refused(tmp_path):
    broken = tmp_path / "broken.xyz"
    broken.write_text("3\n\nO 0 0 0\n")
    with pytest.raises(InputError, match=r"broken\.xyz is not a readable XYZ file"):
        load_guest(str(broken))


# Not LiF and SO2: the Fermi level they share at 1000 K moves charge from one to the other over
# any distance, 4.4 meV (0.4 meV at SIGMA 0.004).
@pytest.mark.parametrize(
    ("one", "other"), [("H2O", "C6H6"), ("LiTFSI", "H2O"), ("CoPc", "C6H6")], ids=str
)
def test_far_apart_the_engine_gives_the_sum_of_the_parts(one, other):
    parts = [build_species(one), build_species(other)]
    pair = separate(*parts, 30.0)
    edges = np.ptp(pair.positions, axis=0) + 30.0
    energies = [single_point(box_species(s, edges=edges).structure) for s in (pair, *parts)]
    assert energies[0] == pytest.approx(energies[1] + energies[2], abs=0.001)
