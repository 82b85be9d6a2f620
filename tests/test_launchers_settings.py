import pytest

from heterofire.launchers.settings import load_settings
from heterofire.structures.errors import InputError


def test_an_empty_folder_gets_the_embedded_engine_and_launchpad(tmp_path):
    settings = load_settings(folder=tmp_path)
    assert (settings.engine, settings.method) == ("xtb", "GFN1-xTB")
    assert settings.my_launchpad is None
    assert settings.vasp_cmd[-2:] == ("engine", "xtb")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_file_with_vasp_makes_vasp_the_engine(tmp_path):
    (tmp_path / "my_fworker.yaml").write_text("name: node\nenv: {vasp_cmd: srun vasp_std}\n")
    settings = load_settings(folder=tmp_path)
    assert (settings.engine, settings.vasp_cmd) == ("vasp", ("srun", "vasp_std"))
    assert not settings.has_vtst


def test_vtst_is_what_the_worker_file_declares(tmp_path):
    (tmp_path / "my_fworker.yaml").write_text("env: {vasp_cmd: srun vasp_std, vtst: true}\n")
    assert load_settings(folder=tmp_path).has_vtst


def test_a_worker_file_with_the_embedded_engine_is_not_taken_for_vasp(tmp_path):
    (tmp_path / "my_fworker.yaml").write_text("env: {vasp_cmd: heterofire engine xtb}\n")
    assert load_settings(folder=tmp_path).engine == "xtb"


def test_the_launchpad_file_of_the_project_is_found(tmp_path):
    (tmp_path / "my_launchpad.yaml").write_text("host: localhost\n")
    assert load_settings(folder=tmp_path).my_launchpad == tmp_path / "my_launchpad.yaml"


def test_the_launchpad_file_that_fw_config_names_is_found(tmp_path):
    named = tmp_path / "elsewhere.yaml"
    named.write_text("host: localhost\n")
    (tmp_path / "FW_config.yaml").write_text(f"LAUNCHPAD_LOC: {named}\n")
    assert load_settings(folder=tmp_path).my_launchpad == named


@pytest.mark.parametrize(
    ("text", "message"),
    [("env: [1, 2]", "env must be a mapping"), ("a: [", "cannot read"), ("- 1", "must hold")],
    ids=["list", "syntax", "no mapping"],
)
def test_a_malformed_worker_file_is_named(tmp_path, text, message):
    (tmp_path / "my_fworker.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"{message}|my_fworker.yaml.*{message}"):
        load_settings(folder=tmp_path)


def test_an_unknown_engine_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="unknown engine 'castep'; known are vasp, xtb"):
        load_settings(folder=tmp_path, engine="castep")
