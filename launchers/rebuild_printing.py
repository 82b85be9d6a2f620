"""What ``heterofire rebuild`` chooses and prints."""

import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.status import Status

from ..results.chosen_calculations import (
    StoredCalculation,
    named_calculations,
    random_calculations,
    stored_calculations,
)
from ..results.store import ResultStore
from ..structures.errors import HeteroError, InputError
from ..workflows.rebuilding import Trial
from .exporting import existing_store, study_name
from .listing import print_rows
from .memory_checks import check_memory
from .project import Project
from .rebuilding import Rebuilder, Rebuilding, Verdict
from .status import last_step

_LOOK_S, _SAY_S = 2.0, 60.0  # seconds between two looks, between two lines in a log
_MANY = 1000  # seeds to draw from: short enough to type again


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which calculations were asked for."""

    words: tuple[str, ...] = ()  # names or keys
    n_random: int = 0
    cheap: bool = False
    seed: int | None = None
    study: str | None = None
    profile: str | None = None
    engine: str | None = None


def print_rebuilt(
    database: str | None,
    choice: Choice,
    asked: Rebuilding,
    *,
    dry_run: bool = False,
    as_json: bool = False,
) -> int:
    """Run the chosen calculations once more, print stored beside new; 1 when one is not the same.

    Raises
    ------
    InputError
        Nothing was chosen, or a name is none of the database.
    """
    with Project.here(None, database) as project:
        store = existing_store(project)
        items = chosen(store, choice)
        rebuilder = Rebuilder(store, project.settings.database, asked)
        found = []
        for number, item in enumerate(items, start=1):
            if len(items) > 1:
                _say(f"{number} of {len(items)}: {item.name}")
            found += _verdicts(rebuilder, item, dry_run)
    _print(found, asked.tolerance, as_json=as_json)
    if not dry_run and asked.folder.is_dir() and not any(asked.folder.iterdir()):
        asked.folder.rmdir()
    return 0 if all(verdict.is_good for verdict in found) else 1


def chosen(store: ResultStore, choice: Choice) -> list[StoredCalculation]:
    """Return the calculations that were named or are drawn by chance."""
    if bool(choice.words) == bool(choice.n_random):
        raise InputError("name calculations, by name or key, or ask for some: --random 3 --cheap")
    known = stored_calculations(
        store,
        study=None if choice.study is None else study_name(choice.study),
        profile=choice.profile,
        engine=choice.engine,
    )
    if choice.words:
        return named_calculations(known, choice.words, store.name)
    seed = secrets.randbelow(_MANY) if choice.seed is None else choice.seed
    _say(f"drawn with --seed {seed}, which draws the same ones again")
    return random_calculations(known, choice.n_random, seed=seed, cheap=choice.cheap)


def _verdicts(rebuilder: Rebuilder, item: StoredCalculation, dry_run: bool) -> list[Verdict]:
    """Return what became of a calculation, saying so on the way."""
    found, part = list[Verdict](), item
    try:
        parts = rebuilder.parts_of(item)
        if len(parts) > 1:
            _say(f"{item.name} is a density difference: the runs behind it are rebuilt")
        for part in parts:
            trials = rebuilder.trials_of(part)
            if dry_run:
                found += [_planned(part, trial) for trial in trials]
                continue
            check_memory((trial.calculation for trial in trials), 1)
            found += [_judged(rebuilder, part, trial) for trial in trials]
    except HeteroError as error:
        found.append(_not_rebuilt(part, str(error)))
    return found


def _not_rebuilt(item: StoredCalculation, reason: str) -> Verdict:
    return Verdict(
        name=item.name,
        key=item.key,
        what="",
        stored=None,
        new=None,
        seconds=None,
        verdict="not rebuilt",
        reason=reason,
    )


def _judged(rebuilder: Rebuilder, item: StoredCalculation, trial: Trial) -> Verdict:
    words = f"{item.name} ({item.key[:8]}): {trial.what}, about {trial.seconds:.0f} s"
    with _followed(words, rebuilder.asked.folder / trial.folder_name):
        verdict = rebuilder.judge(item, trial)
    if verdict.difference is None:
        _say(f"  {verdict.verdict}: {verdict.reason}")
    else:
        moved = f"{1000 * verdict.difference:+.2f} meV in {verdict.seconds:.1f} s"
        _say(f"  {verdict.verdict}: {moved}")
    return verdict


@contextmanager
def _followed(words: str, folder: Path) -> Iterator[None]:
    """Show on a terminal how far a run is, elsewhere say once a minute."""
    console, ended, started = Console(stderr=True, highlight=False), Event(), time.monotonic()
    if not console.is_terminal:
        _say(words)

    def follow(shown: Status) -> None:
        every = _LOOK_S if console.is_terminal else _SAY_S
        while not ended.wait(every):
            step, energy = last_step(folder)
            far = "" if step is None else f", ionic step {step}"
            far += "" if energy is None else f", F {energy:.4f} eV"
            text = f"{words}; {time.monotonic() - started:.0f} s so far{far}"
            shown.update(text) if console.is_terminal else _say(f"  {text}")

    with console.status(words) as shown:
        thread = Thread(target=follow, args=(shown,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _planned(item: StoredCalculation, trial: Trial) -> Verdict:
    return Verdict(
        name=item.name,
        key=item.key,
        what=trial.what,
        stored=trial.stored[0] if len(trial.stored) == 1 else None,
        new=None,
        seconds=trial.seconds,
        verdict="would run",
    )


def _print(found: Sequence[Verdict], tolerance: float, *, as_json: bool) -> None:
    if as_json:
        rows = [{**asdict(verdict), "difference": verdict.difference} for verdict in found]
        print(json.dumps({"tolerance": tolerance, "rebuilt": rows}, indent=1))
        return
    print_rows([_row(verdict) for verdict in found], as_json=False)
    for verdict in found:
        if verdict.reason:
            print(f"{verdict.name} ({verdict.key[:8]}): {verdict.reason}", file=sys.stderr)
    poor = sum(not verdict.is_good for verdict in found)
    if all(verdict.verdict == "would run" for verdict in found):
        print("nothing was run")
    elif poor:
        print(f"{poor} of {len(found)} energies are not within {1000 * tolerance:g} meV")
    else:
        print(f"all {len(found)} energies agree within {1000 * tolerance:g} meV")


def _row(verdict: Verdict) -> dict[str, object]:
    difference = verdict.difference
    return {
        "calculation": verdict.name,
        "key": verdict.key[:8],
        "run": verdict.what,
        "stored E0 (eV)": None if verdict.stored is None else f"{verdict.stored:.6f}",
        "new E0 (eV)": None if verdict.new is None else f"{verdict.new:.6f}",
        "difference (meV)": None if difference is None else f"{1000 * difference:+.3f}",
        "time (s)": None if verdict.seconds is None else f"{verdict.seconds:.1f}",
        "verdict": verdict.verdict,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
