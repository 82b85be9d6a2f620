"""``heterofire export, verify, methods`` from a shell."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from heterofire.launchers.exporting import ExportOptions, export_study, print_methods
from heterofire.launchers.project import Project
from heterofire.launchers.settings import load_settings
from heterofire.structures.errors import HeteroError, InputError


@pytest.fixture(scope="module")
def project(tmp_path_factory, heterofire, molecules):
    """A finished study of one's own, with a figure, whose run folders were moved away."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "molecules.yaml").write_text(molecules + "figures: [reactions]\n")
    done = heterofire(folder, "run", "molecules.yaml")
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "runs", folder / "kept")
    shutil.rmtree(folder / "runs")
    return folder


@pytest.fixture
def opened(project):
    """The project, opened in this process."""
    with Project(load_settings(engine="xtb", folder=project)) as found:
        yield found


@pytest.fixture(scope="module")
def archive(project, heterofire):
    done = heterofire(project, "export", "molecules.yaml", "-o", "out.zip")
    assert done.returncode == 0, done.stderr
    return project / "out.zip"


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(project, heterofire):
    done = heterofire(project, "export", "molecules.yaml", "-o", "dry.zip", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "nothing was written" in done.stdout
    assert not (project / "dry.zip").exists()


def test_an_exported_archive_is_good(archive, heterofire, tmp_path):
    done = heterofire(tmp_path, "verify", str(archive))
    assert done.returncode == 0, done.stdout
    assert "is good" in done.stdout


def test_a_changed_archive_ends_in_exit_code_1_with_the_file_named(archive, heterofire, tmp_path):
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "bad.zip", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b"S", b"X") if "methods.md" in name else data)
    done = heterofire(tmp_path, "verify", "bad.zip", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["good"] is False
    assert any("data/methods.md was changed" in problem for problem in found["problems"])


def test_the_commands_of_the_readme_inside_redraw_its_figures(archive, heterofire, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    data = tmp_path / "molecules-quick-xtb" / "data"
    shutil.copy(data / "database" / "results.db", data / "results.db")
    database = {"HETEROFIRE_DB": str(data / "results.db")}
    commands = [
        line.split("#")[0].split()[1:]
        for line in (data / "README.md").read_text().splitlines()
        if line.strip().startswith(("heterofire figure", "heterofire table"))
    ]
    assert len(commands) == 2
    for arguments in commands:
        done = heterofire(data, *arguments, **database)
        assert done.returncode == 0, done.stderr
    for kind in ("png", "svg", "pdf", "csv"):
        redrawn = data / "redrawn" / f"reactions.{kind}"
        assert redrawn.read_bytes() == (data / "figures" / f"reactions.{kind}").read_bytes()


def test_raw_outputs_come_from_where_the_runs_lie_and_missing_folders_are_said(project, heterofire):
    done = heterofire(project, "export", "molecules.yaml", "-o", "raw.zip", "--with-outputs")
    assert done.returncode == 0, done.stderr
    assert "its run folder is not here any more" in done.stderr
    (project / "kept").rename(project / "runs")
    again = heterofire(project, "export", "molecules.yaml", "-o", "raw.zip", "--with-outputs")
    (project / "runs").rename(project / "kept")
    assert "not here any more" not in again.stderr
    with zipfile.ZipFile(project / "raw.zip") as opened:
        outputs = [name for name in opened.namelist() if "/outputs/" in name]
    assert any(name.endswith("OUTCAR") for name in outputs)
    assert heterofire(project, "verify", "raw.zip").returncode == 0


def test_json_of_an_export_names_archive_and_checksum(opened, capsys):
    options = ExportOptions(profile="quick", as_json=True)
    output = opened.settings.folder / "j.zip"
    export_study(opened, str(output.with_name("molecules.yaml")), output, options)
    made = json.loads(capsys.readouterr().out)
    assert made["archive"] == str(output)
    assert len(made["sha256"]) == 64
    assert made["counts"]["calculations"] >= 4


def test_a_folder_as_output_gets_an_archive_named_after_the_study(opened, tmp_path):
    options = ExportOptions(profile="quick")
    export_study(opened, "molecules", tmp_path, options)  # without its file: no figures
    assert [path.name for path in tmp_path.iterdir()] == ["molecules-quick-xtb.zip"]


def test_a_file_that_is_no_archive_is_never_written_over(opened):
    database = opened.settings.folder / "results.db"
    before = database.read_bytes()
    with pytest.raises(InputError, match="is no archive"):
        export_study(opened, "molecules", database, ExportOptions(profile="quick"))
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("study", "options", "said"),
    [
        ("molecules", {"profile": "paper"}, "it has: molecules quick xtb"),
        ("molecules", {"profile": "quick", "licence": "my own"}, "no SPDX identifier"),
        ("nothing", {"profile": "quick", "dry_run": True}, "no calculations of nothing"),
        ("nothing.yaml", {"profile": "quick"}, "cannot read study nothing.yaml"),
    ],
)
def test_wrong_requests_are_refused_with_what_to_do(opened, tmp_path, study, options, said):
    with pytest.raises(InputError, match=said):
        export_study(opened, study, tmp_path / "x.zip", ExportOptions(**options))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(opened):
    with pytest.raises(HeteroError, match="cannot write"):
        export_study(opened, "molecules", Path("/proc/none/x.zip"), ExportOptions(profile="quick"))


def test_without_a_database_none_is_made(tmp_path):
    nowhere = Project(load_settings(engine=None, folder=tmp_path))
    with pytest.raises(InputError, match="there is no result database"):
        export_study(nowhere, "potassium-anode", None, ExportOptions(profile="quick"))
    with pytest.raises(InputError, match="there is no result database"):
        print_methods(nowhere, "potassium-anode", "quick", "text")
    assert list(tmp_path.iterdir()) == []


def test_the_methods_text_is_printed_as_text_latex_bibtex_and_json(opened, capsys):
    printed = {}
    for kind in ("text", "latex", "bibtex", "json"):
        print_methods(opened, "molecules", "quick", kind)
        printed[kind] = capsys.readouterr().out
    assert "GFN1-xTB [@grimme2017]" in printed["text"]
    assert r"\cite{grimme2017}" in printed["latex"]
    assert "@article{grimme2017," in printed["bibtex"]
    assert json.loads(printed["json"])["text"] == printed["text"]
