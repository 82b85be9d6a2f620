"""Real file systems that are full or read-only; mounting one takes root."""

import re
import subprocess

import pytest

from heterofire.launchers.machine_checks import check_scratch


@pytest.fixture
def small_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(small_disk, heterofire, molecules):
    (small_disk / "molecules.yaml").write_text(molecules)
    done = heterofire(small_disk, "run", "molecules.yaml")
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    remount(small_disk, "size=30m")
    again = heterofire(small_disk, "run", "molecules.yaml")
    assert again.returncode == 0, again.stderr


def test_a_read_only_folder_is_named_and_can_still_be_looked_at(small_disk, heterofire, molecules):
    (small_disk / "molecules.yaml").write_text(molecules)
    remount(small_disk, "ro")
    for command in (("run", "molecules.yaml"), ("inputs", "molecules.yaml")):
        done = heterofire(small_disk, *command)
        assert done.returncode == 1
        assert "ead-only" in done.stderr or "writable" in done.stderr
        assert "Traceback" not in done.stderr
    assert heterofire(small_disk, "plan", "molecules.yaml").returncode == 0
    checked = heterofire(small_disk, "doctor")
    assert checked.returncode == 1
    assert "Make the folder writable" in checked.stdout


def test_a_full_scratch_fails_with_the_bytes_that_are_left(small_disk):
    check = check_scratch(str(small_disk))
    assert check.status == "failed"
    assert re.search(r"No space left on device, \d+ bytes free", check.message)
    assert list(small_disk.iterdir()) == []
