"""The result database beside raw SQL on the same tables, and beside an ASE database.

Run it with ``python benchmarks/store.py``; ``--json FILE`` keeps the numbers. All ratios are of one
run on one machine: each pair is timed in turn, best of ``--repeats``. Raw SQL is the driver's own
``executemany`` (sqlite3, psycopg) of rows that are ready, in one transaction, on the same tables,
indexes, foreign keys and file settings. Ours starts from `Property` objects: it names, hashes and
checks them. PostgreSQL is a server of our own (tests/postgresql_server.py) with its defaults.

The rows are made up (seeded) after the three studies: 200 models, 40 quantities, 25 labels; four
in ten are energies with 2 or 3 legs, the others have one or two source runs.
"""

import argparse
import gc
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, text

from heterofire.results.array_rows import content_hash, to_json
from heterofire.results.database_checks import check_database
from heterofire.results.property_rows import property_rows
from heterofire.results.records import Leg, Property, formula_elements
from heterofire.results.schema import CALCULATIONS, LEGS, PROPERTIES, SOURCES
from heterofire.results.snapshots import snapshot
from heterofire.results.store import ResultStore

try:
    from heterofire.results import query_pivots, querying
except ImportError:  # the benchmark also runs where there is no query language
    querying = None

N_CALCULATIONS = 2000
N_MODELS, N_LABELS = 200, 25
ENERGIES = ["binding energy", "adsorption energy", "reaction energy", "interface energy"]
OTHERS = [
    *("work function", "band gap", "DOS at E_F", "d-band centre", "charge transfer", "bond length"),
    *(
        "barrier forward",
        "barrier back",
        "migration barrier",
        "interlayer distance",
        "HOMO",
        "LUMO",
    ),
]
QUANTITIES = [f"{ion} {name}" for ion in ("K", "Li", "Na", "TFSI") for name in ENERGIES] + [
    f"{name}{mark}" for mark in ("", " (spin up)") for name in OTHERS
]
METHOD = "GFN1-xTB, 1000 K"
ABOUT = {"profile": "quick", "engine": "xtb"}
FILTER = 'quantity = "K binding energy" AND value < -1.5 AND status = "ok"'
# What `heterofire query` shows of a property, in SQL.
COLUMNS = "study, profile, engine, method, model, quantity, label, reference, value, unit, status"
FILTER_SQL = (
    "SELECT " + COLUMNS + " FROM properties WHERE quantity = 'K binding energy' AND value < -1.5 "  # noqa: S608
    "AND status = 'ok' ORDER BY value LIMIT 100"
)
PIVOT_SQL = (
    "SELECT model, quantity, avg(value), count(*) FROM properties GROUP BY model, quantity "
    "ORDER BY model, quantity"
)


