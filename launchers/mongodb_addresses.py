"""MongoDB addresses: taken apart, shown without their password, filled in from the environment."""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from ..structures.errors import InputError

_FROM_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_PASSWORD = re.compile(r"(mongodb(?:\+srv)?://[^:@/\s]*):[^/\s]*@")


def without_password(text: str) -> str:
    """Return a text in which no MongoDB address shows its password.

    Examples
    --------
    >>> without_password("no answer from mongodb://ann:p@ss@db.org:27017/fireworks")
    'no answer from mongodb://ann:***@db.org:27017/fireworks'
    """
    return _PASSWORD.sub(r"\1:***@", text)


def password_in(uri: str) -> bool:
    """Return whether an address holds a password.

    Examples
    --------
    >>> password_in("mongodb://ann:secret@db.org"), password_in("mongodb://ann@db.org:27017")
    (True, False)
    """
    return _PASSWORD.match(uri) is not None


def user_in(uri: str) -> str | None:
    """Return the user that an address names, or None.

    Examples
    --------
    >>> user_in("mongodb://ann@db.org:27017/fireworks"), user_in("mongodb://db.org")
    ('ann', None)
    """
    name = urlsplit(uri).username
    return unquote(name) if name else None


def database_in(uri: str) -> str:
    """Return the database that an address names; FireWorks' own default where it names none.

    Examples
    --------
    >>> database_in("mongodb://db.org/battery?authSource=admin"), database_in("mongodb://db.org")
    ('battery', 'fireworks')
    """
    return urlsplit(uri).path.strip("/") or "fireworks"


def check_address(uri: str) -> None:
    """Refuse what is not a MongoDB address, without showing what it holds.

    Raises
    ------
    InputError
        Names what is wanted.

    Examples
    --------
    >>> check_address("mongodb://ann@db.org:27017/fireworks")
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("mongodb", "mongodb+srv") or not parts.netloc or re.search(r"\s", uri):
        raise InputError(
            f"{without_password(uri)!r} is no MongoDB address; it should look like "
            "mongodb://user@host:27017/database"
        )


def launchpad_entries(uri: str, password: str | None) -> dict[str, Any]:
    """Return what FireWorks' ``my_launchpad.yaml`` holds for an address.

    Parameters
    ----------
    uri
        Without password.
    password
        Goes where FireWorks looks for it: into the address.
    """
    if password is not None:
        scheme, _, rest = uri.partition("://")
        user, _, host = rest.partition("@")
        uri = f"{scheme}://{user}:{quote(password, safe='')}@{host}"
    return {"host": uri, "uri_mode": True, "name": database_in(uri), "logdir": None}


def fill_from_environment(entries: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the entries of a ``my_launchpad.yaml`` with ``${NAME}`` replaced by its value.

    The file then holds no secret. FireWorks' own commands do not do this: use heterofire's.

    Parameters
    ----------
    entries
        What the file holds.
    source
        The file, for messages.

    Raises
    ------
    InputError
        The environment has no such variable; its name is shown, never its value.
    """
    filled = {key: _filled(value, source) for key, value in entries.items()}
    if filled != dict(entries) and "://" in str(filled.get("host")):
        check_address(str(filled["host"]))
        filled["name"] = database_in(str(filled["host"]))
    return filled


def _filled(value: Any, source: str) -> Any:
    """Return one entry with the variables it names filled in."""
    if not isinstance(value, str):
        return value
    for name in _FROM_ENVIRONMENT.findall(value):
        if name not in os.environ:
            raise InputError(
                f"{source} takes the MongoDB address from the environment variable {name}, which "
                f"is not set. Set it (export {name}=...) before this command and in job scripts."
            )
    return _FROM_ENVIRONMENT.sub(lambda match: os.environ[match.group(1)], value)
