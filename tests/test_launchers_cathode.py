"""A study of routes, hops and surfaces, from its YAML to its figures, with the embedded engine."""

import csv
import json

import pytest

STUDY = """
study: small-cathode
title: one route on carbon, Li on the sulfite
ion: Li
hosts: [Li2SO3(001)]
routes:
  - name: to Li2SO3
    surface: C(002)
    states:
      - {name: start, species: [PS4(3-), OH], ions: 3}
      - {name: end, species: [PS3O(3-)], ions: 3, phases: [Li2SO3]}
    reservoirs: [Li, H2O, H2]
    freeze: {quick: [C]}
hops:
  - {kind: surface, network: line, images: 1}
dos_per_area: true
phases:
  Li: {crystal: Li_bcc, supercell: [4, 4, 4]}
  H2: {molecule: H2}
  H2O: {molecule: H2O}
  Li2SO3: {crystal: Li2SO3_model, supercell: [3, 3, 2]}
overrides:
  quick:
    bulk: {IBRION: -1, NSW: 0}
figures: [pathways, host-dos, profiles, barriers]
"""


@pytest.mark.slow
def test_a_study_of_a_route_and_of_hops_runs_from_its_file_to_its_figures(tmp_path, heterofire):
    (tmp_path / "small.yaml").write_text(STUDY)
    done = heterofire(tmp_path, "run", "small.yaml", "--profile", "quick")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = tmp_path / "small-cathode-quick-xtb"
    for name in ("pathways", "host-dos", "profiles", "barriers"):
        for suffix in ("png", "svg", "pdf", "csv"):
            assert (folder / f"{name}.{suffix}").stat().st_size > 0
        assert "hypothetical" in (folder / f"{name}.csv").read_text() or name == "pathways"
    printed = heterofire(tmp_path, "table", "small.yaml", "--format", "json")
    rows = json.loads(printed.stdout)
    check_route(rows)
    check_hops(rows)
    with (folder / "barriers.csv").open() as stream:
        assert {row["quantity"] for row in csv.DictReader(stream)} == {"migration barrier"}


def check_route(rows):
    """The largest step is one of the steps, and steps add up to the states."""
    values = {(row["quantity"], row["label"]): row["value"] for row in rows}
    last = values["state energy", "to Li2SO3: end"]
    assert values["state energy", "to Li2SO3: start"] == 0.0
    assert values["step energy", "to Li2SO3: start -> end"] == pytest.approx(last)
    assert values["rate-determining step", "to Li2SO3"] == pytest.approx(last)


def check_hops(rows):
    """The barrier of the path is not below that of its easiest hop, and the gap is a gap."""
    hops = [r["value"] for r in rows if r["quantity"] in ("barrier forward", "barrier back")]
    paths = [row for row in rows if row["quantity"] == "migration barrier"]
    assert paths
    for path in paths:
        assert path["value"] >= min(hops) - 1e-6
        assert path["model"] == "Li2SO3(001) hypothetical"
    (gap,) = [row["value"] for row in rows if row["quantity"] == "band gap"]
    assert gap > 2.0
    (level,) = [row["value"] for row in rows if row["quantity"] == "DOS at E_F per area"]
    assert level == pytest.approx(0.0, abs=1e-3)
