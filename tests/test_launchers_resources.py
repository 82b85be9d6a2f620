"""What a calculation asks a queue for fits the cluster, the images and the k-points."""

from dataclasses import replace

import pytest
from pymatgen.core import Lattice, Structure

from heterofire.launchers.resources import ClusterLimits, Resources, resources_for
from heterofire.results.records import Label
from heterofire.structures.errors import InputError
from heterofire.workflows.calculations import Calculation

CLUSTER = ClusterLimits(kind="slurm", cores_per_node=32, max_nodes=4, walltime_s=86400)


def calculation(n_atoms: int, mesh=(1, 1, 1), task="relax", images=0, engine="vasp"):
    structure = Structure(
        Lattice.orthorhombic(10, 10, 2.5 * n_atoms),
        ["S"] * n_atoms,
        [[0.5, 0.5, i / n_atoms] for i in range(n_atoms)],
    )
    return Calculation(
        label=Label(study="s", profile="paper", model="S", task=task, name=f"S/{task}"),
        structure=structure,
        incar={"ISYM": 0},
        kpoints={"mesh": list(mesh), "n_kpoints": 1},
        potcar_symbols=("S",),
        engine=engine,
        method="",
        n_images=images,
        nelect=6.0 * n_atoms,
    )


@pytest.mark.parametrize("per_node", [1, 2, 4, 24, 32, 36, 40, 48, 128])
@pytest.mark.parametrize("mesh", [(1, 1, 1), (2, 2, 1), (3, 3, 1)], ids=str)
@pytest.mark.parametrize("n_atoms", [1, 3, 17, 45, 110, 400])
def test_every_layout_is_one_that_slurm_and_vasp_take(per_node, mesh, n_atoms):
    cluster = replace(CLUSTER, cores_per_node=per_node)
    for images in (0, 1, 3):
        wanted = calculation(n_atoms, mesh, images=images)
        given = resources_for(wanted, cluster)
        assert 1 <= given.nodes <= cluster.max_nodes
        assert given.cores % given.nodes == 0
        assert given.cores // given.nodes <= per_node
        assert given.cores % max(images, 1) == 0
        per_image = given.cores // max(images, 1)
        assert per_image % (given.kpar * given.ncore) == 0
        assert 60 <= given.walltime_s <= cluster.walltime_s


def test_an_atom_gets_a_core_and_a_large_slab_whole_nodes():
    assert resources_for(calculation(1), CLUSTER).cores == 1
    large = resources_for(calculation(110), CLUSTER)
    assert (large.nodes, large.cores, large.binary) == (3, 96, "gam")
    assert large.ncore == 4


def test_k_points_are_shared_out_first():
    given = resources_for(calculation(20, (3, 3, 1)), replace(CLUSTER, cores_per_node=40))
    assert given.kpar == 5
    assert given.binary == "std"


def test_a_band_gets_cores_for_each_image():
    given = resources_for(calculation(40, images=4), CLUSTER)
    assert given.cores % 4 == 0
    assert given.nodes == 4


def test_a_band_of_too_many_images_is_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"(?s)5 images.* 4 cores .*--nodes"):
        resources_for(calculation(5, images=5), replace(CLUSTER, cores_per_node=1))


def test_the_walltime_grows_with_the_cost_up_to_the_limit():
    times = [resources_for(calculation(n), CLUSTER).walltime_s for n in (2, 200, 400)]
    assert times == sorted(times)
    assert times[0] == 1800
    known = resources_for(calculation(45), CLUSTER, core_hours=1e6)
    assert known.walltime_s == CLUSTER.walltime_s


def test_the_embedded_engine_runs_on_one_core():
    given = resources_for(calculation(45, engine="xtb"), CLUSTER)
    assert (given.nodes, given.cores, given.binary) == (1, 1, "std")


def test_images_of_an_engine_get_a_core_each_where_processes_share_them():
    band = calculation(45, engine="xtb", images=3)
    cores = [resources_for(band, CLUSTER, n_processes=n).cores for n in (1, 2, 32)]
    assert cores == [1, 2, 3]
    relaxation = calculation(45, engine="xtb")
    assert resources_for(relaxation, CLUSTER, n_processes=32).cores == 1


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("slurm", {"nodes": 2, "ntasks_per_node": 32, "walltime": "24:00:00"}),
        ("pbs", {"nnodes": 2, "ppnode": 32, "walltime": "24:00:00"}),
        ("sge", {"ntasks": 64, "walltime": "24:00:00"}),
        ("lsf", {"ntasks": 64, "ntasks_per_node": 32, "walltime": "24:00"}),
    ],
)
def test_the_keys_are_those_of_fireworks_templates(kind, keys):
    assert Resources(nodes=2, cores=64, walltime_s=86400).queue_keys(kind) == keys


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ({"cores": 32}, "has no 'cores'; known are kind, cores_per_node"),
        ({"cores_per_node": "32"}, "cores_per_node.*'32'.*whole number"),
        ({"max_nodes": 0}, "max_nodes.*above 0"),
        ([32], "heterofire init writes it"),
    ],
    ids=str,
)
def test_a_wrong_entry_of_the_worker_file_is_named(cluster, message):
    with pytest.raises(InputError, match=message):
        ClusterLimits.of_worker({"heterofire": {"cluster": cluster}})
