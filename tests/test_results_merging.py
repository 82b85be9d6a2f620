"""Two databases joined: what is missing is taken, what differs is said, nothing is lost."""

import gzip
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from heterofire.results.merging import merge
from heterofire.results.records import Label, Leg, Property
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, StoreError

LABEL = Label(study="s", profile="quick", model="MoS2", task="relax", name="MoS2/relax")


def prop(study: str = "s", value: float = -1.0, **changes) -> Property:
    values = {"study": study, "profile": "quick", "engine": "xtb", "method": "", "model": "MoS2"}
    values |= {"quantity": "K binding energy", "label": "", "reference": "", "unit": "eV"}
    values |= {"energy_kind": "E0", "status": "ok", "value": value}
    return Property(**(values | changes))


@pytest.fixture
def theirs(tmp_path) -> str:
    return str(tmp_path / "theirs" / "results.db")


def fill(where: str, runs: dict, *sets: tuple[str, list[Property]]) -> str:
    with ResultStore.open(where) as store:
        for key, run in runs.items():
            store.add_run(key, replace(LABEL, name=f"{key} of {Path(where).parent.name}"), run)
        for study, items in sets:
            store.replace_properties(study, "quick", "xtb", items)
    return where


def test_all_of_another_database_is_taken_over_once(database, theirs, full_run):
    leg = Leg(role="host", factor=1.0, key="k1", energy=full_run.e0, charge=0.0, formula="Mo1")
    items = [prop(legs=(leg,), keys=("k1",)), prop(value=None, status="missing")]
    fill(theirs, {"k1": full_run}, ("s", items))
    done = merge(database, theirs)
    assert (done.new, len(done.uses), done.groups) == (["k1"], 1, [("s", "quick", "xtb")])
    again = merge(database, theirs)
    assert again.is_empty
    assert (again.equal, again.equal_groups) == (1, [("s", "quick", "xtb")])
    with ResultStore.open(database) as store:
        assert store.properties() == items
        assert store.get_run("k1").e0 == full_run.e0
        assert store.check() == []


def test_a_server_is_merged_into_a_file(postgresql, tmp_path, full_run):
    fill(postgresql, {"k1": full_run}, ("s", [prop(keys=("k1",))]))
    ours = str(tmp_path / "results.db")
    assert merge(ours, postgresql).new == ["k1"]
    assert merge(ours, postgresql).is_empty
    with ResultStore.open(ours) as store:
        assert store.check() == []


def test_a_dry_run_says_the_same_and_changes_nothing(database, theirs, full_run):
    fill(database, {"k0": full_run})
    fill(theirs, {"k1": full_run}, ("s", [prop(keys=("k1",))]))
    planned = merge(database, theirs, dry_run=True)
    with ResultStore.open(database) as store:
        assert not store.has("k1")
    assert merge(database, theirs) == planned


def test_what_both_have_stays_and_is_used_by_both(database, theirs, full_run):
    fill(database, {"k1": full_run})
    fill(theirs, {"k1": full_run})
    done = merge(database, theirs)
    assert (done.new, done.equal, len(done.uses), done.conflicts) == ([], 1, 1, [])
    with ResultStore.open(database) as store:
        assert len(store.calculations()) == 2


@pytest.mark.parametrize("poor_one", ["ours", "theirs"])
def test_a_converged_run_wins_over_an_unconverged_one(database, theirs, full_run, poor_one):
    poor = replace(full_run, status="unconverged", reasons=("NSW reached",), e0=-1.0, dos=None)
    fill(database, {"k1": poor if poor_one == "ours" else full_run})
    fill(theirs, {"k1": full_run if poor_one == "ours" else poor})
    done = merge(database, theirs)
    assert done.converged == (["k1"] if poor_one == "ours" else [])
    assert done.conflicts == []
    with ResultStore.open(database) as store:
        assert store.get_run("k1").e0 == full_run.e0
        assert store.get_run("k1").dos is not None
        assert store.check() == []


