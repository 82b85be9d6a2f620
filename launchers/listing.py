"""Lists for people and scripts: studies, models, plans, states, checks."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from .project import Project
from .settings import Settings

if TYPE_CHECKING:
    from ..workflows.host_parts import Host

_WIDE = 160  # columns for a table that goes into a file or pipe


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "") -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        print(json.dumps(list(rows), indent=1))
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    table = Table(title=title or None, box=None, title_justify="left")
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def print_studies(*, as_json: bool) -> None:
    """Print the studies that come along."""
    from ..workflows.study_reading import load_study, study_names  # slow: pydantic

    found = [load_study(name) for name in study_names()]
    rows = [
        {
            "study": s.study,
            "title": s.title,
            "paper": s.paper,
            "hosts": ", ".join(_host_words(h) for h in s.hosts),
        }
        for s in found
    ]
    print_rows(rows, as_json=as_json)


def _host_words(host: "Host") -> str:
    """Return the name of a host, with its profiles where it is not in all."""
    from ..workflows.study_parts import PROFILES  # slow: pydantic

    is_everywhere = set(host.profiles) == set(PROFILES)
    return host.model if is_everywhere else f"{host.model} ({', '.join(host.profiles)})"


def print_models(*, as_json: bool) -> None:
    """Print the models and crystals that can be built."""
    from ..structures.catalogue import list_entries  # slow: pymatgen

    rows = [{"name": e.name, "kind": e.kind, "what it is": e.label} for e in list_entries()]
    print_rows(rows, as_json=as_json)


def print_plan(project: Project, plan: Any, *, as_json: bool) -> None:
    """Print every calculation of a plan, with its size and cost and whether it is done."""
    from .costs import plan_costs  # slow: pymatgen, FireWorks
    from .running import print_warnings

    costs = plan_costs(project, plan)
    if as_json:
        print_rows(costs.rows, as_json=True)
        return
    title = f"{plan.study}, profile {plan.profile}, engine {plan.engine} {plan.method}".strip()
    print_rows(costs.shown_rows(), as_json=False, title=title)
    print(costs.words())
    print_warnings(plan)


def print_status(project: Project, *, as_json: bool, repair: bool = False) -> int:
    """Print states, running steps and failures; the exit code is 1 when something failed."""
    from .status import counts, job_statuses  # slow: FireWorks

    if repair:
        _repair(project)
    statuses = _joined(project, job_statuses(project.launchpad))
    if as_json:
        print(json.dumps([status.to_dict() for status in statuses], indent=1))
    else:
        rows = [_status_row(status) for status in statuses]
        unused = [n for n in ("job", "lost before") if not any(row[n] for row in rows)]
        print_rows([{k: v for k, v in r.items() if k not in unused} for r in rows], as_json=False)
        print(", ".join(f"{n} {state}" for state, n in counts(statuses).items()) or "empty queue")
        for status in statuses:
            for correction in status.outcome.get("corrections") or ():
                print(f"{status.name}: corrected: {correction}")
            if status.state == "FIZZLED":
                print(f"{status.name}: {status.reason}\n  {status.remedy}", file=sys.stderr)
    return 1 if any(status.state == "FIZZLED" for status in statuses) else 0


def _repair(project: Project) -> None:
    """Queue again what was lost, and say so."""
    from .cluster_running import mended_words, repair_project  # slow: FireWorks

    mended = repair_project(project)
    for one in mended:
        print(mended_words(one), file=sys.stderr)
    print(f"{len(mended)} lost calculations found", file=sys.stderr)


def _joined(project: Project, statuses: list[Any]) -> list[Any]:
    """Return statuses with the scheduler's word on their jobs, where there are any."""
    from ..structures.errors import HeteroError
    from .qadapters import load_qadapter
    from .schedulers import find_scheduler
    from .status import with_jobs

    path = project.settings.my_qadapter
    if path is None or not any(status.job for status in statuses):
        return statuses
    try:
        joined = with_jobs(statuses, find_scheduler(load_qadapter(path).kind))
    except HeteroError as error:
        print(f"warning: nothing is known about the jobs: {error}", file=sys.stderr)
        return statuses
    gone = [status for status in joined if status.job_state == "gone"]
    if gone:
        print(
            f"{len(gone)} calculations were lost with their jobs: `heterofire status --repair` or "
            "`heterofire launch` queues them again",
            file=sys.stderr,
        )
    return joined


def _status_row(status: Any) -> dict[str, Any]:
    """Return one firework as a row."""
    job = f"{status.job} {status.job_state}".strip()
    return {
        "id": status.fw_id,
        "name": status.name,
        "state": status.state,
        "job": f"{job}: {status.job_reason}" if status.job_reason else job,
        "lost before": status.lost,
        "step": status.step,
        "F (eV)": status.energy_f_ev,
        "force (eV/A)": status.force_ev_per_ang,
        "time (s)": status.elapsed_s,
        "parts": status.outcome.get("n_parts"),
        "corrections": len(status.outcome.get("corrections") or ()) or None,
        "result": status.outcome.get("status"),
    }


def print_doctor(
    settings: Settings,
    *,
    as_json: bool,
    study: str | None = None,
    profile: str = "quick",
    test_job: bool = False,
) -> int:
    """Print every check with its remedy; the exit code is 1 when one failed."""
    from .doctor import run_checks  # slow: FireWorks, SQLAlchemy

    checks = run_checks(settings, study=study, profile=profile, test_job=test_job)
    rows = [
        {"check": c.name, "status": c.status, "found": c.message, "remedy": c.remedy}
        for c in checks
    ]
    print_rows(rows, as_json=as_json)
    return 1 if any(check.status == "failed" for check in checks) else 0
