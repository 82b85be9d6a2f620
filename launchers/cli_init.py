"""``heterofire init`` on the command line; apart because of its many options."""

from pathlib import Path
from typing import Annotated, Any

import typer


def init(
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="slurm, pbs, sge, lsf or local.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="vasp, xtb or gpaw.")] = None,
    account: Annotated[str | None, typer.Option(help="Account or project that pays.")] = None,
    partition: Annotated[str | None, typer.Option(help="Partition or queue.")] = None,
    cores: Annotated[int | None, typer.Option(help="Cores of one node.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Most nodes of one calculation.")] = None,
    walltime: Annotated[str | None, typer.Option(help="Longest job, HH:MM:SS.")] = None,
    module: Annotated[
        list[str] | None, typer.Option("--module", help="Module of VASP; may be repeated.")
    ] = None,
    vasp_std: Annotated[str | None, typer.Option(help="Such as 'srun vasp_std'.")] = None,
    vasp_gam: Annotated[str | None, typer.Option(help="Its Gamma-only build.")] = None,
    vasp_ncl: Annotated[str | None, typer.Option(help="Its non-collinear build.")] = None,
    vtst: Annotated[
        bool | None, typer.Option("--vtst/--no-vtst", help="VASP is built with VTST.")
    ] = None,
    potcars: Annotated[Path | None, typer.Option(help="POTCAR library.")] = None,
    scratch: Annotated[str | None, typer.Option(help="Scratch, such as '/scratch/$USER'.")] = None,
    parallel_environment: Annotated[str | None, typer.Option(help="Of SGE; default: mpi.")] = None,
    mongodb: Annotated[
        str | None,
        typer.Option(help="mongodb://user@host:27017/database, without the password."),
    ] = None,
    mongodb_env: Annotated[
        str | None, typer.Option(help="Or the variable that holds all of it at run time.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the files, passwords hidden.")
    ] = False,
) -> None:
    """Write FireWorks' files for a cluster or this machine; asks what is not given."""
    answers: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("force", "dry_run")}
    answers["kind"] = answers.pop("cluster")
    answers["walltime_s"] = answers.pop("walltime")
    answers["modules"] = tuple(answers.pop("module") or ()) or None
    from .initialising import initialise  # pydantic is slow to import

    initialise(Path.cwd(), answers, force=force, dry_run=dry_run)
