"""What a process may still have is the least of machine, control groups and job."""

import pytest

from heterofire.launchers.memory_limits import available_memory_gb

MEMINFO = "MemTotal: 99999999 kB\nMemAvailable: 9765625 kB\n"  # 10 GB


@pytest.fixture
def machine(tmp_path):
    """Make a root folder with the kernel's files."""

    def build(**files):
        for name, text in ({"proc/meminfo": MEMINFO} | files).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return build


def test_a_bare_machine_has_what_linux_says(machine):
    assert available_memory_gb(machine(), {}) == pytest.approx(10.0)


def test_nobody_tells(tmp_path):
    assert available_memory_gb(tmp_path, {}) is None


@pytest.mark.parametrize("group", ["job_1", ""], ids=["its own", "the one around it"])
def test_a_control_group_of_version_2_limits(machine, group):
    files = {
        f"sys/fs/cgroup/{group}/memory.max": "4000000000\n",
        f"sys/fs/cgroup/{group}/memory.current": "3000000000\n",
        f"sys/fs/cgroup/{group}/memory.stat": "anon 1\ninactive_file 500000000\n",
        "proc/self/cgroup": "0::/job_1\n",
    }
    assert available_memory_gb(machine(**files), {}) == pytest.approx(1.5)


def test_a_control_group_without_a_limit_takes_nothing_away(machine):
    files = {
        "sys/fs/cgroup/memory.max": "max\n",
        "sys/fs/cgroup/memory.current": "3000000000\n",
        "proc/self/cgroup": "0::/\n",
    }
    assert available_memory_gb(machine(**files), {}) == pytest.approx(10.0)


def test_a_control_group_of_version_1_limits(machine):
    files = {
        "sys/fs/cgroup/memory/slurm/memory.limit_in_bytes": "2000000000\n",
        "sys/fs/cgroup/memory/slurm/memory.usage_in_bytes": "500000000\n",
        "proc/self/cgroup": "8:pids:/\n4:cpu,memory:/slurm\n",
    }
    assert available_memory_gb(machine(**files), {}) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("variables", "gb"),
    [
        ({"SLURM_MEM_PER_NODE": "2000"}, 2.097152),
        ({"SLURM_MEM_PER_CPU": "1000", "SLURM_CPUS_ON_NODE": "4"}, 4.194304),
        ({"SLURM_MEM_PER_NODE": "0"}, 10.0),
    ],
    ids=["by node", "by CPU", "all of the node"],
)
def test_a_job_of_slurm_has_what_it_asked_for(machine, variables, gb):
    assert available_memory_gb(machine(), variables) == pytest.approx(gb)
