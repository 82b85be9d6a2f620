"""Archives: from the database alone, the same bytes, all of a study, never a POTCAR."""

import csv
import gzip
import io
import json
import resource
import shutil
import zipfile
from dataclasses import replace

import bagit
import pytest

from heterofire.results.archives import ArchiveRequest, plan_archive, write_archive
from heterofire.results.bags import write_bag
from heterofire.results.figures import draw_figure
from heterofire.results.potcar_guard import is_potcar_name, potcar_problem
from heterofire.results.records import Label, Property
from heterofire.results.store import ResultStore
from heterofire.structures.errors import HeteroError, InputError, RunError

STUDY = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}
REQUEST = ArchiveRequest(
    **STUDY,
    title="K in MoS2",
    paper="10.1007/s40820-025-01992-x",
    figures=("5d",),
    study_files={"potassium-anode.yaml": b"study: potassium-anode\n"},
)
# The marks of a POTCAR, none of its numbers.
POTCAR = """\
  PAW_PBE Xx 01Jan2000
   1.00000000000000
 parameters from PSCTR are:
   VRHFIN =Xx: nothing
   END of PSCTR-controll parameters
  local part
"""


def _reaction(route, value):
    return Property(
        **STUDY, method="GFN1-xTB, 1000 K", model="without Se", quantity="reaction energy",
        label=route, reference="", value=value, unit="eV/MoX2", energy_kind="E0", status="ok",
        keys=("host",),
    )  # fmt: skip


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with outputs, and POTCARs in every disguise."""
    folder = tmp_path / "runs" / "host relax ü"
    folder.mkdir(parents=True)
    (folder / "OUTCAR").write_text(" VRHFIN =Mo: 4p5s4d\n TITEL  = PAW_PBE Mo_pv 04Feb2005\n")
    (folder / "vasprun.xml.gz").write_bytes(gzip.compress(b"<modeling></modeling>"))
    (folder / "CHGCAR").write_text("density\n")
    (folder / "POTCAR").write_text(POTCAR)
    (folder / "POTCAR.gz").write_bytes(gzip.compress(POTCAR.encode()))
    (folder / "OSZICAR").write_text("x" * 2_000_000 + POTCAR)
    (folder / "DOSCAR").write_bytes(gzip.compress(POTCAR.encode()))
    (folder / "POTCAR.spec").write_text("Mo_pv\nS\n")
    (tmp_path / "secret").write_text("not yours")
    (folder / "EIGENVAL").symlink_to(tmp_path / "secret")
    return folder


@pytest.fixture
def filled(store, full_run, make_band, run_folder):
    """A relaxation with a run folder, and a band."""
    run = replace(full_run, folder=str(run_folder))
    band = make_band(run.structure, [0.0, 0.6, 0.2])
    for key, task in (("host", "relax"), ("hop", "neb")):
        about = {"study": STUDY["study"], "profile": "quick", "model": "MoS2@NC", "task": task}
        label = Label(**about, name=f"MoS2@NC/{key}/{task}")
        if task == "neb":
            store.add_band(key, label, band)
        else:
            store.add_run(key, label, run)
    numbers = [_reaction("Mo + K + S", 8.0), _reaction("KMo(1-x)S2", 1.0)]
    store.replace_properties(**STUDY, properties=numbers)
    return store


@pytest.fixture
def archive(filled, tmp_path):
    """An archive, and its files by their path in the payload."""
    path = tmp_path / "k.zip"
    write_archive(filled, REQUEST, path)
    return path, _payload(path)


def _payload(path):
    with zipfile.ZipFile(path) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    return {n.partition("/data/")[2]: data for n, data in files.items() if "/data/" in n}


def test_the_same_database_gives_the_same_bytes(filled, archive, tmp_path):
    again = write_archive(filled, REQUEST, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive[0].read_bytes()
    assert len(again.sha256) == 64


def test_the_bag_is_valid_for_the_reference_implementation(archive, tmp_path):
    with zipfile.ZipFile(archive[0]) as opened:
        opened.extractall(tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == "potassium-anode-quick-xtb"
    assert bagit.Bag(str(folder)).validate(processes=1)


def test_run_folders_are_not_needed(filled, archive, run_folder, tmp_path):
    shutil.rmtree(run_folder)
    write_archive(filled, REQUEST, tmp_path / "later.zip")
    assert (tmp_path / "later.zip").read_bytes() == archive[0].read_bytes()


def test_inputs_results_figures_and_texts_are_all_there(archive):
    files = archive[1]
    folder = next(n for n in files if n.endswith("/INCAR") and "relax" in n).rpartition("/")[0]
    assert files[f"{folder}/POTCAR.spec"] == b"Mo_pv\nS\n"
    assert b"Selective dynamics" in files[f"{folder}/POSCAR"]
    described = json.loads(files[f"{folder}/calculation.json"])
    assert described["numbers"]["e0"] == {"value": -31.123456789012345, "unit": "eV"}
    assert described["corrections"] == ["ZBRENT: POTIM 0.5 -> 0.1"]
    band = next(n for n in files if n.endswith("00/POSCAR")).removesuffix("00/POSCAR")
    assert {f"{band}01/CONTCAR", f"{band}02/POSCAR"} <= set(files)
    for name in (
        *("README.md", "archive.json", "ro-crate-metadata.json", "methods.md", "references.bib"),
        *("study/potassium-anode.yaml", "tables/table.csv", "tables/compare.json"),
        *("figures/5d.png", "figures/5d.svg", "figures/5d.pdf", "figures/5d.csv"),
        *("database/results.db", "calculations.csv"),
    ):
        assert files[name], name


def test_the_table_of_calculations_leads_to_their_folders(archive):
    files = archive[1]
    rows = list(csv.DictReader(io.StringIO(files["calculations.csv"].decode())))
    assert [row["name"] for row in rows] == ["MoS2@NC/hop/neb", "MoS2@NC/host/relax"]
    for row in rows:
        assert f"{row['folder']}/calculation.json" in files


def test_figures_redrawn_from_the_archives_database_are_those_in_it(archive, tmp_path):
    (tmp_path / "copy.db").write_bytes(archive[1]["database/results.db"])
    with ResultStore.open(tmp_path / "copy.db") as store:
        for path in draw_figure(store, "5d", **STUDY, folder=tmp_path / "redrawn"):
            assert path.read_bytes() == archive[1][f"figures/{path.name}"], path.name


def test_the_readme_names_every_top_level_part(archive):
    readme = archive[1]["README.md"].decode()
    for name in archive[1]:
        part = name.partition("/")[0]
        assert part in readme or part == "ro-crate-metadata.json", part


def test_ro_crate_describes_only_what_is_there_and_the_licence_that_was_chosen(filled, tmp_path):
    write_archive(filled, replace(REQUEST, licence="CC-BY-4.0"), tmp_path / "l.zip")
    files = _payload(tmp_path / "l.zip")
    graph = {e["@id"]: e for e in json.loads(files["ro-crate-metadata.json"])["@graph"]}
    assert graph["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    for part in graph["./"]["hasPart"]:
        assert any(name.startswith(part["@id"]) for name in files), part
        assert part["@id"] in graph


def test_without_outputs_nothing_of_the_run_folder_is_in_it(archive):
    assert not any(name.startswith("outputs/") for name in archive[1])


def test_with_outputs_comes_what_may_be_published_and_no_potcar(filled, tmp_path):
    made = write_archive(filled, replace(REQUEST, outputs=True), tmp_path / "o.zip")
    files = _payload(tmp_path / "o.zip")
    outputs = {n.rsplit("/", 1)[1] for n in files if n.startswith("outputs/")}
    assert outputs == {"OUTCAR", "vasprun.xml.gz", "POTCAR.spec"}
    for name, data in files.items():
        assert not is_potcar_name(name.rsplit("/", 1)[-1]), name
        assert potcar_problem(io.BytesIO(data)) == "", name
    notes = " ".join(made.about.notes)
    assert "OSZICAR holds text of a POTCAR" in notes
    assert "EIGENVAL is a link that leads out of the run folder" in notes
    assert "hop/neb: its run folder is not here any more" in notes
    assert b"not yours" not in b"".join(files.values())


def test_densities_come_only_when_asked_for(filled, tmp_path):
    write_archive(filled, replace(REQUEST, outputs=True, densities=True), tmp_path / "d.zip")
    assert any(name.endswith("/CHGCAR") for name in _payload(tmp_path / "d.zip"))


def test_a_figure_that_cannot_be_drawn_is_noted_not_fatal(filled, tmp_path):
    made = write_archive(filled, replace(REQUEST, figures=("5d", "5a")), tmp_path / "f.zip")
    assert made.about.counts["figures"] == 1
    assert any(note.startswith("figure 5a: ") for note in made.about.notes)
    assert str(tmp_path) not in " ".join(made.about.notes)


def test_a_plan_writes_nothing(filled, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    plan = plan_archive(filled, REQUEST)
    assert plan.sha256 == ""
    assert "tables/table.csv" in plan.files
    assert sorted(tmp_path.rglob("*")) == before


def test_a_study_without_numbers_says_what_to_run(store, full_run):
    label = Label(study="s", profile="quick", model="m", task="relax", name="m/relax")
    store.add_run("k", label, full_run)
    request = ArchiveRequest(study="s", title="", profile="quick", engine="xtb")
    with pytest.raises(InputError, match="heterofire run s"):
        plan_archive(store, request)


def test_a_disk_that_fills_is_said_and_an_old_archive_stays(filled, tmp_path, archive):
    before = archive[0].read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))  # SQLite's shared memory takes 32 kB
    try:
        with pytest.raises(HeteroError, match="cannot write"):
            write_archive(filled, REQUEST, archive[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert archive[0].read_bytes() == before


def test_an_output_that_is_being_written_is_noticed(tmp_path):
    growing = tmp_path / "OUTCAR"
    growing.write_text("one step")

    class Growing(dict):
        def __getitem__(self, name):
            growing.write_text(growing.read_text() + "another step")
            return growing

    with pytest.raises(RunError, match="changed while it was put into"):
        write_bag(tmp_path / "x.zip", Growing({"OUTCAR": growing}), {}, "x")
    assert not (tmp_path / "x.zip").exists()


def test_a_path_that_leads_out_is_not_put_into_an_archive(filled, tmp_path):
    request = replace(REQUEST, study_files={"../../evil.yaml": b""})
    with pytest.raises(InputError, match="leads out"):
        write_archive(filled, request, tmp_path / "e.zip")
    assert not (tmp_path / "e.zip").exists()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_potcar_is_known_by_its_content_also_across_chunks(pack):
    for offset in range((1 << 20) - 30, (1 << 20) + 3, 8):
        text = b" " * offset + b"END of PSCTR-controll parameters"
        assert "POTCAR" in potcar_problem(io.BytesIO(pack(text))), offset


def test_real_vasp_outputs_are_not_taken_for_potcars():
    header = b" POTCAR:    PAW_PBE Mo_pv 04Feb2005\n VRHFIN =Mo: 4p5s4d\n LEXCH  = PE\n EATOM = 1\n"
    assert potcar_problem(io.BytesIO(header)) == ""


def test_an_archive_inside_a_file_is_not_trusted():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as inner:
        inner.writestr("POTCAR", POTCAR)
    assert "cannot be looked into" in potcar_problem(io.BytesIO(stream.getvalue()))


def test_names_of_potcars():
    assert all(map(is_potcar_name, ("POTCAR", "potcar", "POTCAR.orig", "POTCAR.gz", "POTCAR_Mo")))
    assert not any(map(is_potcar_name, ("POTCAR.spec", "OUTCAR", "Path", "POTCARS.md"[:6] + "x")))
