"""What ``collect`` does: takes in what compute nodes without a database have left."""

import json
import sys

from .ordering import run_what_needs_a_database
from .project import Project
from .spool import TakenIn, orders_out, take_in


def print_collected(project: Project, *, dry_run: bool, as_json: bool) -> int:
    """Take in, print what became of every order; the exit code is 1 when something failed."""
    if dry_run:
        orders = orders_out(project)
        if as_json:
            print(json.dumps([{"name": name, "state": state} for name, state in orders]))
        else:
            print("\n".join(f"{state}: {name}" for name, state in orders) or "nothing is out")
        return 0
    project.check_writable()
    taken = take_in(project)
    n_here = run_what_needs_a_database(project)
    if as_json:
        print(json.dumps(taken.to_dict() | {"n_run_here": n_here}, indent=1))
    else:
        print(collected_words(taken))
    _print_reasons(taken)
    return 1 if taken.failed or taken.troubles else 0


def collect_first(project: Project) -> None:
    """Take in what is out, if anything is, before more is started; say so on stderr."""
    if not orders_out(project):
        return
    taken = take_in(project)
    run_what_needs_a_database(project)
    print(collected_words(taken), file=sys.stderr)
    _print_reasons(taken)


def _print_reasons(taken: TakenIn) -> None:
    """Print what was not simply stored, and why."""
    listed = {
        "failed": taken.failed, "queued again": taken.again, "not taken in": taken.troubles
    }  # fmt: skip
    for what, items in listed.items():
        for name, reason in items:
            print(f"{what}: {name}: {reason}", file=sys.stderr)


def collected_words(taken: TakenIn) -> str:
    """Return what was taken in, in one line.

    Examples
    --------
    >>> collected_words(TakenIn(done=["a", "b"], running=["c"], waiting=["d"]))
    '2 results taken in, 0 failed, 0 queued again, 2 still out (1 running, 1 waiting)'
    """
    words = [
        f"{len(taken.done)} results taken in",
        f"{len(taken.failed)} failed",
        f"{len(taken.again)} queued again",
        f"{taken.n_out} still out",
    ]
    if taken.running or taken.waiting:
        words[-1] += f" ({len(taken.running)} running, {len(taken.waiting)} waiting)"
    return ", ".join(words)
