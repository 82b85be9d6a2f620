"""From a plan to a FireWorks ``Workflow``: one Firework per calculation, one that derives."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fireworks import Firework, Workflow

from .calculations import Calculation
from .plans import Plan, relative_cost
from .tasks import DeriveProperties, ParseRun, RunVasp, WriteInputs


def calculation_firework(
    calculation: Calculation,
    *,
    plan: str,
    runs: Path,
    database: str | None,
    parents: Sequence[Firework] = (),
    priority: float = 0.0,
) -> Firework:
    """Return the Firework that writes, runs and parses one calculation in its own folder.

    Parameters
    ----------
    calculation
        What is to be computed.
    plan
        Identity of the plan it belongs to.
    runs
        The folder that run folders are made in; absolute, seen by every worker.
    database
        Result database as a URL or path, or None where each worker's environment names it.
    parents
        Fireworks that must be completed first.
    priority
        Larger goes first.
    """
    task = {"calculation": calculation.to_dict()}
    spec = {
        "heterofire": {
            "key": calculation.key,
            "plan": plan,
            "study": calculation.label.study,
            "profile": calculation.label.profile,
            "model": calculation.label.model,
            "task": calculation.label.task,
            "engine": calculation.engine,
            "database": database,
        },
        "_launch_dir": str(runs / calculation.folder_name),
        "_priority": priority,
    }
    tasks = [WriteInputs(task), RunVasp(task), ParseRun(task)]
    return Firework(tasks, spec=spec, name=calculation.label.name, parents=list(parents))


def study_flow(
    plan: Plan, *, runs: Path, database: str | None, done: frozenset[str] = frozenset()
) -> Workflow:
    """Return the Workflow of what is still to be done in a plan.

    Parameters
    ----------
    plan
        The planned study.
    runs, database
        As in `calculation_firework`.
    done
        Keys of calculations that the result store already has; they are left out.
    """
    todo = [c for c in plan.calculations if c.key not in done]
    priorities = chain_costs(todo)
    fireworks: dict[str, Firework] = {}
    for calculation in todo:
        parents = [fireworks[k] for k in calculation.parents.values() if k in fireworks]
        fireworks[calculation.key] = calculation_firework(
            calculation,
            plan=plan.identity,
            runs=runs,
            database=database,
            parents=parents,
            priority=round(priorities[calculation.key], 3),
        )
    last = _derive_firework(plan, runs=runs, database=database, parents=list(fireworks.values()))
    metadata = {
        "study": plan.study,
        "profile": plan.profile,
        "engine": plan.engine,
        "plan": plan.identity,
    }
    name = f"{plan.study} {plan.profile} {plan.engine}"
    return Workflow([*fireworks.values(), last], name=name, metadata=metadata)


def _derive_firework(
    plan: Plan, *, runs: Path, database: str | None, parents: list[Firework]
) -> Firework:
    """Return the Firework that derives the study's properties once all runs are stored."""
    task = DeriveProperties(
        study=plan.study,
        profile=plan.profile,
        engine=plan.engine,
        requests=[request.model_dump(mode="json") for request in plan.requests],
    )
    name = f"{plan.study}/{plan.profile}/derive"
    spec = {
        "heterofire": {
            "plan": plan.identity,
            "study": plan.study,
            "profile": plan.profile,
            "task": "derive",
            "engine": plan.engine,
            "database": database,
        },
        "_launch_dir": str(runs / f"derive-{plan.study}-{plan.profile}-{plan.engine}"),
    }
    return Firework([task], spec=spec, name=name, parents=parents)


def chain_costs(calculations: Sequence[Calculation]) -> Mapping[str, float]:
    """Return for each calculation the cost of the dearest chain that starts with it.

    Starting the longest chain first keeps all workers busy to the end.
    """
    costs = {c.key: relative_cost(c) for c in calculations}
    for calculation in reversed(calculations):
        for parent in calculation.parents.values():
            if parent in costs:
                own = relative_cost(next(c for c in calculations if c.key == parent))
                costs[parent] = max(costs[parent], own + costs[calculation.key])
    return costs
