"""What a plan has cost and will cost: the rows of ``heterofire plan`` and its last line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..workflows.estimates import CostModel, Estimate, learn_costs, learn_from_store
from ..workflows.plans import GPAW_SECONDS_PER_UNIT, Plan, is_of_gpaw, relative_cost
from .memory_checks import Need, memory_need
from .project import Project

_HIDDEN = ("changes",)  # long; JSON has them
_WHERE_KNOWN = ("irreducible", "plane waves", "memory (GB)", "core-hours", "uncertainty")


@dataclass(frozen=True, kw_only=True)
class PlanCosts:
    """The rows of a plan, and what its open calculations will take together."""

    rows: list[dict[str, Any]]
    left: float  # relative cost
    estimate: Estimate | None  # None without finished runs
    model: CostModel | None
    is_learned: bool = True  # False: the model is of a few runs measured once, elsewhere
    need: Need | None = None  # memory of the largest open calculation, where known

    def shown_rows(self) -> list[dict[str, Any]]:
        """Return the rows as a table shows them: without columns that say nothing here."""
        empty = {name for name in _WHERE_KNOWN if all(row.get(name) is None for row in self.rows)}
        return [
            {k: _short(k, v) for k, v in row.items() if k not in empty and k not in _HIDDEN}
            for row in self.rows
        ]

    def words(self) -> str:
        """Return what is left to compute, in one or two lines."""
        unit = "1 unit is one energy and force of 45 atoms at one k-point"
        first = f"left: {self.left:.0f} units; {unit}"
        if not self.left:
            return first
        if self.estimate is None or self.model is None:
            return f"{first}\ncore-hours: unknown, no finished run of this engine in the store"
        found = self.estimate
        runs = f"{self.model.n_runs} finished run{'s' if self.model.n_runs > 1 else ''}"
        source = f"from {runs} of this engine" if self.is_learned else "until finished runs tell"
        span = f"{found.low:.3g} to {found.high:.3g}"
        hours = f"core-hours: about {found.core_hours:.3g} ({span}), {source}"
        return "\n".join([first, hours, *([self.need.words()] if self.need else [])])


def plan_costs(project: Project, plan: Plan) -> PlanCosts:
    """Return sizes, costs and core-hours of every step of a plan; makes no file to look.

    Parameters
    ----------
    project
        Whose result store is asked for finished runs of the plan's engine.
    plan
        The planned study.
    """
    done, learned = project.stored_keys(plan), _learned(project, plan)
    model = learned or _measured(plan)
    # Rows show two decimals, and a single atom costs less than that.
    exact = {step.key: relative_cost(step) for step in plan.steps}
    open_keys = [step.key for step in plan.calculations if step.key not in done]
    return PlanCosts(
        rows=[
            _with_hours(row, exact[row["key"]], model) | {"done": row["key"] in done}
            for row in plan.rows()
        ],
        left=sum(cost for key, cost in exact.items() if key not in done),
        estimate=model.total([exact[key] for key in open_keys]) if model else None,
        model=model,
        is_learned=learned is not None,
        need=memory_need((step for step in plan.calculations if step.key in set(open_keys)), 1),
    )


def _measured(plan: Plan) -> CostModel | None:
    """Return what a plan will take by the few runs that `gpaw_costs` was fitted to, else None."""
    if not plan.calculations or not all(is_of_gpaw(step) for step in plan.calculations):
        return None
    return learn_costs([(1.0, GPAW_SECONDS_PER_UNIT / 3600)])


def _learned(project: Project, plan: Plan) -> CostModel | None:
    """Return what the result store teaches about the plan's engine."""
    if not project.has_store():
        return None
    planned = {step.key: step for step in plan.calculations}
    return learn_from_store(project.store.timings(plan.engine), plan.engine, planned)


def _with_hours(row: Mapping[str, Any], cost: float, model: CostModel | None) -> dict[str, Any]:
    """Return a row with the core-hours expected of it; nothing where nothing is computed."""
    if model is None or row["atoms"] is None:
        return {**row, "core-hours": None, "uncertainty": None}
    found = model.estimate(cost)
    hours, factor = float(f"{found.core_hours:.3g}"), round(found.factor, 2)
    # From one run alone it is the same for all rows.
    return {**row, "core-hours": hours, "uncertainty": factor if model.n_runs > 1 else None}


def _short(name: str, value: Any) -> Any:
    """Return a value as the table shows it."""
    return f"x/÷ {value:.1f}" if name == "uncertainty" and value is not None else value
