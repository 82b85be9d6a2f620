"""A study of molecules, from its YAML to its figures, with the embedded engine."""

import json

import pytest

STUDY = """
study: small-sei
title: LiTFSI on its own and with SO2, and how it comes apart
ion: Li
phases:
  Li: {crystal: Li_bcc, supercell: [3, 3, 3]}
  LiF: {crystal: LiF, supercell: [2, 2, 2]}
  Li+ ion: {atom: Li, charge: 1}
  TFSI-: {molecule: TFSI-, charge: -1}
  TFSI- cis: {molecule: TFSI- cis, charge: -1}
  SO2: {molecule: SO2}
  LiTFSI: {molecule: LiTFSI}
  Li2(CF3SO2N): {molecule: Li2(CF3SO2N)}
equations:
  - model: Li-TFSI
    label: LiTFSI
    quantity: Li-TFSI binding energy
    reference: Li+ ion and TFSI-
    reactants: {Li+ ion: 1, TFSI-: 1}
    products: {LiTFSI: 1}
  - model: TFSI-
    label: trans -> cis
    quantity: isomerisation energy
    reactants: {TFSI-: 1}
    products: {TFSI- cis: 1}
complexes:
  SO2 at Li: {host: LiTFSI, guest: SO2, anchor: Li1, heads: [O], candidates: 3, keep: 2}
electronic:
  - {systems: [LiTFSI, SO2 at Li]}
decompositions:
  - name: LiTFSI
    molecule: LiTFSI
    where: [free]
    electrons: 2
    donor: Li
    donor_at: [N1, O1, O2, O3, O4]
    steps:
      - {name: N-S, bond: [N1, S1], points: 2, leaves: N1, ions: 2, phase: Li2(CF3SO2N)}
      - {name: C-S, bond: [S1, C1], to: 3.4, hold: true, points: 2, leaves: S1, phase: SO2}
      - {name: C-F, bond: [C1, F1], to: 3.0, towards: Li, hold: true, points: 2,
         leaves: F1, ions: 1, phase: LiF}
    images: 1
overrides:
  quick:
    bulk: {IBRION: -1, NSW: 0}
figures: [aligned-dos, levels, complexes, decomposition]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, heterofire):
    folder = tmp_path_factory.mktemp("sei")
    (folder / "small.yaml").write_text(STUDY)
    done = heterofire(folder, "run", "small.yaml", "--profile", "quick")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    printed = heterofire(folder, "table", "small.yaml", "--format", "json")
    return folder, json.loads(printed.stdout)


def value(rows, quantity, label, model=None):
    (found,) = [
        row
        for row in rows
        if (row["quantity"], row["label"]) == (quantity, label)
        and row["value"] is not None
        and model in (None, row["model"])
    ]
    return found["value"]


@pytest.mark.slow
def test_all_figures_are_drawn(finished):
    folder, _ = finished
    for name in ("aligned-dos", "levels", "complexes", "decomposition"):
        for suffix in ("png", "svg", "pdf", "csv"):
            assert (folder / "small-sei-quick-xtb" / f"{name}.{suffix}").stat().st_size > 0


@pytest.mark.slow
def test_trans_is_below_cis_as_measured(finished):
    # 3.4 to 7.3 kJ/mol in liquids (10.1002/jrs.2713)
    assert 0.03 < value(finished[1], "isomerisation energy", "trans -> cis") < 0.1


@pytest.mark.slow
def test_the_ion_binds_by_several_ev_and_binding_is_what_it_is_made_of(finished):
    _, rows = finished
    assert -9 < value(rows, "Li-TFSI binding energy", "LiTFSI") < -5
    binding = value(rows, "SO2 binding energy", "SO2 at Li")
    interaction = value(rows, "SO2 interaction energy", "SO2 at Li")
    preparation = sum(
        value(rows, f"preparation energy of {part}", "SO2 at Li") for part in ("LiTFSI", "SO2")
    )
    assert binding < 0
    assert binding == pytest.approx(interaction + preparation, abs=1e-6)


@pytest.mark.slow
def test_steps_add_up_and_every_state_is_in_its_pieces(finished):
    _, rows = finished
    steps = [r["value"] for r in rows if r["quantity"] == "step energy"]
    states = [r["value"] for r in rows if r["quantity"] == "state energy"]
    assert states[0] == 0.0
    assert sum(steps) == pytest.approx(states[-1], abs=1e-6)
    pieces = {
        row["label"].partition(": ")[2]: row["value"]
        for row in rows
        if row["quantity"] == "number of pieces" and "decomposition" in row["label"]
    }
    assert pieces["LiTFSI + 2 Li"] == 1
    assert pieces["N-S broken"] == pieces["C-S broken"] == pieces["C-F broken"] == 2


@pytest.mark.slow
def test_the_route_is_decided_by_the_largest_barrier(finished):
    _, rows = finished
    barriers = [
        row["value"]
        for row in rows
        if row["quantity"] == "barrier forward" and "decomposition" in row["label"]
    ]
    rate = value(rows, "rate-determining barrier", "LiTFSI decomposition")
    assert rate == pytest.approx(max(barriers), abs=1e-6)
    assert 1.0 < rate < 4.0
