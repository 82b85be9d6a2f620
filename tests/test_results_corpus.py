"""Every real VASP file of the corpus is read to its known numbers or refused with a reason."""

import gzip
import math
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from heterofire.results.convergence import unconverged_reasons
from heterofire.results.densities import load_density
from heterofire.results.neb_parsing import parse_band
from heterofire.results.outcar import parse_outcar
from heterofire.results.parsing import is_complete, parse_run, read_poscar
from heterofire.results.run_files import find_file
from heterofire.results.run_settings import merge_parameters, vasp_settings
from heterofire.results.vasprun import parse_vasprun
from heterofire.structures.errors import RunError

CORPUS = Path(os.environ.get("HETEROFIRE_VASP_CORPUS", ""))
HAS_CORPUS = (CORPUS / "reference.yaml").is_file()
pytestmark = pytest.mark.skipif(
    not HAS_CORPUS, reason="HETEROFIRE_VASP_CORPUS does not name a folder with reference.yaml"
)
REFERENCE = yaml.safe_load((CORPUS / "reference.yaml").read_text()) if HAS_CORPUS else {}
FILES = REFERENCE.get("files", {})

CUT = r"cut: does not end with </modeling>"
NO_END = r"cut: the end marker 'Total CPU time used' is missing"
REFUSED = {
    "bad/aiida_exit_codes/unfinished/out/OUTCAR.gz": NO_END,
    "bad/aiida_exit_codes/unfinished/out/vasprun.xml": CUT,
    "bad/aiida_outcar_extras/OUTCAR.unfinished.gz": NO_END,
    "bad/custodian_bad_vasprun/vasprun.xml.gz": CUT,
    "bad/nomad_broken/vasprun.xml.broken.gz": CUT,
    "bad/pm_unconverged/vasprun.bad.xml.gz": CUT,
    "bad/pyiron_aborted/OUTCAR.gz": NO_END,
    "bad/pyiron_aborted/vasprun.xml.gz": CUT,
    "custodian_errors/potim/OUTCAR.gz": NO_END,
    "neb/aiida_neb/vasprun.xml.gz": r"malformed: XMLSyntaxError: Opening and ending tag mismatch",
}
# reference.yaml holds what pymatgen says, which is the first ionic step's for ISPIN = 1 (trap 1).
FIRST_STEP_FERMI = {
    "bad/aiida_exit_codes/ionic-unconverged/out/OUTCAR.gz": 6.1751,
    "bad/aiida_outcar_extras/OUTCAR.converged.gz": 5.6108,
    "bad/aiida_outcar_extras/OUTCAR.gz": 6.1758,
    "bad/aiida_outcar_extras/OUTCAR.nelm-breach-consistent.gz": 6.1801,
    "bad/aiida_outcar_extras/OUTCAR.nelm-breach-partial.gz": 6.1758,
    "bad/aiida_outcar_extras/OUTCAR.not-converged.gz": 2.0478,
    "custodian_errors/drift/OUTCAR.gz": 1.9730,
    "multi/pm_vasprun/OUTCAR.etest1.gz": 8.9069,
    "multi/pm_vasprun/OUTCAR.etest2.gz": 8.8883,
    "neb/aiida_neb/01/OUTCAR.gz": -5.7149,
    "neb/aiida_neb/02/OUTCAR.gz": -4.9250,
    "neb/aiida_neb/03/OUTCAR.gz": -5.7150,
    "neb/mast_fivefreq_AlMg/neb_pureinit-purefin_q=p0_opt2/01/OUTCAR.gz": 7.8742,
    "neb/mast_vacancy_3images/01/OUTCAR.gz": 8.2091,
    "neb/mast_vacancy_3images/02/OUTCAR.gz": 8.2317,
    "neb/mast_vacancy_3images/03/OUTCAR.gz": 8.2091,
}
AL_VACANCY = "neb/mast_fivefreq_AlMg"


