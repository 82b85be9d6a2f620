"""Database errors in words that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from ..structures.errors import StoreError

# Words of the message, or the SQLSTATE of PostgreSQL, whose messages may be in any language.
_REMEDIES = {
    ("is full", "53100", "no space left"): "The disk is full: free some space and run the same "
    "command again.",
    ("disk i/o",): "The disk refuses to write: check space and quota, then run the command again.",
    ("readonly", "read-only", "25006"): "The file or its folder is read-only: change the "
    "permissions or name another file.",
    ("unable to open",): "The folder is missing or not writable: create it or name another file.",
    ("locked", "55P03"): "Another process is writing for over a minute: look for a hung one, then "
    "try again.",
    ("malformed", "database disk image"): "The file is damaged: restore a backup, or move it away "
    "and collect the run folders again.",
    ("not a database",): "It is not a heterofire result file: name another one.",
    ("28P01", "28000", "password"): "Check user and password; PostgreSQL reads the password from "
    "~/.pgpass or PGPASSWORD.",
    ("3D000", "fatal: database"): "Make the database first: createdb NAME, or name another one.",
    ("42501",): "Ask its owner for the right to create tables: GRANT CREATE ON SCHEMA public TO "
    "you.",
    ("connection failed", "could not translate", "timeout expired"): "Is the server running, and "
    "are host and port right?",
    ("57P01", "57P03", "server closed", "connection is lost"): "The server went away: look at its "
    "log, then run the same command again.",
    (
        "nul (0x00)",
        "22021",
        "surrogates not allowed",
    ): "A name holds a character that a database cannot keep: rename the folder or model.",
}


def store_error(doing: str, name: str, error: BaseException) -> StoreError:
    """Return an error that says what to do about a database error.

    Examples
    --------
    >>> print(store_error("write", "results.db", OSError("database or disk is full")))
    cannot write results.db: database or disk is full. The disk is full: free some space and ...
    """
    text = " ".join(str(error).split()).rstrip(".")
    searched = f"{text} {getattr(error, 'sqlstate', '')}".lower()
    for words, remedy in _REMEDIES.items():
        if any(word.lower() in searched for word in words):
            return StoreError(f"cannot {doing} {name}: {text}. {remedy} Nothing was changed.")
    return StoreError(f"cannot {doing} {name}: {text}. Nothing was changed.")


@contextmanager
def explained(doing: str, name: str) -> Iterator[None]:
    """Turn a database error of the body into one that says what to do."""
    try:
        yield
    except DBAPIError as error:
        raise store_error(doing, name, error.orig or error) from error
    except UnicodeError as error:  # a file name that is no text
        raise store_error(doing, name, error) from error
