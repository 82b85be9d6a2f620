"""`heterofire slab` and `heterofire interface`: what they print, write and refuse."""

import json

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.launchers.surfaces import split_plane
from heterofire.structures.errors import InputError
from heterofire.structures.formats import read_structure


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_terminations_are_listed():
    done = run("slab", "Ni2Mo3N:221", "--list", "--json")
    assert done.exit_code == 0
    assert [row["name"].split()[0] for row in json.loads(done.stdout)] == ["T1", "T2", "T3", "T4"]


def test_a_slab_is_described_and_written(tmp_path):
    done = run("slab", "Ni2Mo3N:221", "--thickness", 8, "--freeze", 2, "-o", tmp_path / "POSCAR")
    assert done.exit_code == 0
    assert "96 atoms" in done.stdout
    assert "atoms held    48" in done.stdout
    assert "dipole correction" in done.stderr
    written = read_structure(tmp_path / "POSCAR")
    assert len(written) == 96
    assert "selective_dynamics" in written.site_properties


def test_an_interface_is_placed_at_its_best_register(tmp_path):
    done = run(
        "interface", "MoN_delta3", "MoS2_2H", "--layers", 2, 1, "--max-atoms", 110,
        "--registry", 2, "--json", "-o", tmp_path / "POSCAR",
    )  # fmt: skip
    assert done.exit_code == 0
    about = json.loads(done.stdout)
    assert about["n_atoms"] == len(read_structure(tmp_path / "POSCAR")) == 103
    assert "principal +0.69% +0.69%" in about["interface"]["strain of top"]
    scores = [register["score"] for register in about["registers"]]
    assert scores == sorted(scores, reverse=True)


def test_the_engine_ranks_registers():
    # 2 x 2 cells would be needed for numbers to trust: here only that AB wins over AA.
    done = run(
        "interface", "graphite_2H", "graphite_2H", "--max-area", 6, "--max-strain", 0.001,
        "--registry", 30, "--rank", "engine", "--json",
    )  # fmt: skip
    assert done.exit_code == 0
    registers = json.loads(done.stdout)["registers"]
    assert all(r["energy"] < 0 for r in registers)
    by_shift = {tuple(round(x, 3) for x in r["shift"]): r["energy"] for r in registers}
    assert min(by_shift, key=by_shift.get) != (0.0, 0.0)


def test_hypothetical_crystals_are_marked():
    done = run("slab", "Li2SO3_model:001", "--list")
    assert "HYPOTHETICAL" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("slab", "LiF:000"), r"hkl = \(0, 0, 0\)"),
        (("slab", "LiF:100", "--termination", 5), "there are 1"),
        (("interface", "graphite_2H", "MoS2_2H", "--pick", 99), "--pick 99"),
        (("interface", "graphite_2H", "MoS2_2H", "--share", 2), "share 2"),
        (("interface", "graphite_2H", "MoS2_2H", "--rank", "luck"), "--rank luck"),
    ],
    ids=["000", "termination", "pick", "share", "rank"],
)
def test_senseless_requests_are_refused(arguments, message):
    done = run(*arguments)
    assert isinstance(done.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise done.exception


def test_planes_are_read_with_or_without_commas():
    assert split_plane("a/b.cif:1,-1,0") == ("a/b.cif", (1, -1, 0))
    assert split_plane("LiF:110") == ("LiF", (1, 1, 0))
    assert split_plane("LiF") == ("LiF", (0, 0, 1))