def of_type(kind: str) -> list[str]:
    return [name for name, entry in FILES.items() if entry["type"] == kind and name not in REFUSED]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_untrustworthy_files_are_refused_with_the_reason_and_the_file(name):
    parse = parse_outcar if "OUTCAR" in name else parse_vasprun
    with pytest.raises(RunError, match=REFUSED[name]) as caught:
        parse(CORPUS / name)
    assert str(CORPUS / name) in str(caught.value)
    assert "again" in str(caught.value)


@pytest.mark.parametrize("name", of_type("OUTCAR"))
def test_outcar_gives_the_numbers_of_the_reference(name):
    entry, outcar = FILES[name], parse_outcar(CORPUS / name)
    assert outcar.e0 == pytest.approx(entry["final_energy_eV"], abs=1e-6)
    assert outcar.e_wo_entropy == pytest.approx(entry["e_wo_entropy"], abs=1e-6)
    assert outcar.efermi == pytest.approx(FIRST_STEP_FERMI.get(name, entry["efermi"]), abs=6e-5)
    assert outcar.density_electrons == pytest.approx(entry["nelect"], abs=1e-4)
    assert outcar.elapsed_s == pytest.approx(entry["elapsed_s"], abs=1e-3)
    assert outcar.is_stopped is entry["stopped"]
    assert entry["vasp_version"] in outcar.version
    if "total_mag" in entry:
        assert outcar.magnetization == pytest.approx(entry["total_mag"], abs=1e-6)
    else:
        assert outcar.magnetization is None
    if entry["n_mag"]:
        assert len(outcar.site_electrons) == entry["n_mag"] == outcar.n_atoms
    if outcar.site_moments is not None:
        # What is outside of the PAW spheres has a moment, too, but not a large one.
        assert len(outcar.site_moments) == outcar.n_atoms
        assert outcar.site_moments.sum() == pytest.approx(
            outcar.magnetization or 0.0, rel=0.1, abs=0.1
        )


@pytest.mark.parametrize("name", of_type("vasprun"))
def test_vasprun_gives_the_numbers_of_the_reference(name):
    entry, vasprun = FILES[name], parse_vasprun(CORPUS / name)
    assert vasprun.e0 == pytest.approx(entry["final_energy_eV"], abs=1e-6)
    assert vasprun.structure.formula == entry["formula"]
    assert len(vasprun.structure) == entry["natoms"]
    assert len(vasprun.electronic_steps) == entry["n_ionic"]
    largest = np.linalg.norm(vasprun.forces, axis=1).max()
    assert largest == pytest.approx(entry["max_force"], abs=1e-6)
    assert vasprun.bands.eigenvalues.shape[:2] == (entry["ispin"], entry["nkpt"])
    assert vasprun.version.startswith(entry["vasp_version"])
    if "efermi" in entry:
        assert vasprun.efermi == pytest.approx(entry["efermi"], abs=1e-6)
    else:
        assert vasprun.efermi is None


@pytest.mark.parametrize("name", of_type("vasprun"))
def test_vasprun_has_the_dos_and_the_flags_of_the_reference(name):
    entry, vasprun = FILES[name], parse_vasprun(CORPUS / name)
    if "dos_points" in entry:
        assert vasprun.dos.total.shape == (entry["ispin"], entry["dos_points"])
        assert (vasprun.dos.projected is not None) is entry["pdos"]
        assert len(vasprun.dos.orbitals) == entry.get("pdos_orbitals", 0)
    else:
        assert vasprun.dos is None
    reasons = unconverged_reasons(vasprun.parameters, electronic_steps=vasprun.electronic_steps)
    kinds = {reason.partition(":")[0] for reason in reasons}
    assert ("electronic" not in kinds, "ionic" not in kinds) == (
        entry["conv_el"],
        entry["conv_ion"],
    )
    settings = vasp_settings(
        merge_parameters(vasprun.incar, vasprun.parameters),
        titels=vasprun.titels,
        kpoint_spacing=vasprun.kpoint_spacing,
    )
    assert bool(settings.hubbard_u) is entry.get("ldau", False)