def make_properties(study: str, count: int, *, bare: bool = False) -> Iterator[Property]:
    """Return made-up properties, the same ones for the same study."""
    choice = random.Random(study)  # noqa: S311 - the same rows each time
    for i in range(count):
        quantity = QUANTITIES[i // N_MODELS % len(QUANTITIES)]
        is_energy = quantity.partition(" ")[2] in ENERGIES
        keys = tuple(
            f"{choice.randrange(N_CALCULATIONS):024x}" for _ in range(choice.choice((2, 3)))
        )
        legs = () if bare or not is_energy else tuple(
            Leg(role="host with ion", factor=1.0 if n == 0 else -1.0, key=key,
                energy=choice.uniform(-900, -10), charge=0.0, formula="Mo9 S18 C32 K1")
            for n, key in enumerate(keys)
        )  # fmt: skip
        yield Property(
            study=study, **ABOUT, method=METHOD, model=f"model-{i % N_MODELS:03d}",
            quantity=quantity, label=f"site-{i // (N_MODELS * len(QUANTITIES)) % N_LABELS}",
            reference="K atom" if is_energy else "",
            value=choice.gauss(-1.0, 1.0), unit="eV", energy_kind="E0" if is_energy else "",
            status="ok" if choice.random() < 0.95 else "unconverged", legs=legs,
            keys=() if bare else keys if is_energy else keys[: i % 2 + 1],
            detail={"path": [0.0, 1.25, 2.5]} if "barrier" in quantity else {},
            notes=("coarse k-mesh",) if i % 7 == 0 else (),
        )  # fmt: skip


def make_calculations() -> list[dict[str, Any]]:
    """Return rows of calculations for the properties to refer to: no structures, no arrays."""
    rows = []
    for i in range(N_CALCULATIONS):
        row = {column.name: "" for column in CALCULATIONS.c}
        row |= {"kind": "run", "engine": "xtb", "method": METHOD, "status": "converged"}
        row |= dict.fromkeys(("e0", "free_energy", "e_wo_entropy", "efermi"), -1.0 - i)
        row |= dict.fromkeys(("charge", "magnetization", "n_electrons", "max_force"))
        row |= {"n_ionic_steps": 9, "n_atoms": 60, "elapsed_s": 12.5, "formula": "Mo9 S18 C32 K1"}
        row |= {"key": f"{i:024x}", "folder": f"runs/{i}", "created": "2026-11-01T00:00:00+00:00"}
        row["elements"] = formula_elements(row["formula"])
        rows.append(row | {"sha256": content_hash(row, {})})
    return rows


def new_store(where: str) -> ResultStore:
    """Return a store with the calculations in it."""
    store = ResultStore.open(where)
    with store._writing() as connection:
        connection.execute(insert(CALCULATIONS), make_calculations())
    return store


def raw_rows(properties: Sequence[Property]) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Return columns and rows of each table, ready to be inserted."""
    rows = property_rows(properties, "2026-11-21T00:00:00+00:00")
    tables: dict[str, list[dict[str, Any]]] = {"properties": [], "legs": [], "sources": []}
    for number, row in enumerate(rows, start=1):
        legs, keys = row.pop("legs"), row.pop("keys")
        tables["properties"].append({"id": number, **row})
        place = {"property_id": number}
        tables["legs"] += [{**place, "position": n, **leg} for n, leg in enumerate(legs)]
        tables["sources"] += [{**place, "position": n, "key": key} for n, key in enumerate(keys)]
    found = {}
    for table in (PROPERTIES, LEGS, SOURCES):
        names = [column.name for column in table.c]
        found[table.name] = (names, [tuple(row[n] for n in names) for row in tables[table.name]])
    return found


@contextmanager
def raw_connection(where: str) -> Iterator[tuple[Any, str]]:
    """Give the driver's own connection, and how it marks a parameter."""
    if "://" not in where:
        with closing(sqlite3.connect(where, isolation_level=None)) as connection:
            for pragma in ("foreign_keys = ON", "synchronous = FULL", "journal_mode = WAL"):
                connection.execute(f"PRAGMA {pragma}")
            yield connection, "?"
        return
    import psycopg

    with psycopg.connect(where.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection, "%s"


def insert_raw(where: str, tables: Any) -> None:
    """Insert rows by the driver's executemany, in one transaction."""
    with raw_connection(where) as (connection, mark):
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if mark == "?" else "BEGIN")
        for table, (names, rows) in tables.items():
            marks = ", ".join([mark] * len(names))
            columns = ", ".join(f'"{name}"' for name in names)
            if rows:
                cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608
        cursor.execute("COMMIT")


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    gc.collect()
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def time_inserts(places: "Places", count: int, repeats: int) -> dict[str, Any]:
    """Return seconds to insert so many properties, ours and raw, with and without legs."""
    kinds = {"with legs and sources": False, "bare": True}
    return {name: _time_insert(places, count, repeats, bare) for name, bare in kinds.items()}


def _time_insert(places: "Places", count: int, repeats: int, bare: bool) -> dict[str, Any]:
    properties = list(make_properties("bench", count, bare=bare))
    tables = raw_rows(properties)
    pairs = []
    for _ in range(repeats):
        with new_store(places.new()) as store:
            ours = seconds(
                lambda s=store: s.replace_properties("bench", **ABOUT, properties=properties)
            )
        where = places.new()
        new_store(where).close()
        pairs.append((ours, seconds(lambda w=where: insert_raw(w, tables))))
    return _pair(pairs, count)


def _pair(pairs: Sequence[tuple[float, float]], count: int) -> dict[str, Any]:
    """Return the best of each, and their ratio."""
    ours, raw = (min(values) for values in zip(*pairs, strict=True))
    return {"rows": count, "ours_s": ours, "raw_s": raw, "ratio": ours / raw}


def fill(where: str, count: int) -> float:
    """Fill a database with properties in studies of up to 100,000; return the seconds."""
    started = time.perf_counter()
    with new_store(where) as store:
        for n, start in enumerate(range(0, count, 100_000)):
            items = list(make_properties(f"study-{n}", min(100_000, count - start)))
            store.replace_properties(f"study-{n}", **ABOUT, properties=items)
    return time.perf_counter() - started


def time_queries(where: str, count: int, repeats: int) -> dict[str, Any]:
    """Return seconds of a filter and a pivot, by `heterofire query` and in raw SQL."""
    with raw_connection(where) as (connection, mark):
        cursor = connection.cursor()
        cursor.execute("ANALYZE" if mark == "?" else "VACUUM ANALYZE")
        pairs: dict[str, list[tuple[float, float]]] = {"filter + sort + limit": [], "pivot": []}
        for _ in range(repeats):
            for name, sql in zip(pairs, (FILTER_SQL, PIVOT_SQL), strict=True):
                raw = seconds(lambda q=sql: cursor.execute(q).fetchall())
                ours = seconds(lambda n=name: query(n, where)) if querying else float("nan")
                pairs[name].append((ours, raw))
    return {name: _pair(values, count) for name, values in pairs.items()}


def query(name: str, where: str) -> Any:
    """Run the query language's side of a pair: the same rows as the SQL above."""
    if name == "pivot":
        return query_pivots.pivot(
            rows="model", columns="quantity", value="value", aggregate="mean", database=where
        )
    names = tuple(COLUMNS.split(", "))
    return querying.query(FILTER, sort="value", limit=100, columns=names, database=where)


def time_check(where: str) -> dict[str, Any]:
    """Return the seconds that a check of all hashes and references takes."""
    with snapshot(where) as (connection, _):
        started = time.perf_counter()
        found = check_database(connection)
    if found.problems:
        raise SystemExit(f"the benchmark's database is wrong: {found.problems[:3]}")
    return {"seconds": time.perf_counter() - started, "rows": sum(found.checked.values())}


def time_ase(folder: Path, count: int) -> dict[str, Any]:
    """Return seconds to write the same rows into an ASE database, and to filter and sort them."""
    from ase import Atoms
    from ase.db import connect

    properties = list(make_properties("bench", count))
    names = ("study", "profile", "engine", "method", "model", "quantity", "label", "status", "unit")
    atoms = Atoms("K")

    def write() -> None:
        with connect(folder / "ase.db") as database:
            for item in properties:
                pairs = {name: getattr(item, name) for name in names}
                data = {"legs": [vars(leg) for leg in item.legs], "keys": list(item.keys)}
                database.write(atoms, value=item.value, data=data, **pairs)

    def select() -> None:
        rows = connect(folder / "ase.db").select(
            "quantity=K binding energy,value<-1.5,status=ok", sort="value", limit=100
        )
        found.extend(rows)

    found: list[Any] = []
    written = seconds(write)
    selected = seconds(select)
    where = str(folder / "ours.db")
    with new_store(where) as store:
        ours = seconds(lambda: store.replace_properties("bench", **ABOUT, properties=properties))
    with raw_connection(where) as (connection, _):
        raw = seconds(lambda: connection.execute(FILTER_SQL).fetchall())
    sizes = [(folder / name).stat().st_size / 1e6 for name in ("ase.db", "ours.db")]
    return {
        "rows": count, "write_s": written, "ours_write_s": ours, "write_ratio": written / ours,
        "select_s": selected, "found": len(found), "raw_select_s": raw,
        "select_ratio": selected / raw, "ase_MB": sizes[0], "ours_MB": sizes[1],
    }  # fmt: skip


class Places:
    """Hands out new databases: files in a folder, or databases of a server."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self._folder, self._server, self._n = folder, server, 0

    def new(self) -> str:
        """Return the path or URL of an empty database; the one before is gone."""
        self._n += 1
        if self._server is None:
            for old in self._folder.glob("bench-*.db*"):
                old.unlink()
            return str(self._folder / f"bench-{self._n}.db")
        engine = create_engine(self._server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS bench{self._n - 1} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE bench{self._n}"))
        engine.dispose()
        return self._server.replace("/postgres?", f"/bench{self._n}?")


@contextmanager
def postgresql() -> Iterator[str | None]:
    """Give the URL of a server of our own; None, and why, where there is none."""
    script = Path(__file__).parents[1] / "tests" / "postgresql_server.py"
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(script)], text=True, **pipes) as server:
        url = server.stdout.readline().strip()
        if not url:
            print(f"PostgreSQL is left out: {server.stderr.read().strip()}", file=sys.stderr)
        yield url or None
        server.stdin.close()


def measure(places: Places, options: argparse.Namespace) -> dict[str, Any]:
    """Return all numbers of one kind of database."""
    found = {"insert": time_inserts(places, options.insert, options.repeats)}
    where = places.new()
    found["fill"] = {"rows": options.rows, "seconds": fill(where, options.rows)}
    found["query"] = time_queries(where, options.rows, options.repeats)
    found["check"] = time_check(where)
    return found


def show(kind: str, found: dict[str, Any]) -> None:
    """Print the numbers of one kind of database as text."""
    print(f"{kind}")
    for group, limit in (("insert", 3.0), ("query", 1.5)):
        for name, pair in found[group].items():
            print(
                f"  {group} {name:24s} {pair['rows']:8d} rows  ours {pair['ours_s']:8.3f} s"
                f"  raw {pair['raw_s']:8.3f} s  ratio {pair['ratio']:5.2f} (at most {limit})"
            )
    for name in ("fill", "check"):
        print(f"  {name:31s} {found[name]['rows']:8d} rows  {found[name]['seconds']:13.1f} s")
    sys.stdout.flush()


_KINDS = ("sqlite", "postgresql", "ase")


def main() -> None:
    """Print the ratios, and keep them as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="properties to query")
    parser.add_argument("--insert", type=int, default=100_000, help="properties to insert")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="+", choices=_KINDS, default=_KINDS)
    options = parser.parse_args()
    found: dict[str, Any] = {"cores": os.cpu_count()}
    if querying is None:
        print("results/querying.py is not there: its side of the queries is left out")
    if "sqlite" in options.only:
        with tempfile.TemporaryDirectory() as name:
            found["sqlite"] = measure(Places(Path(name), None), options)
            show(f"SQLite {sqlite3.sqlite_version}", found["sqlite"])
    if "postgresql" in options.only:
        with tempfile.TemporaryDirectory() as name, postgresql() as url:
            if url:
                found["postgresql"] = measure(Places(Path(name), url), options)
                show("PostgreSQL", found["postgresql"])
    if "ase" in options.only:
        with tempfile.TemporaryDirectory() as name:
            found["ase"] = ase = time_ase(Path(name), options.insert)
        print(
            f"ASE database, {ase['rows']} rows: write {ase['write_s']:.1f} s, "
            f"{ase['write_ratio']:.1f} times ours; filter + sort {ase['select_s']:.2f} s, "
            f"{ase['select_ratio']:.0f} times SQL on ours; {ase['ase_MB']:.0f} MB, ours "
            f"{ase['ours_MB']:.0f} MB"
        )
    if options.json:
        options.json.write_text(to_json(found) if querying else json.dumps(found))


if __name__ == "__main__":
    main()
