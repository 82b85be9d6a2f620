"""Live progress on the terminal, or plain lines where there is none."""

import time
from collections.abc import Mapping
from typing import Any

from fireworks import LaunchPad
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..workflows.plans import Plan, relative_cost
from .status import JobStatus, counts, job_statuses

_HEARTBEAT_S = 30.0
_REFRESH_S = 1.0
_SHARE = 0.02  # of a core, at most, that looking may cost


class Progress:
    """Prints each calculation as it ends; on a terminal, a live view of what runs.

    Parameters
    ----------
    launchpad
        Where the fireworks are.
    console
        Where to print; messages belong on stderr.
    query
        Which fireworks to look at; all by default.
    plan
        The study that is worked on, for the time that is left.
    """

    def __init__(
        self,
        launchpad: LaunchPad,
        console: Console,
        *,
        query: Mapping[str, Any] | None = None,
        plan: Plan | None = None,
    ) -> None:
        self._query = dict(query or {})
        self._launchpad = launchpad
        self._console = console
        self._costs: Mapping[str, float] = {
            c.label.name: relative_cost(c) for c in (plan.steps if plan else ())
        }
        self._start = self._last_line = self._next_look = time.monotonic()
        self._said: set[int] = {
            s.fw_id for s in self._statuses() if s.state in ("COMPLETED", "FIZZLED")
        }
        self._n_before = len(self._said)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._seen_cost = 0.0

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.tick(force=True)
        if self._console.is_terminal:
            self._live.stop()

    def tick(self, *, force: bool = False) -> None:
        """Look at the LaunchPad and print what is new."""
        now, spent = time.monotonic(), time.process_time()
        if not force and now < self._next_look:
            return
        statuses = self._statuses()
        self._next_look = now + max(_REFRESH_S, (time.process_time() - spent) / _SHARE)
        for status in statuses:
            if status.state in ("COMPLETED", "FIZZLED") and status.fw_id not in self._said:
                self._say(status, len(statuses))
        running = [s for s in statuses if s.state == "RUNNING"]
        if self._console.is_terminal:
            self._live.update(self._view(statuses, running), refresh=True)
        elif running and now - self._last_line > _HEARTBEAT_S:
            self._last_line = now
            words = "; ".join(_running_words(status) for status in running)
            self._console.print(
                f"  {self._summary(statuses)} | {words}", highlight=False, soft_wrap=True
            )

    def _statuses(self) -> list[JobStatus]:
        return job_statuses(self._launchpad, self._query)

    def _say(self, status: JobStatus, n_all: int) -> None:
        """Print one finished firework."""
        self._said.add(status.fw_id)
        self._last_line = time.monotonic()
        self._seen_cost += self._costs.get(status.name, 0.0)
        head = f"[{len(self._said)}/{n_all}] {status.name}"
        if status.state == "FIZZLED":
            self._console.print(
                f"{head}  FAILED: {status.reason}", style="red", highlight=False, soft_wrap=True
            )
            return
        self._console.print(
            f"{head}  {outcome_words(status)}", highlight=False, markup=False, soft_wrap=True
        )

    def _summary(self, statuses: list[JobStatus]) -> str:
        """Return how far it is and how long it will take."""
        found = counts(statuses)
        elapsed = time.monotonic() - self._start
        words = f"{found.get('COMPLETED', 0)}/{len(statuses)} done, {_duration(elapsed)}"
        if found.get("FIZZLED"):
            words += f", {found['FIZZLED']} failed"
        costs = {state: self._cost(statuses, state) for state in ("READY", "WAITING", "RUNNING")}
        left = time_left(elapsed, self._seen_cost, costs)
        if left is not None:
            words += f", about {_duration(left)} left"
        return words

    def _cost(self, statuses: list[JobStatus], state: str) -> float:
        """Return what calculations in this state cost together, in the plan's units."""
        return sum(self._costs.get(s.name, 0.0) for s in statuses if s.state == state)

    def _view(self, statuses: list[JobStatus], running: list[JobStatus]) -> Group:
        """Return the live view: one line of summary, one row per running calculation."""
        table = Table(box=None, pad_edge=False)
        for title in ("running", "step", "F (eV)", "force (eV/A)", "time"):
            table.add_column(title, justify="left" if title == "running" else "right")
        for status in running:
            table.add_row(
                status.name,
                str(status.step or "-"),
                "-" if status.energy_f_ev is None else f"{status.energy_f_ev:.4f}",
                "-" if status.force_ev_per_ang is None else f"{status.force_ev_per_ang:.3f}",
                _duration(status.elapsed_s or 0.0),
            )
        return Group(table, Text(self._summary(statuses), style="bold"))


def time_left(elapsed_s: float, done: float, costs: Mapping[str, float]) -> float | None:
    """Return the seconds that are left at the pace so far; None until something has ended.

    Parameters
    ----------
    elapsed_s
        Since the start.
    done, costs
        Relative costs of what has ended since then, and of what is left by its state.
        Calculations that run are half done on the average.

    Examples
    --------
    >>> time_left(60.0, 10.0, {"READY": 100.0, "RUNNING": 40.0})
    240.0
    >>> time_left(60.0, 0.0, {"READY": 100.0, "RUNNING": 40.0}) is None
    True
    """
    running = 0.5 * costs.get("RUNNING", 0.0)
    left = sum(costs.values()) - running
    return left * elapsed_s / (done + running) if done > 0 and left > 0 else None


def outcome_words(status: JobStatus) -> str:
    """Return what came of a calculation in one line."""
    outcome = status.outcome
    if outcome.get("prepared") == "stored":
        return "was stored already"
    words = [str(outcome.get("status", "done"))]
    if "e0_ev" in outcome:
        words.append(f"E0 {outcome['e0_ev']:.4f} eV")
    if "highest_image_ev" in outcome:
        words.append(f"highest image {outcome['highest_image_ev']:+.3f} eV (E0)")
    if outcome.get("n_steps", 1) > 1:
        words.append(f"{outcome['n_steps']} steps")
    if outcome.get("n_parts", 1) > 1:
        words.append(f"in {outcome['n_parts']} parts")
    if outcome.get("corrections"):
        words.append(f"{len(outcome['corrections'])} corrections")
    if outcome.get("max_force_ev_per_ang") is not None:
        words.append(f"max force {outcome['max_force_ev_per_ang']:.3f} eV/A")
    if "n_properties" in outcome:
        words.append(f"{outcome['n_properties']} properties")
    if status.elapsed_s is not None:
        words.append(_duration(status.elapsed_s))
    if outcome.get("reasons"):
        words.append(f"({'; '.join(outcome['reasons'])})")
    return ", ".join(words)


def _running_words(status: JobStatus) -> str:
    """Return one running calculation in a few words."""
    if status.step is None:
        return status.name
    words = f"{status.name} step {status.step}, F {status.energy_f_ev:.4f} eV"
    if status.force_ev_per_ang is not None:
        words += f", force {status.force_ev_per_ang:.3f} eV/A"
    return words


def _duration(seconds: float) -> str:
    """Return a time as people say it.

    Examples
    --------
    >>> _duration(8.2), _duration(150), _duration(7300)
    ('8 s', '2 min 30 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