@pytest.mark.parametrize("name", of_type("density"))
def test_density_gives_grid_and_electrons_of_the_reference(name):
    entry = FILES[name]
    density = load_density(CORPUS / name)
    assert list(density.grid) == entry["grid"]
    assert density.n_electrons == pytest.approx(entry["n_electrons"], abs=1e-5)


def test_aeccar2_is_refused_where_the_valence_density_is_wanted():
    folder = CORPUS / "bader/si_static"
    load_density(folder / "CHGCAR.gz", n_electrons=8.0)
    with pytest.raises(RunError, match=r"8.01314 electrons, NELECT is 8"):
        load_density(folder / "AECCAR2.gz", n_electrons=8.0)


def test_every_output_file_of_the_corpus_is_in_the_reference():
    kinds = re.compile(r"^(vasprun|OUTCAR|CHGCAR|AECCAR)")
    found = {str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*") if kinds.match(path.name)}
    assert found == set(FILES)


def poscars() -> list[str]:
    return sorted(
        str(path.relative_to(CORPUS))
        for path in CORPUS.rglob("*")
        if HAS_CORPUS and path.name.startswith(("POSCAR", "CONTCAR"))
    )


@pytest.mark.parametrize("name", poscars())
def test_every_poscar_is_read_or_refused_with_a_reason(name):
    try:
        structure = read_poscar(CORPUS / name)
    except RunError as error:
        assert "names no elements" in str(error)  # noqa: PT017 either outcome is right
    else:
        assert len(structure) > 0


# ---- folders -------------------------------------------------------------------------------

CONVERGED = (
    "bad/aiida_exit_codes/converged/out",
    "bad/aiida_exit_codes/converged-with-error/out",
    "bad/aiida_nelm/calc-001/out",
    "dos/al_nscf_metal",
    "dos/si_nscf_uniform",
    "molecule/pyiron_bader_h2o",
    "neb/mast_fivefreq_AlMg/defect_purefin_q=p0_stat",
    "neb/mast_fivefreq_AlMg/defect_pureinit_q=p0_stat",
    "relax/lif_vdw",
    "relax/pm_relaxation_v5",
    "slab/ir_h_adsorbate_2",
    "slab/ir_h_adsorbate_3",
    "static/pm_fe_monomer",
    "static/pm_static_silicon_v5",
    "static/si_static_v5",
    "vasp6/pm_kpoints_opt",
)
UNCONVERGED = {
    "bad/aiida_exit_codes/elec-unconverged/out": "electronic: .* NELM = 8",
    "bad/aiida_exit_codes/ionic-unconverged/out": "ionic: all of NSW = 5",
    "bad/aiida_nelm/calc-000/out": "electronic: .* NELM = 7",
}
REFUSED_FOLDERS = {
    "bad/aiida_exit_codes/unfinished/out": CUT,
    "bad/custodian_bad_vasprun": CUT,
    "bad/pyiron_aborted": CUT,
    "bad/pm_unconverged": "no vasprun.xml",
    "neb/aiida_neb": "malformed",
    "slab/ir_h_adsorbate_1": r"atoms differ from .*POSCAR: 4 atoms \(Ir4\) instead of 2 \(Ir2\)",
}


@pytest.mark.parametrize("name", CONVERGED)
def test_converged_folders_give_a_run(name):
    run = parse_run(CORPUS / name)
    entry = FILES[f"{name}/vasprun.xml.gz"]
    assert run.status == "converged"
    assert run.reasons == ()
    assert run.e0 == pytest.approx(entry["final_energy_eV"], abs=1e-6)
    assert run.charge == 0.0
    assert is_complete(CORPUS / name)


@pytest.mark.parametrize("name", sorted(UNCONVERGED))
def test_unconverged_folders_give_a_run_with_the_reason(name):
    run = parse_run(CORPUS / name)
    assert run.status == "unconverged"
    assert re.match(UNCONVERGED[name], run.reasons[0])
    assert math.isfinite(run.e0)


@pytest.mark.parametrize("name", sorted(REFUSED_FOLDERS))
def test_untrustworthy_folders_are_refused(name):
    with pytest.raises(RunError, match=REFUSED_FOLDERS[name]):
        parse_run(CORPUS / name)


@pytest.mark.parametrize(
    "name", ["bad/aiida_exit_codes/unfinished/out", "bad/pyiron_aborted", "neb/aiida_neb/00"]
)
def test_unfinished_folders_are_not_complete(name):
    assert not is_complete(CORPUS / name)


def test_suffix_names_one_of_several_runs():
    folder = CORPUS / "relax/si_double_relax"
    first, second = (parse_run(folder, suffix=f".relax{i}") for i in (1, 2))
    assert (first.n_ionic_steps, second.n_ionic_steps) == (3, 1)
    assert first.e0 == pytest.approx(-10.846811, abs=1e-6)
    assert second.e0 == pytest.approx(-10.846877, abs=1e-6)


def test_frozen_atoms_do_not_count_in_the_largest_force():
    run = parse_run(CORPUS / "slab/ir_h_adsorbate_3")
    assert np.linalg.norm(run.forces, axis=1).max() == pytest.approx(1.211909, abs=1e-5)
    assert run.max_force < 0.05  # EDIFFG = -0.05 was reached


def test_fermi_level_is_that_of_the_last_step():
    outcar = parse_outcar(CORPUS / "multi/pm_vasprun/OUTCAR.etest1.gz")
    vasprun = parse_vasprun(CORPUS / "multi/pm_vasprun/vasprun.etest1.xml.gz")
    assert outcar.efermi == pytest.approx(vasprun.efermi, abs=1e-4)
    assert vasprun.efermi == pytest.approx(8.906931, abs=1e-6)  # pymatgen's Outcar says 3.6761


def test_stopped_run_is_unconverged():
    outcar = parse_outcar(CORPUS / "bad/pm_unconverged/OUTCAR.stopped.gz")
    reasons = unconverged_reasons(
        outcar.parameters,
        electronic_steps=outcar.electronic_steps,
        is_relaxed=outcar.is_relaxed,
        is_stopped=outcar.is_stopped,
    )
    assert [reason.partition(":")[0] for reason in reasons] == ["electronic", "stopped", "ionic"]


def test_complaints_on_the_screen_are_noted():
    run = parse_run(CORPUS / "bad/aiida_exit_codes/converged-with-error/out")
    assert run.notes == ("vasp_output: BRMIX: very serious problems",)


def test_no_potcar_text_is_kept_but_titels_are():
    run = parse_run(CORPUS / "relax/lif_vdw")
    assert run.settings.potcars == ("PAW_PBE F 08Apr2002", "PAW_PBE Li_sv 10Sep2004")


# ---- damage done to real files -------------------------------------------------------------

STATIC = "static/si_static_v5"


@pytest.fixture
def static(tmp_path):
    """A copy of a real run with plain outputs, to be damaged."""
    for name in ("vasprun.xml", "OUTCAR"):
        with gzip.open(CORPUS / STATIC / f"{name}.gz") as packed:
            (tmp_path / name).write_bytes(packed.read())
    shutil.copy(CORPUS / STATIC / "POSCAR.gz", tmp_path)
    return tmp_path


def edit(path: Path, old: bytes, new: bytes, *, last: bool = True) -> None:
    """Replace the last or first occurrence."""
    data = path.read_bytes()
    start = data.rfind(old) if last else data.find(old)
    assert start >= 0
    path.write_bytes(data[:start] + new + data[start + len(old) :])


def test_the_undamaged_copy_is_accepted(static):
    assert parse_run(static).e0 == pytest.approx(-10.846783, abs=1e-6)


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
def test_cut_file_is_refused(static, name, share):
    data = (static / name).read_bytes()
    (static / name).write_bytes(data[: int(share * len(data))])
    assert not is_complete(static)
    with pytest.raises(RunError, match=rf"{name}: cut"):
        parse_run(static)


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR"])
def test_doubled_file_is_refused(static, name):
    (static / name).write_bytes(2 * (static / name).read_bytes())
    with pytest.raises(RunError, match=rf"{name}: doubled"):
        parse_run(static)


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR"])
def test_empty_file_is_refused(static, name):
    (static / name).write_bytes(b"")
    with pytest.raises(RunError, match=rf"{name}: (cut|the file is empty)"):
        parse_run(static)


@pytest.mark.parametrize("name", ["vasprun.xml", "OUTCAR"])
@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_flipped_byte_in_a_gzip_file_is_refused(static, name, place):
    packed = bytearray(gzip.compress((static / name).read_bytes()))
    packed[int(place * len(packed))] ^= 0x10
    (static / name).unlink()
    (static / f"{name}.gz").write_bytes(packed)
    with pytest.raises(RunError, match=rf"{name}.gz: the gzip data are cut or damaged"):
        parse_run(static)


@pytest.mark.parametrize("bad", [b"           NaN", b"**************"])
@pytest.mark.parametrize(
    ("name", "good", "what"),
    [
        ("OUTCAR", b"-10.84678256", "TOTEN|energy"),
        ("OUTCAR", b"0.000000      0.000000     -0.000000", "not six numbers"),
        ("vasprun.xml", b"-10.84678256", "energies"),
    ],
    ids=["OUTCAR energy", "OUTCAR force", "vasprun energy"],
)
def test_nan_and_stars_are_refused(static, name, good, what, bad):
    if good not in (static / name).read_bytes():
        good = re.findall(
            rb"TOTAL-FORCE.*\n.*\n(?:\s+\S+){3}(\s+\S+\s+\S+)", (static / name).read_bytes()
        )[-1]
    edit(static / name, good, bad)
    with pytest.raises(RunError, match=rf"{name}.*({what})"):
        parse_run(static)


@pytest.mark.parametrize("bad", ["NaN", "********"])
@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (rb'<varray name="forces" >\s*<v>\s*(\S+)', "forces of ionic step 1"),
        (rb'<set comment="kpoint 1">\s*<r>\s*(\S+)', "eigenvalues"),
        (rb'<total>.*?<set comment="spin 1">\s*<r>\s*\S+\s+(\S+)', "DOS"),
        (rb'<partial>.*?<set comment="spin 1">\s*<r>\s*\S+\s+(\S+)', "projected DOS"),
        (rb'name="efermi">\s*(\S+)', "Fermi level|density of states"),
    ],
    ids=["force", "eigenvalue", "DOS", "projected DOS", "Fermi level"],
)
def test_nan_and_stars_inside_vasprun_are_refused(static, pattern, what, bad):
    path = static / "vasprun.xml"
    data = path.read_bytes()
    match = list(re.finditer(pattern, data, re.DOTALL))[-1]
    path.write_bytes(data[: match.start(1)] + bad.encode() + data[match.end(1) :])
    with pytest.raises(RunError, match=rf"vasprun.xml: .*({what}|malformed|damaged)"):
        parse_run(static)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"energy(sigma->0) =      -10.84678256", b"energy(sigma->0) =      -10.84688256", "sigma"),
        (b"TOTEN  =       -10.84678256", b"TOTEN  =       -10.94678256", "TOTEN"),
        (b"E-fermi :   5.6335", b"E-fermi :   5.7335", "Fermi level"),
        (b"NELECT =       8.0000", b"NELECT =       9.0000", "NELECT"),
    ],
)
def test_outcar_of_another_run_is_refused(static, old, new, what):
    edit(static / "OUTCAR", old, new)
    with pytest.raises(RunError, match=rf"{what}.* not of the same run"):
        parse_run(static)


