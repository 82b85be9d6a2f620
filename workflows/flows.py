"""From a plan to a FireWorks ``Workflow``: one Firework per step, one that derives."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fireworks import FiretaskBase, Firework, Workflow

from .plans import Plan, Step, relative_cost
from .subtractions import Subtraction
from .tasks import DeriveProperties, ParseRun, RunVasp, SubtractDensities, WriteInputs

_RANKS = {
    "relax": 3,
    "static": 2,
    "charge": 2,  # many a binding energy is theirs
    "molecule": 2,
    "bulk": 2,
    "neb": 1,
}  # of tasks, in `useful_first`
_FIRST = 4
_NEXT_TO_NOTHING = 0.02  # of the dearest step


def step_firework(
    step: Step,
    *,
    plan: str,
    runs: Path,
    database: str | None,
    parents: Sequence[Firework] = (),
    priority: float = 0.0,
) -> Firework:
    """Return the Firework that does one step of a study in a folder of its own.

    Parameters
    ----------
    step
        A calculation, which is written, run and parsed; or a density difference.
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
    spec = {
        "heterofire": {
            "key": step.key,
            "plan": plan,
            "study": step.label.study,
            "profile": step.label.profile,
            "model": step.label.model,
            "task": step.label.task,
            "engine": step.engine,
            "database": database,
        },
        "_launch_dir": str(runs / step.folder_name),
        "_priority": priority,
    }
    return Firework(_tasks(step), spec=spec, name=step.label.name, parents=list(parents))


def _tasks(step: Step) -> list[FiretaskBase]:
    if isinstance(step, Subtraction):
        return [SubtractDensities(subtraction=step.to_dict())]
    task = {"calculation": step.to_dict()}
    return [WriteInputs(task), RunVasp(task), ParseRun(task)]


def study_flow(
    plan: Plan, *, runs: Path, database: str | None, done: frozenset[str] = frozenset()
) -> Workflow:
    """Return the Workflow of what is still to be done in a plan.

    Parameters
    ----------
    plan
        The planned study.
    runs, database
        As in `step_firework`.
    done
        Keys of steps that the result store already has; they are left out.
    """
    todo = [step for step in plan.steps if step.key not in done]
    priorities = useful_first(todo) if plan.profile == "gpaw" else chain_costs(todo)
    fireworks: dict[str, Firework] = {}
    for step in todo:
        parents = [fireworks[k] for k in step.parents.values() if k in fireworks]
        fireworks[step.key] = step_firework(
            step,
            plan=plan.identity,
            runs=runs,
            database=database,
            parents=parents,
            priority=round(priorities[step.key], 6),
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


def useful_first(steps: Sequence[Step]) -> Mapping[str, float]:
    """Return priorities for days on a few cores: what most numbers need first, the cheap before.

    What takes next to no time, then hosts and what is put on them, then their energies on a mesh
    and charges and what they are measured against, then bands, then densities of states. A plan
    that is stopped on the way leaves whole rows behind.

    Examples
    --------
    >>> _RANKS["relax"] > _RANKS["molecule"] > _RANKS["neb"] > _RANKS.get("dos", 0)
    True
    """
    dearest = max((relative_cost(step) for step in steps), default=1.0)

    def priority(step: Step) -> float:
        share = relative_cost(step) / dearest
        rank = _FIRST if share < _NEXT_TO_NOTHING else _RANKS.get(step.label.task, 0)
        return rank + 1 - share / 2

    return {step.key: priority(step) for step in steps}


def chain_costs(steps: Sequence[Step]) -> Mapping[str, float]:
    """Return for each step the cost of the dearest chain that starts with it.

    Starting the longest chain first keeps all workers busy to the end.
    """
    own = {step.key: relative_cost(step) for step in steps}
    costs = dict(own)
    for step in reversed(steps):
        for parent in step.parents.values():
            if parent in costs:
                costs[parent] = max(costs[parent], own[parent] + costs[step.key])
    return costs
