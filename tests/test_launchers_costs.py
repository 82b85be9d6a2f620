"""`plan` says what a study will cost, from what finished runs have cost."""

import json

from heterofire.launchers.costs import plan_costs
from heterofire.launchers.project import Project
from heterofire.launchers.settings import load_settings


def test_a_study_of_vasp_shows_its_sizes_without_vasp(tmp_path, heterofire, molecules):
    (tmp_path / "molecules.yaml").write_text(molecules)
    done = heterofire(tmp_path, "plan", "molecules.yaml", "--engine", "vasp", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["K/bulk"]["irreducible"] <= 18
    assert all(row["plane waves"] > 1000 and row["memory (GB)"] > 0 for row in rows.values())
    assert all(row["core-hours"] is None for row in rows.values())
    shown = heterofire(tmp_path, "plan", "molecules.yaml", "--engine", "vasp").stdout
    assert "core-hours: unknown, no finished run of this engine" in shown
    assert list(tmp_path.iterdir()) == [tmp_path / "molecules.yaml"]


def test_finished_runs_of_another_study_tell_the_core_hours(
    tmp_path, molecules, make_run, make_structure, label
):
    (tmp_path / "molecules.yaml").write_text(molecules)
    project = Project(load_settings(folder=tmp_path, engine="vasp"))
    plan = project.plan(str(tmp_path / "molecules.yaml"), "quick")
    assert plan_costs(project, plan).estimate is None
    with project:
        for n in (2, 4, 8, 16, 32, 64):
            run = make_run(make_structure(*["S"] * n), engine="vasp", elapsed_s=36.0 * n**2.5,
                           n_cores=8, kpoints={"n_kpoints": 1})  # fmt: skip
            project.store.add_run(f"key-{n}", label, run)
        costs = plan_costs(project, plan)
    assert costs.model.n_runs == 6
    assert 0.99 < costs.model.slope < 1.01
    assert all(row["core-hours"] > 0 for row in costs.rows)
    assert "from 6 finished runs of this engine" in costs.words()
    assert costs.estimate.low < costs.estimate.core_hours < costs.estimate.high


def test_what_is_done_costs_nothing_more(tmp_path, molecules, make_run, make_structure, label):
    (tmp_path / "molecules.yaml").write_text(molecules)
    project = Project(load_settings(folder=tmp_path, engine="xtb"))
    plan = project.plan(str(tmp_path / "molecules.yaml"), "quick")
    with project:
        for step in plan.calculations:
            run = make_run(make_structure("S"), elapsed_s=1.0, kpoints={"n_kpoints": 1})
            project.store.add_run(step.key, label, run)
        costs = plan_costs(project, plan)
    assert costs.left == 0
    assert [row["done"] for row in costs.rows] == [True] * len(costs.rows)
    assert "core-hours" not in costs.words()
