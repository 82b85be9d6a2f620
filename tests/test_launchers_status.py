import pytest

from heterofire.launchers.status import last_force, last_step

OSZICAR = """\
DAV:   1    -0.2E+02   -0.2E+02   -0.1E+03   100   0.3E+02
   1 F= -.12345678E+02 E0= -.12300000E+02  d E =-.1E+02
DAV:   1    -0.2E+02   -0.2E+02   -0.1E+03   100   0.3E+02
   2 F= -.12445678E+02 E0= -.12400000E+02  d E =-.1E+00
DAV:   1    -0.2E+02"""


def test_the_step_of_a_running_calculation_is_the_last_whole_one(tmp_path):
    (tmp_path / "OSZICAR").write_text(OSZICAR)
    assert last_step(tmp_path) == (2, pytest.approx(-12.445678))


def test_a_band_is_at_the_step_of_its_first_image(tmp_path):
    (tmp_path / "01").mkdir()
    (tmp_path / "01" / "OSZICAR").write_text(OSZICAR)
    assert last_step(tmp_path)[0] == 2


def test_a_calculation_that_has_not_begun_has_no_step(tmp_path):
    assert last_step(tmp_path) == (None, None)
    assert last_force(tmp_path) is None


def test_the_force_is_the_last_that_the_engine_printed(tmp_path):
    (tmp_path / "vasp.out").write_text(" 1 F= -1.0 fmax= 0.8500\n 2 F= -1.1 fmax= 0.4200\n")
    assert last_force(tmp_path) == 0.42
