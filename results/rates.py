"""Which step of a route decides its rate: the largest barrier, where all are there."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from .pathways import pathway_properties
from .records import Property
from .requests import RateRequest, Request

_Derive = Callable[[Request], list[Property]]


def rate_property(request: RateRequest, derive: _Derive, has: Callable[[str], bool]) -> Property:
    """Return the largest barrier of a route.

    It is there only where every bond-breaking step has a barrier: the largest of some could be
    any. Without it, the notes name the largest step energy instead, which is no barrier.

    Parameters
    ----------
    request
        States, bands, and which steps break a bond.
    derive
        Returns the properties of another request.
    has
        Whether the calculation of a key is finished.
    """
    rows = pathway_properties(request.pathway(), derive, has)
    steps = [row for row in rows if row.quantity == "step energy"]
    largest = next(row for row in rows if row.quantity == "rate-determining step")
    barriers = {step.to: derive(barrier)[0] for step, barrier in request.barriers()}
    lacking = _lacking(request, barriers)
    if lacking:
        return _without(request, largest, lacking)
    top = max(barriers, key=lambda to: _height(barriers[to]))
    item = barriers[top]
    step = next(f"{row.detail['from']} -> {top}" for row in steps if row.detail["to"] == top)
    status = "ok" if all(b.status == "ok" for b in barriers.values()) else "unconverged"
    return replace(
        item,
        quantity="rate-determining barrier",
        label=request.label,
        status=status,  # type: ignore[arg-type]
        keys=tuple(dict.fromkeys(key for b in barriers.values() for key in b.keys)),
        detail={
            "route": request.label,
            "step": step,
            "to": top,
            "barriers": {to: b.value for to, b in barriers.items()},
            "steps": {str(row.detail["to"]): row.value for row in steps},
        },
        notes=(
            f"the largest barrier is that of {step}",
            *_uphill_notes(steps, barriers, _height(item)),
            *item.notes,
        ),
    )


def _height(item: Property) -> float:
    return float("-inf") if item.value is None else item.value


def _lacking(request: RateRequest, barriers: dict[str, Property]) -> list[str]:
    """Return which bond-breaking steps have no barrier, and why."""
    notes = []
    for name in request.breaking:
        if name not in barriers:
            notes.append(f"no band leads to {name}")
        elif barriers[name].value is None:
            notes += [f"no barrier to {name}: {note}" for note in barriers[name].notes]
    return notes


def _uphill_notes(
    steps: Sequence[Property], barriers: dict[str, Property], highest: float
) -> list[str]:
    """Name steps without a barrier of their own that climb even higher."""
    return [
        f"{row.detail['from']} -> {row.detail['to']} has no band and climbs {row.value:.3f} eV, "
        "more than the largest barrier: it may decide the rate"
        for row in steps
        if row.value is not None and _has_no_barrier(row, barriers) and row.value > highest
    ]


def _has_no_barrier(row: Property, barriers: dict[str, Property]) -> bool:
    to = str(row.detail["to"])
    return to not in barriers or barriers[to].value is None


def _without(request: RateRequest, largest: Property, lacking: Sequence[str]) -> Property:
    notes = list(lacking)
    if largest.value is not None:
        notes.append(
            f"by its energy the largest step is {largest.detail['step']} with "
            f"{largest.value:.3f} eV, which is no barrier"
        )
    return replace(
        largest, quantity="rate-determining barrier", label=request.label, value=None,
        status="missing", legs=(), keys=(), notes=tuple(notes), detail={"route": request.label},
    )  # fmt: skip
