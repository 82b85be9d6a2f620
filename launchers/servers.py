"""MongoDB servers that LaunchPads are on: opened, asked within seconds, waited for.

No password is shown, whatever goes wrong.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pymongo
import yaml
from fireworks.core.launchpad import LaunchPad
from pymongo.errors import PyMongoError

from ..structures.errors import InputError, StoreError
from .mongodb_addresses import fill_from_environment

_log = logging.getLogger(__name__)

_ANSWER_S = 8.0  # how long a server may take to answer; pymongo's own default is 30 s
_PATIENCE_S = 3600.0  # how long a worker waits for one that answered before


def check_server(launchpad: LaunchPad, named_in: Path) -> None:
    """Refuse a MongoDB server that does not answer, or lets nobody in, within seconds.

    Parameters
    ----------
    launchpad
        Opened from the file.
    named_in
        The ``my_launchpad.yaml`` that names it, for the message.

    Raises
    ------
    StoreError
        What the server said, never with the password.
    """
    try:
        _ask(launchpad)
    except PyMongoError as error:
        raise StoreError(_refusal(launchpad, named_in, error)) from None  # a cause may hold secrets


def is_lost_server(error: BaseException) -> bool:
    """Tell whether an error of a LaunchPad is its server's; FireWorks wraps some as text.

    Examples
    --------
    >>> is_lost_server(PyMongoError("gone")), is_lost_server(RuntimeError("pymongo.errors.Gone"))
    (True, True)
    >>> is_lost_server(RuntimeError("Error refreshing workflow: KeyError"))
    False
    """
    return isinstance(error, PyMongoError) or "pymongo.errors" in str(error)


def wait_for_server(launchpad: LaunchPad, stopping: Sequence[int] = ()) -> None:
    """Return once the server answers again, or when `stopping` holds a signal.

    Raises
    ------
    StoreError
        It did not for an hour, or it refuses the login.
    """
    end = time.monotonic() + _PATIENCE_S
    while not stopping:
        try:
            return _ask(launchpad)
        except PyMongoError as error:
            if _refuses_login(error) or time.monotonic() > end:
                raise StoreError(without_secrets(str(error), vars(launchpad))) from None
            _log.warning("the MongoDB server does not answer; waiting for it")
            time.sleep(1.0)


def _ask(launchpad: LaunchPad) -> None:
    """Read one document: unlike a ping, that needs a login where the server wants one."""
    with pymongo.timeout(_ANSWER_S):
        launchpad.fw_id_assigner.find_one({}, {"_id": 1})


def open_server(my_launchpad: Path, strm_lvl: str | None = None) -> LaunchPad:
    """Return the LaunchPad that FireWorks' own file names; no server is asked yet."""
    if not my_launchpad.is_file():
        raise InputError(
            f"{my_launchpad} is not there; `heterofire init` or `heterofire lpad init` writes one."
        )
    content: Any = None
    try:
        content = yaml.safe_load(my_launchpad.read_text())
        if not isinstance(content, dict) or "host" not in content:
            raise TypeError("no `host` in it")
        filled = fill_from_environment(content, str(my_launchpad))
        return LaunchPad.from_dict({"strm_lvl": strm_lvl} | filled)
    except (yaml.YAMLError, TypeError, ValueError, PyMongoError) as error:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            # Its text quotes the line, which may be that of the password.
            reason = f"{error.problem} in line {error.problem_mark.line + 1}"
        else:
            reason = without_secrets(str(error), content if isinstance(content, dict) else {})
        raise InputError(
            f"{my_launchpad} does not describe a MongoDB server ({reason}). It needs `host`, "
            "`port` and `name`, as `heterofire init` writes them."
        ) from None


def _refusal(launchpad: LaunchPad, named_in: Path, error: PyMongoError) -> str:
    """Return what a server did instead of answering, and what to do."""
    reason = without_secrets(
        str(error).split(", full error")[0].split(", Timeout:")[0], vars(launchpad)
    )
    if _refuses_login(error):
        return (
            f"the MongoDB server that {named_in} names refuses the login: {reason}. Correct "
            "username, password and authsource there."
        )
    return (
        f"the MongoDB server that {named_in} names does not answer: {reason}. Start it or "
        "correct the file; without the file the LaunchPad is a file in this folder."
    )


def _refuses_login(error: PyMongoError) -> bool:
    """Tell whether waiting would not help: MongoDB's Unauthorized and AuthenticationFailed."""
    return getattr(error, "code", None) in (13, 18)


def without_secrets(text: str, known: Mapping[str, Any]) -> str:
    """Return a text without the password of a LaunchPad, or the login of its URI.

    Examples
    --------
    >>> without_secrets("bad host me:hunter2@db", {"host": "mongodb://me:hunter2@db/fw"})
    'bad host ***@db'
    """
    login = re.match(r"[\w+]+://(.*)@", str(known.get("host") or ""))
    secrets = [str(known.get("password") or "")]
    if login:
        password = login[1].partition(":")[2]
        secrets += [login[1], password, unquote_plus(password)]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