def test_two_results_of_one_calculation_are_a_conflict_with_both_folders(
    database, theirs, full_run
):
    fill(database, {"k1": full_run})
    fill(theirs, {"k1": replace(full_run, e0=-31.2, folder="/scratch/theirs/run")})
    for _ in range(2):
        (line,) = merge(database, theirs).conflicts
    assert full_run.folder in line
    assert "/scratch/theirs/run" in line
    assert "-31.2" in line
    with ResultStore.open(database) as store:
        assert store.get_run("k1").e0 == full_run.e0


def test_the_same_result_from_another_folder_is_no_conflict(database, theirs, full_run):
    fill(database, {"k1": full_run})
    fill(theirs, {"k1": replace(full_run, folder="/elsewhere", elapsed_s=99.0)})
    done = merge(database, theirs)
    assert (done.conflicts, done.kept) == ([], 1)


def test_numbers_that_differ_stay_ours_and_are_named(database, theirs, full_run):
    fill(database, {"k1": full_run}, ("s", [prop(value=-1.0)]))
    more = prop(quantity="gap", value=1.5)
    fill(theirs, {"k1": full_run}, ("s", [prop(value=-2.0), more]), ("t", [prop("t", -3.0)]))
    done = merge(database, theirs)
    assert done.groups == [("t", "quick", "xtb")]
    (line,) = done.conflicts
    assert "ours -1 eV, theirs -2 eV" in line
    assert "1 are only theirs" in line
    assert "heterofire run s --profile quick --engine xtb" in line
    with ResultStore.open(database) as store:
        assert [item.value for item in store.properties("s")] == [-1.0]
        assert [item.value for item in store.properties("t")] == [-3.0]


@pytest.mark.parametrize(
    "command",
    ["UPDATE calculations SET e0 = 0", "UPDATE arrays SET blob = x'00' WHERE name = 'moments'"],
    ids=["row", "array"],
)
def test_an_altered_calculation_is_not_taken_nor_what_rests_on_it(
    database, theirs, full_run, command
):
    fill(theirs, {"k1": full_run}, ("s", [prop(keys=("k1",))]))
    with sqlite3.connect(theirs) as connection:
        connection.execute(command)
    done = merge(database, theirs)
    assert done.is_empty
    assert "calculation k1" in done.damaged[0]
    assert "not taken over: k1" in done.damaged[1]
    with ResultStore.open(database) as store:
        assert (len(store.calculations()), store.properties()) == (0, [])


def test_an_older_database_is_read_through_a_copy(database, tmp_path):
    old = tmp_path / "old.db"
    packed = Path(__file__).parent / "data" / "results_schema1.db.gz"
    old.write_bytes(gzip.decompress(packed.read_bytes()))
    before = old.read_bytes()
    done = merge(database, old)
    assert (len(done.new), done.properties) == (4, 4)
    assert old.read_bytes() == before
    assert [path.name for path in tmp_path.glob("old*")] == ["old.db"]
    with ResultStore.open(database) as store:
        assert store.check() == []


def test_a_newer_a_missing_and_the_same_database_are_refused(tmp_path, full_run):
    ours = fill(str(tmp_path / "results.db"), {"k1": full_run})
    newer = fill(str(tmp_path / "newer.db"), {})
    with sqlite3.connect(newer) as connection:
        connection.execute("INSERT INTO heterofire_schema VALUES (99, 'later', 'now')")
    with pytest.raises(StoreError, match="Update heterofire"):
        merge(ours, newer)
    with pytest.raises(InputError, match="there is no database"):
        merge(ours, tmp_path / "none.db")
    (tmp_path / "link.db").symlink_to(ours)
    with pytest.raises(InputError, match="the database itself"):
        merge(ours, tmp_path / "link.db")


def test_a_merge_that_is_cut_off_leaves_ours_as_it_was(database, theirs, full_run):
    fill(theirs, {f"k{n}": full_run for n in range(5)}, ("s", [prop(keys=("k1",))]))

    def stop(what: str, done: int, _total: int) -> None:
        if what == "calculations" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge(database, theirs, progress=stop)
    with ResultStore.open(database) as store:
        assert len(store.calculations()) == 0
    assert len(merge(database, theirs).new) == 5
