"""The wheel, built by way of the sdist, is complete and works away from the repository."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("structures", "results", "workflows", "launchers")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the sdist and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "-o", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def source_files():
    return {
        f"heterofire/{path.relative_to(ROOT)}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".yaml", ".js", ".css", ".j2", ".txt", ".sha256")
        or path.name == "reference.db"
    }


def test_the_wheel_holds_all_modules_and_data_and_nothing_generic(built):
    names = set(zipfile.ZipFile(built[1]).namelist())
    assert source_files() <= names
    assert {name.split("/")[0] for name in names} == {"heterofire", "heterofire-0.1.0.dist-info"}


def test_the_sdist_holds_the_tests_and_what_they_read(built):
    with tarfile.open(built[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"}
    assert wanted <= names


def test_the_installed_wheel_works_beside_folders_of_the_same_names(built, tmp_path):
    site, project = tmp_path / "site", tmp_path / "project"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
    subprocess.run([*install, str(built[1])], check=True)
    for name in PACKAGES:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("raise RuntimeError('data, not code')")
    environment = os.environ | {"PYTHONPATH": str(site)}

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert Path(python("-c", "import heterofire; print(heterofire.__file__)")).is_relative_to(site)
    shown = python("-m", "heterofire.launchers.cli", "plan", "potassium-anode")
    assert "MoSSe@NC/K-hop-through-layer/neb" in shown
    assert "MoSSe@NC" in python(str(site / "bin" / "heterofire"), "models")
