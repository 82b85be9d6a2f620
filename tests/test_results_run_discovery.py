"""Which files of a tree are one run, which folders are one band, and what is left out at sight."""

import bz2
import os
import subprocess
from pathlib import Path

import pytest

from heterofire.results.folder_listings import printable
from heterofire.results.run_discovery import Candidate, LeftOut, find_runs
from heterofire.structures.errors import InputError


def write(folder: Path, *names: str, text: str = "x") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(text)
    return folder


def found(*folders) -> dict[str, str]:
    """Return the name of each thing found, and its files or the reason."""
    return {
        item.name: item.reason
        if isinstance(item, LeftOut)
        else "band"
        if item.is_band
        else " ".join(path.name for path in (item.vasprun, item.outcar, item.poscar) if path)
        for item in find_runs(folders)
    }


def test_run_is_vasprun_with_the_outcar_and_poscar_beside_it(tmp_path):
    write(tmp_path / "a", "vasprun.xml.gz", "OUTCAR", "POSCAR", "INCAR", "CHGCAR")
    assert found(tmp_path / "a") == {"a": "vasprun.xml.gz OUTCAR POSCAR"}


def test_runs_of_several_tags_are_told_apart(tmp_path):
    names = ("vasprun.xml.relax1.gz", "OUTCAR.relax1.gz", "POSCAR.relax1.gz", "POSCAR")
    write(tmp_path / "a", *names, "vasprun.relax2.xml", "OUTCAR.relax2", "OUTCAR_old")
    assert found(tmp_path / "a") == {
        "a (relax1)": "vasprun.xml.relax1.gz OUTCAR.relax1.gz POSCAR.relax1.gz",
        "a (relax2)": "vasprun.relax2.xml OUTCAR.relax2",
        "a (old)": "no vasprun.xml beside OUTCAR_old, which alone does not tell enough",
    }


def test_plain_file_is_read_and_its_packed_twin_is_noted(tmp_path):
    write(tmp_path / "a", "vasprun.xml", "vasprun.xml.gz")
    (run,) = find_runs([tmp_path / "a"])
    assert isinstance(run, Candidate)
    assert run.vasprun == tmp_path / "a/vasprun.xml"
    assert run.notes == ("vasprun.xml.gz was not read: vasprun.xml is there, too",)


def test_image_folders_are_one_band_and_no_runs_of_their_own(tmp_path):
    write(tmp_path / "neb", "INCAR", "vasprun.xml", text="IMAGES = 1\n")
    for name in ("00", "01", "02"):
        write(tmp_path / "neb" / name, "POSCAR", "OUTCAR", "vasprun.xml")
    assert found(tmp_path) == {f"{tmp_path.name}/neb": "band"}
    (band,) = find_runs([tmp_path])
    assert tmp_path / "neb/01/OUTCAR" in band.files


def test_band_that_lost_images_is_still_a_band(tmp_path):
    write(tmp_path / "neb", "INCAR", text="ENCUT = 400\n  IMAGES = 3\n")
    write(tmp_path / "neb/00", "POSCAR")
    write(tmp_path / "neb/01", "OUTCAR")
    assert found(tmp_path / "neb") == {"neb": "band"}


@pytest.mark.parametrize("parent", [(), ("INCAR",)], ids=["alone", "below an INCAR"])
def test_numbered_folders_with_inputs_of_their_own_are_runs(tmp_path, parent):
    write(tmp_path / "strain", *parent, text="NSW = 0\n")
    for name in ("00", "01", "02"):
        write(tmp_path / "strain" / name, "INCAR", "vasprun.xml")
    runs = [name for name, files in found(tmp_path / "strain").items() if files == "vasprun.xml"]
    assert runs == ["strain/00", "strain/01", "strain/02"]


def test_earlier_parts_of_a_run_are_no_runs_of_their_own(tmp_path):
    write(tmp_path / "a", "vasprun.xml", "OUTCAR")
    write(tmp_path / "a/part-01", "vasprun.xml", "OUTCAR")
    assert list(found(tmp_path / "a")) == ["a"]
    write(tmp_path / "b/part-01", "vasprun.xml")  # a user's name for something else
    assert list(found(tmp_path / "b")) == ["b/part-01"]


def test_folders_without_outputs_say_what_they_hold(tmp_path):
    write(tmp_path / "t/inp", "INCAR", "POSCAR", "KPOINTS", "POTCAR.spec")
    write(tmp_path / "t/dens", "CHGCAR.gz", "AECCAR0.gz")
    write(tmp_path / "t/notes", "README.md", "run.sh")
    assert found(tmp_path / "t") == {
        "t/inp": "inputs only (INCAR, KPOINTS, POSCAR, POTCAR): not run yet, or its outputs lie "
        "elsewhere",
        "t/dens": "no vasprun.xml and no OUTCAR, only AECCAR0, CHGCAR",
    }


def test_other_packers_are_named(tmp_path):
    write(tmp_path / "a")
    (tmp_path / "a/vasprun.xml.bz2").write_bytes(bz2.compress(b"x"))
    assert found(tmp_path / "a") == {
        "a (bz2)": "vasprun.xml.bz2 is packed with bz2: only plain files and gzip are read"
    }


