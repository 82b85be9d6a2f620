"""What ``collect FOLDER`` shows: progress, what was taken in, and why the rest was not."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from .ingesting import collect_folders
from .ingests import Ingest
from .listing import print_rows
from .project import Project

_LINE_EVERY_S = 10.0  # where there is no terminal
_LOOK_EVERY_S = 0.2


def print_ingest(
    project: Project,
    folders: Sequence[Path],
    *,
    study: str,
    model: str | None,
    n_workers: int,
    again: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Collect folders and print what came of it; the exit code is 1 when there was nothing."""
    store = None if dry_run and not project.has_store() else project.store
    with _Shown(Console(stderr=True)) as shown:
        ingest = collect_folders(
            store,
            folders,
            study=study,
            model=model,
            n_workers=n_workers,
            again=again,
            dry_run=dry_run,
            on_progress=shown.update,
        )
    if as_json:
        print(json.dumps(ingest.to_dict() | {"dry_run": dry_run}, indent=1))
    else:
        _print_words(ingest, dry_run=dry_run)
    return 0 if ingest.n_found else 1


def _print_words(ingest: Ingest, *, dry_run: bool) -> None:
    """Print the table of what was taken in; reasons and the summary go to stderr."""
    if dry_run:
        print("\n".join(ingest.to_read))
    elif ingest.taken:
        rows = [
            {
                "folder": escape(item.name),  # brackets are no markup of rich's
                "formula": item.formula,
                "task": item.task,
                "status": item.status,
                "E0 (eV)": _energy(item.e0, item.highest_image),
                "method": item.method,
            }
            for item in ingest.taken
        ]
        print_rows(rows, as_json=False)
    for name, other in ingest.same:
        print(f"same run: {name} is stored as {other}", file=sys.stderr)
    for left in ingest.left_out:
        print(f"left out: {left.name}: {left.reason}", file=sys.stderr)
    print(summary(ingest, dry_run=dry_run), file=sys.stderr)


def _energy(e0: float | None, highest_image: float | None) -> str:
    if e0 is not None:
        return f"{e0:.6f}"
    return "" if highest_image is None else f"highest image {highest_image:+.4f}"


def summary(ingest: Ingest, *, dry_run: bool = False) -> str:
    """Return what was done in one line.

    Examples
    --------
    >>> from heterofire.launchers.ingests import Left
    >>> left = Left(name="a", folder="/a", reason="cut", again=False)
    >>> print(summary(Ingest(study="s", n_found=1, left_out=[left])))
    0 taken in as study s, 1 left out with a reason
    >>> print(summary(Ingest(study="s")))
    nothing of VASP's was found: no vasprun.xml, OUTCAR or inputs
    """
    if not ingest.n_found:
        return "nothing of VASP's was found: no vasprun.xml, OUTCAR or inputs"
    if dry_run:
        words = [f"{len(ingest.to_read)} to read ({_size(ingest.n_bytes_to_read)})"]
    else:
        studies = sorted({item.study for item in ingest.taken} or {ingest.study})
        words = [f"{len(ingest.taken)} taken in as study {', '.join(studies)}"]
    if ingest.same:
        words.append(f"{len(ingest.same)} the same as others")
    if ingest.unchanged:
        words.append(f"{len(ingest.unchanged)} taken in before")
    words.append(f"{len(ingest.left_out)} left out with a reason")
    if ingest.n_read:
        words.append(_speed(ingest))
    return ", ".join(words)


def _speed(ingest: Ingest) -> str:
    """Return how much was read and how fast; bytes are those on the disk."""
    seconds = max(ingest.seconds, 1e-9)
    return (
        f"{ingest.n_files} files, {_size(ingest.n_bytes)} in {ingest.seconds:.1f} s "
        f"({ingest.n_files / seconds:.3g} files/s, {ingest.n_bytes / 1e6 / seconds:.3g} MB/s)"
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"


def _how_far(ingest: Ingest, name: str) -> str:
    """Return how much is read, and how long the rest takes at this speed."""
    if not ingest.to_read:
        return f"{ingest.n_found} found, {name}"
    words = f"{ingest.n_read}/{len(ingest.to_read)} read"
    if not ingest.n_bytes:
        return words
    left_s = (ingest.n_bytes_to_read - ingest.n_bytes) * ingest.seconds / ingest.n_bytes
    return f"{words}, {_speed(ingest)}, about {left_s:.0f} s left, {name}"


class _Shown:
    """Progress: a line that changes on a terminal, else a line every ten seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Without a thread that refreshes by itself: the reading processes are forked beside it.
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last = time.monotonic()

    def __enter__(self) -> "_Shown":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def update(self, ingest: Ingest, name: str) -> None:
        """Show how far it is."""
        is_terminal = self._console.is_terminal
        now = time.monotonic()
        if now - self._last < (_LOOK_EVERY_S if is_terminal else _LINE_EVERY_S):
            return
        self._last = now
        words = _how_far(ingest, name)
        if is_terminal:
            self._live.update(Text(words, no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            print(words, file=sys.stderr)
