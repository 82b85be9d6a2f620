import pytest

from heterofire.structures.errors import InputError
from heterofire.workflows.host_parts import Host
from heterofire.workflows.study import pick
from heterofire.workflows.study_reading import load_study, parse_study, study_names

SMALL = """\
study: small
title: A small study
hosts: [MoS2@NC]
sites:
  - {region: gallery, count: 1}
phases:
  K atom: {atom: K}
ion_references:
  - {name: K atom, phase: K atom}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("count: 1", "count: -1", r"small.yaml:5: sites.0.count: .*greater than or equal to 0"),
        ("gallery", "galery", r"small.yaml:5: sites.0.region: .*'gallery' or 'outer'"),
        ("title:", "titel:", r"small.yaml:2: titel: no such key here; did you mean 'title'"),
        ("{atom: K}", "{atom: K, crystal: K_bcc}", r"small.yaml:7: phases.K atom: give exactly"),
        ("phase: K atom", "phase: K2", r"phase 'K2' is not among the phases \(K atom\)"),
        ("study: small", "study: ../small", r"small.yaml:1: study: .*pattern"),
        ("hosts: [", "hosts: [[", "small.yaml is not YAML"),
        (
            "[MoS2@NC]",
            "[{model: MoS2@NC, parts: [band]}]",
            r"small.yaml:3: hosts.0.parts.0: .*'dos'",
        ),
        ("[MoS2@NC]", "[3]", r"small.yaml:3: hosts.0: .*valid dictionary.*, not 3"),
        ("title:", "hosts: [MoS2@C]\ntitle:", r"small.yaml:4: hosts: given twice"),
        ("title:", "overrides: {quick: {bluk: {}}}\ntitle:", r"overrides: quick: no task 'bluk'"),
        ("title:", "final_spacing: {gpaw: .inf}\ntitle:", r"final_spacing.gpaw: .*less than"),
        ("title:", "final_spacing: {gpaw: true}\ntitle:", r"final_spacing.gpaw: .*valid number"),
        ("title:", "figures: [{figure: bond}]\ntitle:", r"yaml:2: figures: no figure 'bond'"),
        ("title:", "figures: [5b, bond]\ntitle:", r"yaml:2: figures: no figure 'bond'"),
    ],
    ids=[
        *("value", "choice", "key", "two sources", "reference", "folder in a name", "syntax"),
        *(
            "part of a host",
            "host",
            "doubled key",
            "task",
            "infinite",
            "logical",
            "figure with keys",
            "figure",
        ),
    ],
)
def test_a_malformed_study_is_refused_with_line_and_key(old, new, message):
    with pytest.raises(InputError, match=message):
        parse_study(SMALL.replace(old, new), "small.yaml")


def test_the_small_study_itself_is_well_formed():
    assert parse_study(SMALL, "small.yaml").hosts == (Host(model="MoS2@NC"),)


def test_a_figure_may_be_of_some_profiles():
    figures = 'figures: ["5b", {figure: charges, profiles: [quick, paper]}]\ntitle:'
    study = parse_study(SMALL.replace("title:", figures), "small.yaml")
    assert study.figures_in("quick") == ("5b", "charges")
    assert study.figures_in("gpaw") == ("5b",)


def test_a_host_may_be_of_some_profiles_and_have_some_parts():
    hosts = "hosts: [MoS2@C, {model: MoS2@NC, profiles: [gpaw], parts: [sites]}]"
    study = parse_study(SMALL.replace("hosts: [MoS2@NC]", hosts), "small.yaml")
    assert [host.model for host in study.hosts_in("quick")] == ["MoS2@C"]
    assert [host.model for host in study.hosts_in("gpaw")] == ["MoS2@C", "MoS2@NC"]
    assert study.hosts[1].parts == ("sites",)


def test_every_study_that_comes_along_is_valid():
    for name in study_names():
        assert load_study(name).study == name


def test_an_unknown_study_names_the_known_ones():
    with pytest.raises(InputError, match=r"unknown study 'potasium'; known are .*potassium-anode"):
        load_study("potasium")


def test_a_missing_study_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read study .*mine\.yaml"):
        load_study(tmp_path / "mine.yaml")


def test_a_value_without_the_profile_says_which_there_are():
    with pytest.raises(InputError, match="no value for profile 'paper'; given are quick"):
        pick({"quick": 1}, "paper")
