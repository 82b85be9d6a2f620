"""The page on studies of one's own names every key, and its example is a study."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from pymatgen.core import Lattice, Structure

from heterofire.structures.errors import InputError
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study import Study
from heterofire.workflows.study_reading import load_study

PAGE = (Path(__file__).parents[1] / "docs" / "studies.md").read_text(encoding="utf-8")


def parts(model, seen):
    """Give every model that a study is made of."""
    seen.add(model)
    for field in model.model_fields.values():
        todo = [field.annotation]
        while todo:
            kind = todo.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
                parts(kind, seen)
            todo += get_args(kind)
    return seen


@pytest.mark.parametrize("model", sorted(parts(Study, set()), key=lambda m: m.__name__))
def test_the_page_names_every_key(model):
    tables = PAGE.rpartition("```")[2]
    named = {word for code in re.findall(r"`([^`]+)`", tables) for word in re.findall(r"\w+", code)}
    assert set(model.model_fields) - named == set()


@pytest.fixture
def example(tmp_path):
    (tmp_path / "own.yaml").write_text(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
    sites = (["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), *sites)
    crystal.to(filename=str(tmp_path / "LiCl.cif"))
    return tmp_path / "own.yaml", crystal


def test_the_example_plans_a_crystal_from_a_file(example):
    path, crystal = example
    plan = plan_study(load_study(path), "paper", engine="vasp")
    cells = {step.label.name: step.structure for step in plan.calculations}
    assert sorted(cells) == ["Cl2/molecule", "Li/bulk", "LiCl/bulk"]
    assert cells["LiCl/bulk"].composition.formula == "Li4 Cl4"
    assert cells["LiCl/bulk"].volume == pytest.approx(crystal.volume)
    [reaction] = plan.requests
    assert reaction.equation == "1 Li + 0.5 Cl2 -> 1 LiCl"


def test_a_crystal_with_partly_filled_sites_is_refused(example):
    path, crystal = example
    crystal[0] = {"Li+": 0.5}
    crystal.to(filename=str(path.parent / "LiCl.cif"))
    with pytest.raises(InputError, match=r"LiCl.cif is not .*partially occupied sites"):
        plan_study(load_study(path), "paper", engine="vasp")


def test_a_crystal_that_no_phase_names_is_taken_for_a_mistake(example):
    path, _ = example
    path.write_text(path.read_text().replace("crystals: {LiCl:", "crystals: {LiCI:"))
    with pytest.raises(InputError, match="no crystal named 'LiCI'"):
        plan_study(load_study(path), "paper", engine="vasp")
