import pytest

from heterofire.structures.errors import HeteroError
from heterofire.structures.files import write_atomic


def test_a_write_into_a_file_used_as_folder_names_the_path(tmp_path):
    blocker = tmp_path / "blocker"
    blocker.write_text("a file, not a folder")
    with pytest.raises(HeteroError, match="blocker"):
        write_atomic(blocker / "POSCAR", "text")
    assert blocker.read_text() == "a file, not a folder"


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    target = write_atomic(tmp_path / "CONTCAR", "old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(HeteroError, match="disk is full"):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["CONTCAR"]
