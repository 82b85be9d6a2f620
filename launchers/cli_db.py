"""``heterofire db`` on the command line: look after the result database."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import AsJson, DatabaseName, DryRun

db = typer.Typer(
    name="db",
    no_args_is_help=True,
    help="Look after the result database: results.db here, or what HETEROFIRE_DB names.",
    epilog="Example: heterofire db check",
)


@db.command(epilog="Example: heterofire db info --json")
def info(database: DatabaseName = None, as_json: AsJson = False) -> None:
    """Say what the database holds: schema, size, rows, studies."""
    from .database_care import print_info  # SQLAlchemy is slow to import

    print_info(database, as_json=as_json)


@db.command(epilog="Example: heterofire db check")
def check(database: DatabaseName = None, as_json: AsJson = False) -> None:
    """Recompute every hash and follow every reference; exit code 1 when something is wrong."""
    from .database_care import print_check

    raise typer.Exit(print_check(database, as_json=as_json))


@db.command(epilog="Example: heterofire db backup results.backup.db")
def backup(
    file: Annotated[Path, typer.Argument(help="The SQLite file to write.")],
    database: DatabaseName = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the database into one file while others write, and check the copy."""
    from .database_care import print_backup

    raise typer.Exit(print_backup(database, file, force=force, as_json=as_json))


@db.command(epilog="Example: heterofire db migrate --dry-run")
def migrate(
    database: DatabaseName = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Bring an older database up to date; of a file a backup is made beside it first."""
    from .database_care import print_migration

    print_migration(database, dry_run=dry_run, as_json=as_json)


@db.command(epilog="Example: heterofire db merge ../colleague/results.db --dry-run")
def merge(
    other: Annotated[str, typer.Argument(help="Another result database: file or URL.")],
    database: DatabaseName = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take over what another database has and this one lacks; exit code 1 on conflicts."""
    from .database_care import print_merge

    raise typer.Exit(print_merge(database, other, dry_run=dry_run, as_json=as_json))


@db.command(epilog="Example: heterofire db publish potassium-anode --to reference.db")
def publish(
    studies: Annotated[list[str], typer.Argument(help="Whose rows; names or YAML files.")],
    to: Annotated[Path, typer.Option("--to", help="The SQLite file; its SHA-256 beside it.")],
    profile: Annotated[str | None, typer.Option(help="Only this one; default: all.")] = None,
    engine: Annotated[str | None, typer.Option(help="Only this one; default: all.")] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also what the studies do not plan any more.")
    ] = False,
    database: DatabaseName = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a small, checksummed file of studies that can be shipped; the same bytes each time."""
    from .publishing import print_publication

    print_publication(
        database,
        to,
        studies,
        profile=profile,
        engine=engine,
        everything=everything,
        dry_run=dry_run,
        as_json=as_json,
    )
