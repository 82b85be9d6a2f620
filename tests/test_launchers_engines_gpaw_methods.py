"""The method of GPAW is read off an INCAR, before anything runs."""

import pytest

from heterofire.launchers.engines.gpaw_methods import chosen_basis, method_name
from heterofire.launchers.settings import load_settings
from heterofire.structures.errors import InputError


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({}, "PBE, LCAO szp(dzp), h 0.22 A"),
        ({"IVDW": 11, "PREC": "Normal"}, "PBE-D3(zero), LCAO szp(dzp), h 0.22 A"),
        ({"IVDW": "12", "PREC": "accurate"}, "PBE-D3(BJ), LCAO szp(dzp), h 0.18 A"),
        ({"PREC": "Low", "GGA": "RP"}, "RPBE, LCAO szp(dzp), h 0.25 A"),
        ({"NGX": 40, "NGY": 40, "NGZ": 144}, "PBE, LCAO szp(dzp), grid 40x40x144"),
        ({"ENCUT": 400, "IVDW": 0, "PREC": "Accurate"}, "PBE, PW 400 eV"),
    ],
    ids=["nothing", "D3", "text", "RPBE", "grid", "plane waves"],
)
def test_an_incar_says_what_gpaw_computes(tags, name):
    assert method_name(tags, "szp(dzp)") == name


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"IVDW": 13}, "IVDW = 13: engine gpaw has 0"),
        ({"IVDW": "eleven"}, "IVDW = 'eleven' is not a number"),
        ({"GGA": "AM"}, "GGA = AM: engine gpaw has PE"),
        ({"PREC": "Best"}, "PREC = Best: use Low"),
    ],
    ids=["dispersion", "text", "functional", "precision"],
)
def test_what_gpaw_cannot_honour_is_refused_by_name(tags, message):
    with pytest.raises(InputError, match=message):
        method_name(tags, "szp(dzp)")


def test_the_basis_is_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HETEROFIRE_GPAW_BASIS", "szp(dzp)")
    settings = load_settings(folder=tmp_path, engine="gpaw")
    assert settings.method_of({"IVDW": 11}) == "PBE-D3(zero), LCAO szp(dzp), h 0.22 A"
    monkeypatch.setenv("HETEROFIRE_GPAW_BASIS", "6-31G")
    with pytest.raises(InputError, match=r"HETEROFIRE_GPAW_BASIS = '6-31G': use one of dzp, szp"):
        chosen_basis()


def test_the_engine_of_a_worker_that_runs_gpaw_is_gpaw(tmp_path):
    (tmp_path / "my_fworker.yaml").write_text("env: {vasp_cmd: heterofire engine gpaw}\n")
    settings = load_settings(folder=tmp_path)
    assert (settings.engine, settings.vasp_cmd[-2:]) == ("gpaw", ("engine", "gpaw"))
    assert settings.has_vtst
