"""POTCAR symbols and files. The 'POTCARs' here are invented; none is VASP's."""

import gzip
import os
import re
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from heterofire.structures.errors import InputError
from heterofire.workflows import potcars
from heterofire.workflows.potcar_files import assemble_potcar, find_potcar, potcar_library


def invented_potcar(element: str, zval: float) -> bytes:
    return (
        f" invented {element}\n TITEL  = PAW_PBE {element} 01Jan2000\n ZVAL   = {zval}\n".encode()
    )


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """One potential in VASP's layout, one in pymatgen's."""
    root = tmp_path / "library"
    (root / "potpaw_PBE.54" / "K_sv").mkdir(parents=True)
    (root / "potpaw_PBE.54" / "K_sv" / "POTCAR").write_bytes(invented_potcar("K_sv", 9))
    (root / "POT_GGA_PAW_PBE_54").mkdir()
    packed = gzip.compress(invented_potcar("S", 6))
    (root / "POT_GGA_PAW_PBE_54" / "POTCAR.S.gz").write_bytes(packed)
    return root


def spec(folder: Path, *symbols: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "POTCAR.spec").write_text("\n".join(symbols) + "\n")
    return folder


def test_symbols_follow_the_blocks_of_the_poscar():
    structure = Structure(
        Lattice.cubic(9), ["S", "Mo", "Mo", "S"], [[0, 0, z] for z in (0, 0.25, 0.5, 0.75)]
    )
    assert potcars.potcar_symbols(structure, {"Mo": "Mo_sv"}) == ["S", "Mo_sv", "S"]


def test_element_without_potential_is_named_with_the_remedy():
    with pytest.raises(InputError, match=r"element 'Og'.*potcars"):
        potcars.default_symbol("Og")


def test_unknown_symbol_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'Mo_xx'.*Mo, Mo_pv, Mo_sv"):
        potcars.zval("Mo_xx")


def test_symbol_of_another_element_is_refused():
    with pytest.raises(InputError, match="'K_sv' is for K, not for S"):
        potcars.symbols_of_blocks(["S"], {"S": "K_sv"})


def test_valence_electrons_of_the_study_model_are_counted_by_hand():
    atoms = ["Mo"] * 7 + ["S"] * 13 + ["Se"] + ["C"] * 23 + ["N"]
    assert potcars.valence_electrons(atoms) == 7 * 12 + 13 * 6 + 6 + 23 * 4 + 5


def test_every_default_is_a_potential_of_its_element():
    for element, symbol in potcars._table().defaults.items():
        assert potcars.potential(symbol).element == element


def test_table_agrees_with_the_headers_of_real_outcars():
    corpus = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not corpus:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder of VASP files")
    seen = set()
    for path in Path(corpus).rglob("OUTCAR*"):
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("latin-1")
        header = text[:200_000]
        for symbol, electrons in re.findall(
            r"TITEL\s*=\s*PAW_PBE (\S+).*?ZVAL\s*=\s*([\d.]+)", header, re.DOTALL
        ):
            if symbol in potcars._table().potentials:
                assert potcars.zval(symbol) == float(electrons), (symbol, path)
                seen.add(symbol)
    assert len(seen) >= 8


def test_potcar_is_put_together_in_the_order_of_the_spec(tmp_path, library):
    folder = spec(tmp_path / "run", "S", "K_sv")
    text = assemble_potcar(folder, library).read_text()
    assert re.findall(r"invented (\S+)", text) == ["S", "K_sv"]


def test_missing_potential_names_the_library_and_what_was_looked_for(library):
    with pytest.raises(InputError, match=r"no POTCAR for Mo_pv in .*library"):
        find_potcar("Mo_pv", library)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (invented_potcar("K_pv", 7), "ZVAL 7.*planned as K with ZVAL 9"),
        (invented_potcar("Na_sv", 9), "planned as K"),
        (b"nothing of the kind\n", "not a POTCAR"),
    ],
    ids=["other valence", "other element", "no header"],
)
def test_potential_with_another_header_than_planned_is_refused(tmp_path, library, content, message):
    (library / "potpaw_PBE.54" / "K_sv" / "POTCAR").write_bytes(content)
    folder = spec(tmp_path / "run", "K_sv")
    with pytest.raises(InputError, match=message):
        assemble_potcar(folder, library)
    assert not (folder / "POTCAR").exists()


def test_folder_without_spec_is_refused(tmp_path, library):
    with pytest.raises(InputError, match=r"no POTCAR\.spec"):
        assemble_potcar(tmp_path, library)


def test_library_is_found_where_pymatgen_keeps_its_settings(tmp_path, library, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PMG_VASP_PSP_DIR", raising=False)
    assert potcar_library() is None
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / ".pmgrc.yaml").write_text(f"PMG_VASP_PSP_DIR: {library}\n")
    assert potcar_library() == library
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="elsewhere, which is not a folder"):
        potcar_library()
