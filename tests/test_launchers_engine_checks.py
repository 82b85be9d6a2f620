"""What an engine would refuse in a run folder is refused when the study is planned."""

import pytest

STUDY = """
study: crystals
title: two crystals
ion: K
hosts: []
phases: {K: {crystal: K_bcc, supercell: {quick: [2, 2, 2], paper: [1, 1, 1]}}}
overrides:
  quick:
    bulk: {IBRION: -1, NSW: 0}
"""


@pytest.mark.parametrize("command", [("plan",), ("run", "--dry-run"), ("submit", "--dry-run")])
def test_k_points_and_stress_are_refused_before_anything_is_queued(tmp_path, heterofire, command):
    (tmp_path / "crystals.yaml").write_text(STUDY)
    name, *options = command
    assert heterofire(tmp_path, name, "crystals.yaml", *options).returncode == 0
    done = heterofire(tmp_path, name, "crystals.yaml", *options, "--profile", "paper")
    assert done.returncode == 2
    assert "crystals, profile paper: engine xtb refuses ISIF = 3" in done.stderr
    assert "k-points other than Gamma in K/bulk" in done.stderr
    assert "--engine vasp" in done.stderr
    assert not list(tmp_path.glob("*.db"))


def test_vasp_is_not_asked(tmp_path, heterofire):
    (tmp_path / "crystals.yaml").write_text(STUDY)
    done = heterofire(tmp_path, "plan", "crystals.yaml", "--profile", "paper", "--engine", "vasp")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ion: K", "ion: Li", "phase 'K' is K, but the ion is Li: name a phase of Li alone"),
        ("electrons: 0", "electrons: 2", "2 electrons for each do not make neutral"),
    ],
)
def test_a_reference_that_cannot_balance_is_refused_at_once(
    tmp_path, heterofire, old, new, message
):
    study = STUDY.replace("hosts: []", "hosts: [MoS2@NC]\nsites: [{region: outer}]")
    study += "ion_references: [{name: bcc K, phase: K, electrons: 0}]\n"
    (tmp_path / "study.yaml").write_text(study.replace(old, new))
    done = heterofire(tmp_path, "plan", "study.yaml")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
