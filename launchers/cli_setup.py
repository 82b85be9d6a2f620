"""``heterofire setup``: installs what pip alone does not."""

from typing import Annotated

import typer

from .cli_options import AsJson, DryRun

setup = typer.Typer(
    name="setup",
    no_args_is_help=True,
    help="Install an engine that pip alone cannot install.",
    epilog="Example: heterofire setup gpaw",
)


@setup.callback()
def _group() -> None:
    """Install an engine that pip alone cannot install."""


@setup.command(epilog="Example: heterofire setup gpaw --dry-run")
def gpaw(
    serial: Annotated[bool, typer.Option("--serial", help="Build without MPI.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Build without MPI, OpenBLAS and libxc.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Build anew, also where it works.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Build and install GPAW (open PAW code, PBE) with what this machine has, and try it on H2."""
    from .gpaw_setup import set_up_gpaw

    code = set_up_gpaw(serial=serial, plain=plain, force=force, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(code)