def test_wrong_occupations_are_refused(static):
    path = static / "vasprun.xml"
    head, mark, tail = path.read_bytes().rpartition(b"<eigenvalues>")
    block, end, rest = tail.partition(b"</eigenvalues>")
    path.write_bytes(head + mark + block.replace(b"1.0000 </r>", b"0.9000 </r>") + end + rest)
    with pytest.raises(RunError, match=r"occupations sum to 7.2000 electrons, NELECT is 8"):
        parse_run(static)


def test_doubled_gzip_members_are_refused(static):
    packed = (CORPUS / STATIC / "vasprun.xml.gz").read_bytes()
    (static / "vasprun.xml").unlink()
    (static / "vasprun.xml.gz").write_bytes(packed + packed)
    with pytest.raises(RunError, match="doubled"):
        parse_run(static)


def test_density_cut_in_half_is_refused(tmp_path):
    with gzip.open(CORPUS / "bader/si_static/CHGCAR.gz") as packed:
        data = packed.read()
    for share in (0.2, 0.45):
        (tmp_path / "CHGCAR").write_bytes(data[: int(share * len(data))])
        with pytest.raises(RunError, match="CHGCAR"):
            load_density(tmp_path / "CHGCAR", n_electrons=8.0)


# ---- bands ---------------------------------------------------------------------------------


