"""Stored calculations chosen by name, by key, or by chance."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Select, select

from ..structures.errors import InputError
from .records import Label
from .schema import CALCULATIONS, USES
from .store import ResultStore

_LEAST_OF_A_KEY = 6  # letters
CHEAP_S = 60.0  # one energy, measured while relaxing: from scratch it may take three times as long


@dataclass(frozen=True, kw_only=True)
class StoredCalculation:
    """A row of the database: enough to say what it is and how long it takes."""

    key: str
    kind: str  # "run", "band", "difference"
    engine: str
    engine_version: str
    method: str
    elapsed_s: float
    n_ionic_steps: int
    labels: tuple[Label, ...]  # what it is for; one at least

    @property
    def name(self) -> str:
        """Return what the first study calls it."""
        return self.labels[0].name

    @property
    def seconds(self) -> float:
        """Return about how long one energy of it takes; of a band one of all images."""
        return self.elapsed_s / max(self.n_ionic_steps, 1)


def stored_calculations(
    store: ResultStore,
    *,
    study: str | None = None,
    profile: str | None = None,
    engine: str | None = None,
) -> list[StoredCalculation]:
    """Return the calculations of a database by name, those of a study, profile or engine."""
    asked = ((USES.c.study, study), (USES.c.profile, profile), (CALCULATIONS.c.engine, engine))
    of_the_run = ("kind", "engine", "engine_version", "method", "elapsed_s", "n_ionic_steps")
    query: Select[Any] = (
        select(USES, *(CALCULATIONS.c[name] for name in of_the_run))
        .join(CALCULATIONS, CALCULATIONS.c.key == USES.c.key)
        .where(*(column == value for column, value in asked if value is not None))
        .order_by(USES.c.name, USES.c.study, USES.c.profile, USES.c.key)
    )
    found: dict[str, tuple[dict[str, Any], list[Label]]] = {}
    with store.reading() as connection:
        for row in connection.execute(query).mappings():
            label = Label(**{n: row[n] for n in ("study", "profile", "model", "task", "name")})
            about = {name: row[name] for name in of_the_run}
            found.setdefault(row["key"], (about, []))[1].append(label)
    return [
        StoredCalculation(key=key, labels=tuple(labels), **about)
        for key, (about, labels) in found.items()
    ]


def named_calculations(
    known: Sequence[StoredCalculation], words: Sequence[str], where: str
) -> list[StoredCalculation]:
    """Return the calculations of names or keys, each once, in that order.

    Parameters
    ----------
    known
        Of the database.
    words
        Names in full, keys, or the first letters of keys (six at least).
    where
        The database's name, for messages.

    Raises
    ------
    InputError
        A word is none of these, or stands for several calculations.
    """
    chosen = [_named(known, word, where) for word in words]
    return list({item.key: item for item in chosen}.values())


def _named(known: Sequence[StoredCalculation], word: str, where: str) -> StoredCalculation:
    found = [item for item in known if any(label.name == word for label in item.labels)]
    if not found and len(word) >= _LEAST_OF_A_KEY:
        found = [item for item in known if item.key.startswith(word)]
    if len(found) == 1:
        return found[0]
    if found:
        several = "; ".join(
            f"{item.key[:8]} ({item.labels[0].study}, {item.labels[0].profile}, {item.engine})"
            for item in found
        )
        raise InputError(
            f"{word!r} stands for {len(found)} calculations in {where}: {several}. Name a key, or "
            "add --study, --profile or --engine."
        )
    names = sorted({label.name for item in known for label in item.labels})
    close = get_close_matches(word, names, n=3, cutoff=0.4) or names[:3]
    raise InputError(
        f"{where} has no calculation {word!r}; it has {', '.join(close) or 'none'} ... See: "
        "heterofire query --of calculations --columns name,key"
    )


def random_calculations(
    known: Sequence[StoredCalculation], n: int, *, seed: int, cheap: bool = False
) -> list[StoredCalculation]:
    """Return some runs and bands, by chance; the same ones for the same seed.

    Parameters
    ----------
    cheap
        Only those of which one energy took less than a minute.

    Raises
    ------
    InputError
        There are fewer.
    """
    drawn_from = [
        item for item in known if item.kind != "difference" and (not cheap or _is_cheap(item))
    ]
    if len(drawn_from) < n:
        what = "cheap calculations" if cheap else "calculations"
        raise InputError(f"{n} {what} were asked for, there are {len(drawn_from)}")
    by_key = sorted(drawn_from, key=lambda item: item.key)
    return random.Random(seed).sample(by_key, n)  # noqa: S311


def _is_cheap(item: StoredCalculation) -> bool:
    return item.seconds < CHEAP_S
