"""Small real things that several test files need."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

# Before numpy starts its threads: the tests are several processes, and so are the workers in them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.records import (
    Band,
    Bands,
    Dos,
    Image,
    Label,
    Leg,
    Property,
    Run,
    Settings,
    SiteCharges,
)
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
    """Keep what works on the one Slurm of this machine in one process: faults harm the others.

    The longest come first, so that at the end no process works alone for minutes.
    """
    items.sort(
        key=lambda item: (item.get_closest_marker("slow") is None, "readme" not in item.nodeid)
    )
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


@pytest.fixture(scope="session")
def pages() -> Any:
    """Give the small study of tests/report_pages.py."""
    path = Path(__file__).parent / "report_pages.py"
    specification = importlib.util.spec_from_file_location("report_pages", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


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
def query_database(tmp_path_factory, make_run, make_structure, make_band) -> Path:
    """A small result database: two models, two engines, a missing value, hostile names."""
    path = tmp_path_factory.mktemp("gefüllt mit Leerzeichen") / "results.db"
    _fill_query_database(path, make_run, make_structure, make_band)
    return path


@pytest.fixture(scope="session")
def query_database_url(postgresql_server, make_run, make_structure, make_band) -> str:
    """The same small result database on a PostgreSQL server."""
    url = _new_postgresql(postgresql_server, "questions")
    _fill_query_database(url, make_run, make_structure, make_band)
    return url


def _fill_query_database(database, make_run, make_structure, make_band) -> None:
    host, joint = make_structure("Mo", "S", "S"), make_structure("K", "Mo", "S", "Se")
    runs = {
        "host": (make_run(host, -20.0), "MoS2@NC", "relax"),
        "joint": (make_run(joint, -26.0, max_force=0.2), "MoSSe@NC", "static"),
        "atom": (make_run(make_structure("K"), -1.0), "K", "molecule"),
    }
    with ResultStore.open(database) as store:
        for key, (run, model, task) in runs.items():
            label = Label(
                study="s", profile="quick", model=model, task=task, name=f"{model}/{task}"
            )
            store.add_run(key, label, run)
        store.add_use("host", Label(study="t", profile="paper", model="H", task="static", name="H"))
        store.add_band("band", replace(label, task="neb"), make_band(joint, [-26.0, -25.5, -26.0]))
        store.replace_properties("s", "quick", "xtb", _query_properties("xtb"))
        store.replace_properties("s", "quick", "vasp", _query_properties("vasp")[:1])


def _query_properties(engine: str) -> list[Property]:
    legs = (
        Leg(role="host with K", factor=1, key="joint", energy=-26.0, charge=0, formula="K1 Mo1"),
        Leg(role="electron", factor=1, key=None, energy=0.0, charge=-1, formula=""),
    )
    first = Property(
        study="s",
        profile="quick",
        engine=engine,
        method="PBE" if engine == "vasp" else "GFN1-xTB, 1000 K",
        model="MoS2@NC",
        quantity="K binding energy",
        label="gallery-1",
        reference="K atom",
        value=-1.5,
        unit="eV",
        energy_kind="E0",
        status="ok",
        legs=legs,
        keys=("joint", "atom"),
        notes=("a note", "50 % of λ & more"),
    )
    others = [
        replace(first, model="MoSSe@NC", value=-2.5, legs=()),
        replace(first, quantity="gap", value=None, status="missing", legs=(), keys=("host",)),
        replace(first, quantity="distance", value=3.1, unit="Angstrom", legs=(), keys=("host",)),
        replace(first, quantity="gap", label="", value=0.5, legs=(), keys=()),
    ]
    hostile = json.loads((Path(__file__).parent / "data" / "hostile_names.json").read_text("utf-8"))
    named = [replace(first, quantity="odd", model=text, keys=(), legs=()) for text in hostile]
    return [first, *others, *named]


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
            timeout=900,  # whole small studies, also on a busy machine
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


@pytest.fixture(scope="session")
def gpaw() -> None:
    """GPAW is installed; else the test is skipped and said why."""
    if importlib.util.find_spec("gpaw") is None:
        why_not = "GPAW is not installed (heterofire setup gpaw)"
        print(f"tests on GPAW are skipped: {why_not}", file=sys.stderr)
        pytest.skip(why_not)


@pytest.fixture
def start_seconds() -> float:
    """How long a worker's start takes on this machine, as busy as it is now.

    Limits of time are meant for what is waited for, not for Python's start on a machine that runs
    other tests beside this one.
    """
    imports = "import heterofire.launchers.worker, heterofire.workflows.tasks, custodian.vasp.jobs"
    started = time.monotonic()
    subprocess.run([sys.executable, "-P", "-c", imports], check=True)
    return time.monotonic() - started


@pytest.fixture
def own_home(tmp_path_factory, monkeypatch) -> Path:
    """Give login shells an empty home: what the user's own start-up files wait for is not tested.

    A job that is killed while it starts can leave such a file's lock behind (pyenv's rehash has
    one), and every login shell after it waits for a minute.
    """
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    return home


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


@pytest.fixture(scope="session")
def postgresql_server() -> Any:
    """URL of a PostgreSQL server of our own; installed where root can, else skipped and said."""
    if not _install_postgresql():
        why_not = "PostgreSQL cannot be installed here (Debian: apt-get install postgresql)"
        print(f"tests on PostgreSQL are skipped: {why_not}", file=sys.stderr)
        pytest.skip(why_not)
    script = Path(__file__).parent / "postgresql_server.py"
    command = [sys.executable, str(script)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        url = server.stdout.readline().strip()
        assert url, server.stderr.read()
        yield url
        server.stdin.close()


def _install_postgresql() -> bool:
    """Return whether PostgreSQL is there, after installing it where that is allowed."""

    def is_there() -> bool:
        return bool(
            shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        )

    if not is_there() and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "postgresql"]
        subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return is_there()


@pytest.fixture
def postgresql(postgresql_server, request) -> str:
    """URL of an empty PostgreSQL database."""
    return _new_postgresql(postgresql_server, f"t{abs(hash(request.node.nodeid)):x}")


def _new_postgresql(server: str, name: str) -> str:
    import psycopg

    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> str:
    """An empty result database of each kind: path of a file, or URL."""
    if request.param == "sqlite":
        return str(tmp_path / "results.db")
    return str(request.getfixturevalue("postgresql"))
