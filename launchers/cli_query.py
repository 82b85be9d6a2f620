"""``heterofire query`` on the command line; apart because of its many options."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import DatabaseName


def query(
    filter_text: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="Such as 'model = MoS2@NC AND value < -1'.")
    ] = "",
    of: Annotated[str, typer.Option(help="properties, calculations or legs.")] = "properties",
    sort: Annotated[str, typer.Option(help="COLUMN[:desc], several with commas.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    columns: Annotated[str, typer.Option(help="Which to show, with commas.")] = "",
    fmt: Annotated[
        str | None, typer.Option("--format", help="table, csv, json, jsonl, parquet or latex.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File; its ending says the format.")
    ] = None,
    ase: Annotated[
        Path | None, typer.Option(help="Write the runs behind the rows as an ASE database.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Only say how many rows.")] = False,
    pivot: Annotated[
        tuple[str, str] | None, typer.Option(metavar="ROWS COLUMNS", help="One number per pair.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="What the pivot is of.")] = None,
    aggregate: Annotated[
        str | None, typer.Option(help="Of several in one cell: mean, min, max, sum or count.")
    ] = None,
    sql: Annotated[str | None, typer.Option(help="One SELECT of your own; reads only.")] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Of --sql, in seconds.")] = 60.0,
    database: DatabaseName = None,
    list_columns: Annotated[
        bool, typer.Option("--list-columns", help="Say what can be asked about.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the SQL and its values; ask nothing.")
    ] = False,
) -> None:
    """Print rows of the result database: numbers, calculations, or legs of energies."""
    from ..results.querying import ask
    from .answering import Answer, answer, print_columns  # SQLAlchemy is slow to import
    from .settings import load_settings

    if list_columns:
        print_columns(of, as_json=as_json)
        return
    answer(
        ask(filter_text, of=of, sort=sort, limit=limit, columns=columns),
        Answer(
            database=load_settings(database=database).database,
            fmt="json" if as_json else fmt,
            output=output,
            ase=ase,
            sql=sql,
            time_limit_s=time_limit,
            pivot=pivot,
            value=value,
            aggregate=aggregate,
            count=count,
            dry_run=dry_run,
        ),
    )
