"""FireTasks run outside FireWorks' rocket, and what they decide, in the rocket's own form."""

import contextlib
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireworks import FiretaskBase, FWAction
from pymongo.errors import PyMongoError

from ..structures.errors import StoreError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one task decided; ``has_failed`` when it raised, and the action then says what."""

    action: FWAction
    has_failed: bool = False

    @property
    def is_last(self) -> bool:
        """Tell whether the tasks after it are left out, by failure or by its own decision."""
        return self.has_failed or bool(self.action.skip_remaining_tasks)


def run_task(task: FiretaskBase, spec: Mapping[str, Any], folder: Path) -> Outcome:
    """Run one task in a folder as FireWorks' rocket does.

    Raises
    ------
    StoreError, PyMongoError
        A database cannot be reached or written: nothing that the task itself is to blame for.
    """
    try:
        with contextlib.chdir(folder):
            return Outcome(action=task.run_task(dict(spec)) or FWAction())
    except (StoreError, PyMongoError):
        raise
    except Exception as error:
        _log.info("%s failed in %s: %s", type(task).__name__, folder, error)
        return Outcome(action=failure(traceback.format_exc(), task), has_failed=True)


def failure(trace: str, task: FiretaskBase | None = None) -> FWAction:
    """Return the action with which FireWorks records an exception."""
    return FWAction(
        stored_data={
            "_message": "runtime error during task",
            "_task": task.to_dict() if task is not None else None,
            "_exception": {"_stacktrace": trace, "_details": None},
        },
        exit=True,
    )


def merged(actions: Sequence[FWAction]) -> FWAction:
    """Return the action of a firework: the last one's decisions, and what all of them stored.

    Examples
    --------
    >>> first, last = FWAction(stored_data={"a": 1}), FWAction(stored_data={"b": 2}, exit=True)
    >>> whole = merged([first, last])
    >>> whole.stored_data, whole.exit
    ({'a': 1, 'b': 2}, True)
    """
    if not actions:
        return FWAction()
    whole = FWAction.from_dict(actions[-1].to_dict())
    whole.stored_data, whole.update_spec, whole.mod_spec = {}, {}, []
    for action in actions:
        whole.stored_data.update(action.stored_data)
        whole.update_spec.update(action.update_spec)
        whole.mod_spec.extend(action.mod_spec)
    return whole
