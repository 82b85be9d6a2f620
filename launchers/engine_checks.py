"""What an engine of heterofire's own would refuse, said when a study is planned."""

import math
from collections.abc import Mapping
from typing import Any

from ..structures.errors import InputError
from ..workflows.calculations import Calculation
from ..workflows.plans import Plan
from .settings import OWN_ENGINES


def check_engine(plan: Plan, engine: str) -> None:
    """Refuse a plan of which the engine would refuse a part, at the first folder, days later.

    Raises
    ------
    InputError
        Names tag or k-points, the first calculation, how many there are, and what to take instead.
    """
    if engine not in OWN_ENGINES:
        return
    from .engines.tags import load_table, refusals  # reads YAML

    table = load_table(engine)
    found: dict[str, list[str]] = {}
    for calculation in plan.calculations:
        reasons = refusals(_texts(calculation.incar), table["refused"])
        if table["kpoints"] == "gamma" and not _is_gamma(calculation):
            reasons.append("k-points other than Gamma")
        for reason in reasons:
            found.setdefault(reason, []).append(calculation.label.name)
    if found:
        listed = "; ".join(
            f"{reason} in {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")
            for reason, names in found.items()
        )
        raise InputError(
            f"{plan.study}, profile {plan.profile}: engine {engine} refuses {listed}. Add --engine "
            "vasp, take another profile (quick is for xtb, gpaw for gpaw), or change the study."
        )


def _is_gamma(calculation: Calculation) -> bool:
    return math.prod(map(int, calculation.kpoints["mesh"])) == 1


def _texts(incar: Mapping[str, Any]) -> dict[str, str]:
    """Return values as an INCAR has them."""
    return {tag: "T" if v is True else "F" if v is False else str(v) for tag, v in incar.items()}