def barrier(band) -> float:
    return max(image.e0 for image in band.images) - band.images[0].e0


def test_al_vacancy_barrier_is_the_published_one():
    entry = REFERENCE["neb"]["mast_fivefreq_Al_vacancy"]
    band = parse_band(
        CORPUS / AL_VACANCY / "neb_pureinit-purefin_q=p0_stat", initial=None, final=None
    )
    assert round(barrier(band), 4) == 0.5953 == entry["published_barrier_eV"]
    f, wo = ([getattr(i, name) for i in band.images] for name in ("free_energy", "e_wo_entropy"))
    assert max(f) - f[0] == pytest.approx(entry["barrier_F"], abs=1e-4)
    assert max(wo) - wo[0] == pytest.approx(entry["barrier_wo_entropy"], abs=1e-4)
    assert band.path == pytest.approx(entry["path_A"], abs=1e-4)
    assert band.status == "converged"


def test_end_points_in_another_order_are_refused():
    # Their CONTCARs would give 709.8 meV instead of 595.3 without a warning.
    folder = CORPUS / AL_VACANCY
    ends = [parse_run(folder / f"defect_pure{x}_q=p0_stat") for x in ("init", "fin")]
    with pytest.raises(RunError, match="another order of equal atoms"):
        parse_band(folder / "neb_pureinit-purefin_q=p0_stat", initial=ends[0], final=ends[1])