def test_one_folder_inside_another_is_looked_at_once(tmp_path):
    write(tmp_path / "a/b", "vasprun.xml")
    assert len(list(find_runs([tmp_path / "a", tmp_path / "a/b", tmp_path / "a"]))) == 1


def test_missing_folder_is_an_input_error_before_anything_is_read(tmp_path):
    write(tmp_path / "a", "vasprun.xml")
    with pytest.raises(InputError, match="no such folder"):
        list(find_runs([tmp_path / "a", tmp_path / "b"]))


# ---- links ---------------------------------------------------------------------------------


def test_links_to_folders_outside_are_not_followed_and_named(tmp_path):
    write(tmp_path / "elsewhere", "vasprun.xml")
    write(tmp_path / "tree")
    (tmp_path / "tree/link").symlink_to(tmp_path / "elsewhere")
    (reason,) = found(tmp_path / "tree").values()
    assert reason.startswith("a symbolic link out of the folder")
    assert str(tmp_path / "elsewhere") in reason


def test_links_inside_of_the_tree_are_no_second_runs_and_no_endless_walks(tmp_path):
    write(tmp_path / "tree/a", "vasprun.xml")
    (tmp_path / "tree/again").symlink_to(tmp_path / "tree/a")
    (tmp_path / "tree/a/up").symlink_to(tmp_path / "tree")
    (tmp_path / "tree/a/OUTCAR").symlink_to("OUTCAR")
    assert list(found(tmp_path / "tree")) == ["tree/a"]


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR", "POSCAR", "engine.json"])
def test_files_that_are_links_out_of_the_tree_are_not_read(tmp_path, name):
    names = {"vasprun.xml", "OUTCAR", "POSCAR"} - {name}
    write(tmp_path / "tree", *names)
    write(tmp_path / "scratch", name)
    (tmp_path / "tree" / name).symlink_to(tmp_path / "scratch" / name)
    (reason,) = found(tmp_path / "tree").values()
    assert reason.startswith(f"{name} is a symbolic link out of the folder")
    both = found(tmp_path / "tree", tmp_path / "scratch")
    assert not any("symbolic link" in reason for reason in both.values())


def test_links_of_files_that_nobody_reads_do_not_matter(tmp_path):
    write(tmp_path / "tree", "vasprun.xml")
    (tmp_path / "tree/POTCAR").symlink_to("/nowhere/POTCAR")
    assert found(tmp_path / "tree") == {"tree": "vasprun.xml"}


def test_end_point_of_a_band_linked_from_the_same_tree_is_read(tmp_path):
    write(tmp_path / "t/neb", "INCAR", text="IMAGES = 1\n")
    for name in ("00", "01", "02"):
        write(tmp_path / "t/neb" / name, "POSCAR")
    write(tmp_path / "t/relax", "OUTCAR", "vasprun.xml")
    (tmp_path / "t/neb/00/OUTCAR").symlink_to("../../relax/OUTCAR")
    assert found(tmp_path / "t")["t/neb"] == "band"
    assert "symbolic link" in found(tmp_path / "t/neb")["neb"]


# ---- names, rights and depths --------------------------------------------------------------


def test_names_of_any_kind_are_found(tmp_path):
    odd = ["MoS2 on graphène", "名前", "new\nline", "-rf"]
    for name in odd:
        write(tmp_path / "t" / name, "vasprun.xml")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/t/\xff\xfe")).mkdir()
    write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/t/\xff\xfe")), "vasprun.xml")
    names = set(found(tmp_path / "t"))
    assert names == {f"t/{printable(name)}" for name in odd} | {"t/\\xff\\xfe"}
    assert all(name.isprintable() for name in names)


def test_pipes_and_folders_in_the_place_of_outputs_are_no_outputs(tmp_path):
    write(tmp_path / "a", "vasprun.xml")
    os.mkfifo(tmp_path / "a/OUTCAR")
    (tmp_path / "a/POSCAR").mkdir()
    assert found(tmp_path / "a") == {"a": "vasprun.xml"}


def deep(folder: Path, name: str, depth: int) -> None:
    """Make folders in folders down to where no path of one piece reaches."""
    folder.mkdir()
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=inner)
        outer, inner = inner, os.open(name, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.close(os.open("vasprun.xml", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
    os.close(inner)


@pytest.mark.parametrize(
    ("name", "depth", "what"),
    [("d", 1100, "vasprun.xml"), ("d" * 100, 60, "cannot be listed: File name too long")],
    ids=["deeper than Python recurses", "longer than a path may be"],
)
def test_trees_of_any_depth_are_walked(tmp_path, name, depth, what):
    try:
        deep(tmp_path / "t", name, depth)
        write(tmp_path / "t/z", "OUTCAR", "vasprun.xml")
        words = list(found(tmp_path / "t").values())
        assert sorted(words) == sorted([what, "vasprun.xml OUTCAR"])
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "t"], check=True)  # pytest's own way recurses
