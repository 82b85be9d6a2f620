"""`heterofire report` writes one page, or says what is missing."""

import json

import pytest

from heterofire.results.store import ResultStore


@pytest.fixture
def project(tmp_path, make_run, make_band, make_dos, pages):
    with ResultStore.open(tmp_path / "results.db") as store:
        pages.fill(store, make_run, make_band, make_dos)
    return tmp_path


def test_report_writes_a_page_and_says_what_is_in_it(heterofire, project):
    done = heterofire(project, "report", "potassium-anode", "-o", "out/page.html", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["bytes"] == (project / "out/page.html").stat().st_size
    assert said["figures"] == ["5a", "5b", "5c"]
    assert "1 of 6 calculations are not converged" in said["warnings"]
    assert "figure 5a (1 of 9)" in done.stderr


def test_dry_run_writes_nothing(heterofire, project):
    done = heterofire(project, "report", "potassium-anode", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would be" in done.stderr
    assert not (project / "report.html").exists()


def test_without_a_database_the_report_says_where_it_looked(heterofire, tmp_path):
    done = heterofire(tmp_path, "report", "potassium-anode")
    assert done.returncode == 2
    assert "no result database" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_page(heterofire, project):
    done = heterofire(project, "report", "potassium-anode", "-o", ".")
    assert done.returncode == 2
    assert "is a folder" in done.stderr


def test_a_study_whose_file_is_gone_is_reported_from_the_database(
    heterofire, project, make_run, make_structure, pages
):
    with ResultStore.open(project / "results.db") as store:
        label = pages.Label(study="mine", profile="quick", model="K", task="bulk", name="K/bulk")
        store.add_run("mine0", label, make_run(make_structure("K")))
    done = heterofire(project, "report", "mine", "-o", "mine.html")
    assert done.returncode == 0, done.stderr
    assert "K/bulk" in (project / "mine.html").read_text()