@pytest.mark.parametrize("image", ["00", "02"])
def test_outcar_of_another_order_in_an_end_folder_is_refused(tmp_path, image):
    folder = tmp_path / "band"
    shutil.copytree(CORPUS / AL_VACANCY / "neb_pureinit-purefin_q=p0_stat", folder)
    end = "init" if image == "00" else "fin"
    source = CORPUS / AL_VACANCY / f"defect_pure{end}_q=p0_stat/OUTCAR.gz"
    (folder / image).chmod(0o755)
    shutil.copy(source, folder / image / "OUTCAR.gz")
    with pytest.raises(RunError, match="another order of equal atoms"):
        parse_band(folder, initial=None, final=None)


def test_climbing_band_gives_the_numbers_of_the_reference():
    entry = REFERENCE["neb"]["mast_vacancy_3images"]
    band = parse_band(CORPUS / entry["folder"], initial=None, final=None)
    assert [image.e0 for image in band.images] == pytest.approx(entry["E0"], abs=1e-6)
    assert [image.free_energy for image in band.images] == pytest.approx(entry["F"], abs=1e-6)
    assert barrier(band) == pytest.approx(entry["barrier_E0"], abs=1e-6)
    assert band.is_climbing is entry["climbing"]
    assert is_complete(CORPUS / entry["folder"])


def test_band_without_end_point_energies_is_refused():
    entry = REFERENCE["neb"]["aiida_neb"]
    folder = CORPUS / "neb/aiida_neb"
    found = [parse_outcar(folder / f"{i:02d}/OUTCAR.gz").e0 for i in (1, 2, 3)]
    assert found == pytest.approx(entry["E0_images"], abs=1e-6)
    with pytest.raises(RunError, match="no energy of this end point"):
        parse_band(folder, initial=None, final=None)


def test_gz_is_found_where_the_plain_file_is_missing():
    assert find_file(CORPUS / STATIC, "OUTCAR").name == "OUTCAR.gz"
