"""Small real things that several test files need."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.records import Band, Bands, Dos, Image, Label, Run, Settings, SiteCharges
from heterofire.results.store import ResultStore

_MOLECULES = """\
study: molecules
title: Nothing that takes long
hosts: []
phases:
  K atom: {atom: K}
  K: {crystal: K_bcc, supercell: [2, 2, 2]}
  S: {molecule: S8}
  K2S: {crystal: K2S}
reactions: [{name: K + S, reactants: [K2S], products: [K, S]}]
per: {elements: [S], atoms: 1, unit_name: K2S}
"""

_SETTINGS = Settings(
    engine="xtb",
    method="GFN1-xTB, 1000 K",
    functional="GFN1-xTB",
    cutoff=None,
    potcars=(),
    dispersion="built in",
    hubbard_u=(),
    smearing="Fermi",
    sigma=0.0862,
    kpoint_spacing=0.8,
)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Keep what works on the one Slurm of this machine in one process: faults harm the others."""
    for item in items:
        if "slurm" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("slurm"))


@pytest.fixture(scope="session")
def make_structure() -> Callable[..., Structure]:
    """Build a periodic structure of given elements on a line, or one in a wide box."""

    def build(*symbols: str, box: float | None = None, a: float = 8.0) -> Structure:
        lattice = Lattice.cubic(box) if box else Lattice.orthorhombic(a, a, 3.0 * len(symbols))
        step = 2.5 / lattice.c
        coords = [[0.1, 0.2, 0.1 + i * step] for i in range(len(symbols))]
        return Structure(lattice, list(symbols), coords)

    return build


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Build a finished run; keywords change its fields or those of its settings."""
    names = {field.name for field in fields(Settings)}

    def build(structure: Structure, e0: float = -10.0, **changes: Any) -> Run:
        settings = replace(_SETTINGS, **{n: v for n, v in changes.items() if n in names})
        run = Run(
            folder=f"runs/{structure.composition.reduced_formula}",
            settings=settings,
            engine_version="0.8.0",
            status="converged",
            reasons=(),
            initial_structure=structure,
            structure=structure,
            e0=e0,
            free_energy=e0 - 0.01,
            e_wo_entropy=e0 + 0.01,
            efermi=-1.25,
            forces=np.linspace(-0.03, 0.03, 3 * len(structure)).reshape(-1, 3),
            max_force=0.03,
            n_ionic_steps=7,
            n_electrons=6.0 * len(structure),
            charge=0.0,
            magnetization=None,
            incar={"ISMEAR": -1, "SIGMA": 0.0862, "LREAL": "Auto", "MAGMOM": [1.0, 0.0]},
            kpoints={"style": "Gamma", "mesh": [1, 1, 1]},
            elapsed_s=12.5,
        )
        return replace(run, **{n: v for n, v in changes.items() if n not in names})

    return build


@pytest.fixture(scope="session")
def make_dos() -> Callable[..., Dos]:
    """Build a DOS of Gaussian levels; the projections share it out among atoms and orbitals."""

    def build(levels: list[float], *, n_atoms: int = 1, efermi: float = 0.0) -> Dos:
        energies = np.linspace(-12, 8, 2001)
        width = 0.1
        peaks = np.exp(-(((energies - np.array(levels)[:, None]) / width) ** 2))
        total = 2 * peaks.sum(axis=0)[None, :] / (width * np.sqrt(np.pi))
        share = np.arange(1.0, n_atoms * 3 + 1).reshape(n_atoms, 3, 1, 1)
        return Dos(
            energies=energies,
            total=total,
            projected=share / share.sum() * total[None, None],
            orbitals=("s", "p", "d"),
            efermi=efermi,
            projection="Mulliken",
        )

    return build


@pytest.fixture
def full_run(make_run, make_structure, make_dos) -> Run:
    """A run with everything a record can hold."""
    structure = make_structure("Mo", "S", "S")
    structure.add_site_property("selective_dynamics", [[True, True, False]] * 3)
    levels = np.linspace(-5, 5, 12).reshape(1, 2, 6)
    return make_run(
        structure,
        e0=-31.123456789012345,
        magnetization=0.5,
        moments=np.array([0.6, -0.05, -0.05]),
        vacuum_level=1.25,
        vacuum_spread=0.01,
        hubbard_u=(("Mo", 4.38),),
        potcars=("Mo_pv", "S"),
        dos=make_dos([-3.0, 0.1, 2.0], n_atoms=3),
        bands=Bands(
            eigenvalues=levels, occupations=(levels < 0) * 1.0, weights=np.array([0.25, 0.75])
        ),
        site_charges=SiteCharges(
            scheme="Mulliken", electrons=np.array([5.5, 6.2, 6.3]), net=np.array([0.5, -0.2, -0.3])
        ),
        corrections=("ZBRENT: POTIM 0.5 -> 0.1",),
        notes=("ENCUT not honoured",),
        n_cores=16,
    )


@pytest.fixture(scope="session")
def make_band(make_run) -> Callable[..., Band]:
    """Build a band with given image energies, 0.8 Angstrom apart."""

    def build(structure: Structure, energies: list[float], **changes: Any) -> Band:
        run = make_run(structure)
        band = Band(
            folder="runs/neb",
            settings=run.settings,
            engine_version="0.8.0",
            status="converged",
            reasons=(),
            images=tuple(
                Image(
                    structure=structure,
                    e0=energy,
                    free_energy=energy - 0.01,
                    e_wo_entropy=energy + 0.01,
                    max_force=0.04,
                    status="converged",
                )
                for energy in energies
            ),
            path=0.8 * np.arange(len(energies)),
            is_climbing=True,
            n_ionic_steps=20,
            incar={"IMAGES": len(energies) - 2},
            elapsed_s=80.0,
        )
        return replace(band, **changes)

    return build


@pytest.fixture
def label() -> Label:
    """What a calculation is for."""
    return Label(study="s", profile="quick", model="MoS2@NC", task="relax", name="MoS2@NC/relax")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty result store in a file."""
    with ResultStore.open(tmp_path / "results.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def heterofire() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a folder, as a process of its own."""

    def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "heterofire.launchers.cli", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            env=os.environ | environment,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def molecules() -> str:
    """A study that takes seconds."""
    return _MOLECULES


@dataclass(frozen=True)
class MongoServer:
    """A server that speaks MongoDB's wire protocol, in a process of its own."""

    port: int
    process: "subprocess.Popen[str]"

    def name_in(self, folder: Path, name: str = "fireworks", more: str = "") -> Path:
        """Write the my_launchpad.yaml that names it."""
        path = folder / "my_launchpad.yaml"
        path.write_text(f"host: 127.0.0.1\nport: {self.port}\nname: {name}\n{more}")
        return path


@pytest.fixture
def start_mongodb() -> Any:
    """Start servers of tests/mongo_server.py that live as long as the test."""
    servers = []

    def start(*options: str) -> MongoServer:
        script = Path(__file__).parent / "mongo_server.py"
        command = [sys.executable, str(script), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        servers.append(process)
        return MongoServer(int(process.stdout.readline()), process)

    yield start
    for process in servers:
        process.kill()
        process.wait()


@pytest.fixture
def mongodb(start_mongodb) -> MongoServer:
    """A server that is empty."""
    return start_mongodb()


_SLURM = Path(__file__).parents[1] / ".ci" / "slurm"


def _start_slurm() -> str:
    """Start Slurm where it does not run yet; return why not, empty when it runs."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    if shutil.which("slurmctld") is None and shutil.which("apt-get") is None:
        return "Slurm is not installed and there is no apt-get to install it with"
    done = subprocess.run([str(_SLURM)], capture_output=True, text=True, check=False, timeout=300)
    return "" if done.returncode == 0 else f"{_SLURM} failed: {done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def slurm() -> None:
    """Start the project's own Slurm on this machine."""
    if why_not := _start_slurm():
        print(f"tests on Slurm are skipped: {why_not}", file=sys.stderr)
        pytest.skip(why_not)
