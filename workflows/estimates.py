"""What calculations will cost, from what finished runs have cost."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..results.timings import Timing
from .calculations import Calculation
from .plans import cost_of, relative_cost

_STEPS_OF_TASKS = ("vibrations",)  # whose number of steps follows from the structure
# With few runs, or runs that all cost about the same, time is taken as proportional to cost.
_FEW_RUNS, _NARROW = 5, math.log(3.0)
_LEAST_SPREAD = math.log(1.2)  # the same run twice on a busy machine
_SPREAD_OF_FEW = math.log(2.0)  # what one cannot know from fewer than three runs


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number of core-hours and how far off it may be."""

    core_hours: float
    factor: float  # two thirds of the runs lie between core_hours / factor and core_hours * factor

    @property
    def low(self) -> float:
        """Return the lower end of the range that holds two thirds of the runs."""
        return self.core_hours / self.factor

    @property
    def high(self) -> float:
        """Return the upper end of that range."""
        return self.core_hours * self.factor


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """Core-hours by relative cost: a straight line of logarithms through finished runs."""

    n_runs: int
    slope: float  # 1 where it could not be fitted
    mean_x: float  # of log(relative cost)
    mean_y: float  # of log(core-hours)
    spread: float  # of log(core-hours) around the line
    sum_xx: float  # of squared deviations from mean_x; 0 where the slope was not fitted

    def estimate(self, cost: float) -> Estimate:
        """Return what a calculation of a relative cost will take, with its uncertainty."""
        return Estimate(core_hours=self._middle(cost), factor=math.exp(self._sigma(cost)))

    def total(self, costs: Sequence[float]) -> Estimate:
        """Return what several calculations will take together.

        A sum is ruled by its slow members: each counts with the mean of its log-normal
        distribution, not with the middle. The scatter of single runs averages out in the sum; that
        of the line itself does not.
        """
        means = [self._middle(cost) * math.exp(self._sigma(cost) ** 2 / 2) for cost in costs]
        total = sum(means)
        if not total:
            return Estimate(core_hours=0.0, factor=1.0)
        alone = sum(mean**2 for mean in means) * math.expm1(self.spread**2)
        shared = sum(m * self._sigma_of_line(c) for m, c in zip(means, costs, strict=True)) ** 2
        relative = math.sqrt(alone + shared) / total
        return Estimate(core_hours=total, factor=math.exp(math.sqrt(math.log1p(relative**2))))

    def _middle(self, cost: float) -> float:
        return math.exp(self.mean_y + self.slope * (math.log(cost) - self.mean_x))

    def _sigma_of_line(self, cost: float) -> float:
        lever = (math.log(cost) - self.mean_x) ** 2 / self.sum_xx if self.sum_xx else 0.0
        return self.spread * math.sqrt(1 / self.n_runs + lever)

    def _sigma(self, cost: float) -> float:
        return math.hypot(self.spread, self._sigma_of_line(cost))


def learn_costs(runs: Iterable[tuple[float, float]]) -> CostModel | None:
    """Return the model that pairs of relative cost and core-hours teach; None without any.

    Examples
    --------
    >>> model = learn_costs([(1, 0.5), (10, 5), (100, 50), (20, 10.0), (3, 1.5)])
    >>> model.n_runs, round(model.slope, 3), round(model.estimate(40).core_hours, 2)
    (5, 1.0, 20.0)
    >>> learn_costs([])
    """
    points = [(math.log(cost), math.log(hours)) for cost, hours in runs if cost > 0 and hours > 0]
    n = len(points)
    if not n:
        return None
    mean_x, mean_y = (sum(values) / n for values in zip(*points, strict=True))
    sum_xx = sum((x - mean_x) ** 2 for x, _ in points)
    is_line = n >= _FEW_RUNS and max(points)[0] - min(points)[0] > _NARROW
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum_xx if is_line else 1.0
    squares = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    freedom = n - (2 if is_line else 1)
    spread = math.sqrt(squares / freedom) if freedom else 0.0
    return CostModel(
        n_runs=n,
        slope=slope,
        mean_x=mean_x,
        mean_y=mean_y,
        spread=max(spread, _LEAST_SPREAD if n > 2 else _SPREAD_OF_FEW),
        sum_xx=sum_xx if is_line else 0.0,
    )


def learn_from_store(
    timings: Iterable[Timing], engine: str, planned: Mapping[str, Calculation]
) -> CostModel | None:
    """Return what the finished runs of an engine teach; None where they say too little.

    Parameters
    ----------
    timings
        Of the result store.
    engine
        The embedded engine runs on one core; VASP says in OUTCAR on how many.
    planned
        Calculations by key, whose cost is known although their record lacks k-points.
    """
    pairs = []
    for timing in timings:
        known = timing if engine == "vasp" or timing.n_cores else replace(timing, n_cores=1)
        cost = _cost_of_timing(known, planned.get(known.key))
        if cost is not None and known.core_hours is not None:
            pairs.append((cost, known.core_hours))
    return learn_costs(pairs)


def _cost_of_timing(timing: Timing, planned: Calculation | None) -> float | None:
    """Return the relative cost that a finished run would have been planned with."""
    if planned is not None:
        return relative_cost(planned)
    if timing.n_kpoints is None:
        return None
    options: dict[str, Any] = {"n_images": timing.n_images}
    if timing.task in _STEPS_OF_TASKS:
        options["n_steps"] = timing.n_ionic_steps
    return cost_of(timing.task, timing.n_atoms, timing.n_kpoints, **options)
