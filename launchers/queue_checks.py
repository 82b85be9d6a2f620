"""Whether the queue that ``my_qadapter.yaml`` describes is there, and takes a job."""

import logging
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir
from getpass import getuser
from pathlib import Path
from typing import Any

from fireworks.queue.queue_adapter import QueueAdapterBase

from .machine_checks import Check
from .qadapters import load_qadapter
from .walltimes import format_walltime

_ANSWER_S = 10
_JOB_WAIT_S = 300
_JOB_POLL_S = 0.5
_TEST_WALLTIME_S = 300
_TRIAL = 4_000_000  # bytes written into the scratch folder of the node
_KINDS = {"SLURM": "slurm", "PBS": "pbs", "SGE": "sge", "LoadSharingFacility": "lsf"}
# Asks for the user's jobs, and where the scheduler has such a command for the queue by name.
_ASKS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "SLURM": (("squeue", "-h", "-u", "{user}"), ("scontrol", "show", "partition", "{queue}")),
    "PBS": (("qstat", "-u", "{user}"), ("qstat", "-Q", "{queue}")),
    "SGE": (("qstat", "-u", "{user}"), ("qconf", "-sq", "{queue}")),
    "LoadSharingFacility": (("bjobs", "-u", "{user}"), ("bqueues", "{queue}")),
}
# These say with an exit code other than 0 that there is no job.
_NO_JOB = re.compile(r"no (unfinished )?job", re.IGNORECASE)


def check_queue(path: Path) -> Check:
    """Check that the queue's commands are there and answer, and that it knows the partition.

    Parameters
    ----------
    path
        ``my_qadapter.yaml``.
    """
    adapter = load_qadapter(path).adapter
    submit = adapter.q_commands[adapter.q_type]["submit_cmd"]
    if shutil.which(submit) is None:
        return Check(
            name="queue", status="failed", message=f"{submit} is not on this machine",
            remedy=f"Work on a node that submits jobs, or correct _fw_q_type in {path}.",
        )  # fmt: skip
    status, named = _ASKS.get(adapter.q_type, ((), ()))
    asks = [_filled(status, adapter)] if status else []
    if named and adapter.get("queue") and shutil.which(named[0]):
        asks.append(_filled(named, adapter))
    for words in asks:
        problem = _problem(words)
        if problem:
            return Check(
                name="queue", status="failed", message=f"{shlex.join(words)}: {problem}",
                remedy=f"Correct queue in {path}, or ask who runs the cluster.",
            )  # fmt: skip
    where = f", partition {adapter['queue']}" if adapter.get("queue") else ""
    return Check(name="queue", status="ok", message=f"{adapter.q_type} answers{where}")


def send_test_job(
    path: Path, folder: Path, *, command: Sequence[str] = (), scratch: str | None = None,
    wait_s: float = _JOB_WAIT_S,
) -> Check:  # fmt: skip
    """Send a small job through the queue and wait until it has answered.

    The job loads the modules, writes into the scratch folder, and starts ``vasp_cmd`` in an empty
    folder, where VASP ends at once because there is no INCAR.

    Parameters
    ----------
    path
        ``my_qadapter.yaml``.
    folder
        On a disk that the nodes see; the job's own folder in it is removed when all is well.
    command
        What stands behind VASP.
    scratch
        As in ``my_fworker.yaml``.
    wait_s
        How long to wait before the job is left to itself.
    """
    adapter = load_qadapter(path).adapter
    folder.mkdir(parents=True, exist_ok=True)
    here = Path(tempfile.mkdtemp(prefix="test-job-", dir=folder))
    _make_small(adapter)
    adapter["rocket_launch"] = _script(here, command, scratch)
    (here / "test_job.sh").write_text(adapter.get_script_str(str(here)), encoding="utf-8")
    job_id, said = _submit(adapter, here)
    if job_id is None:
        return Check(
            name="test job", status="failed", message=f"not taken: {said}",
            remedy=f"Correct {path}: queue, account, walltime; the script is in {here}.",
        )  # fmt: skip
    started = time.monotonic()
    while not _is_over(here) and time.monotonic() - started < wait_s:
        time.sleep(_JOB_POLL_S)
    return _verdict(here, job_id, time.monotonic() - started)


def _make_small(adapter: QueueAdapterBase) -> None:
    """Ask for one core and a few minutes."""
    sizes = ("nodes", "ntasks_per_node", "nnodes", "ppnode", "ntasks", "ppn", "mppwidth")
    adapter.update({name: 1 for name in sizes if name in adapter})
    kind = _KINDS.get(adapter.q_type, "slurm")
    adapter.update(job_name="hf-test", walltime=format_walltime(_TEST_WALLTIME_S, kind))


def _script(here: Path, command: Sequence[str], scratch: str | None) -> str:
    """Return what the job does: each step leaves a file that says how it went."""
    answer = shlex.quote(str(here))
    lines = [f"cd {answer} && hostname > host && date +%s > clock"]
    if scratch:
        trial = f'"{scratch}/heterofire-{here.name}"'  # no $$: FireWorks drops lines with it
        lines.append(
            f'{{ mkdir -p "{scratch}" && head -c {_TRIAL} /dev/zero > {trial}; }} '
            f"2> scratch_error || echo 'cannot write to {scratch}' >> scratch_error; "
            f"rm -f {trial}"
        )
    if command:
        lines.append(
            f"mkdir -p empty && cd empty && {{ {shlex.join(command)} > ../engine_said 2>&1 "
            "< /dev/null; echo $? > ../engine_code; }; cd .."
        )
    return "\n".join([*lines, "mv clock done"])


def _submit(adapter: QueueAdapterBase, here: Path) -> tuple[str | None, str]:
    """Submit the script as FireWorks does; return the job's id, and what the queue said."""
    said = _Listener()
    logger = logging.getLogger(f"qadapter.{adapter.q_name}")
    logger.addHandler(said)
    adapter.pop("logdir", None)
    try:
        with chdir(here):
            job_id = adapter.submit_to_queue("test_job.sh")
    finally:
        logger.removeHandler(said)
    return (str(job_id) if job_id else None), said.words()


class _Listener(logging.Handler):
    """Keeps the errors that FireWorks logs instead of raising."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def words(self) -> str:
        """Return the scheduler's own words."""
        found = [
            match.group(1)
            for message in self.messages
            if (match := re.search(r"The error response reads: b?['\"]?(.*)", message, re.DOTALL))
        ]
        text = found[0] if found else " ".join(self.messages)
        lines = text.replace("\\n", "\n").strip("'\"*| \n").splitlines()
        return " ".join(line.strip() for line in lines if line.strip()) or "no reason was given"


def _is_over(here: Path) -> bool:
    """Return whether the job has come to its end, or has said that it cannot."""
    return (here / "done").exists() or "heterofire: cannot" in _output(here)


def _output(here: Path) -> str:
    """Return what the job printed, its errors first."""
    return _read(*here.glob("*.err*"), *here.glob("*.out"))


def _verdict(here: Path, job_id: str, seconds: float) -> Check:
    """Return what the job's files say."""
    name, said = "test job", _read(here / "engine_said")
    if not (here / "done").exists():
        written = _output(here)
        why = f": {written.splitlines()[-1]}" if written else ""
        return Check(
            name=name, status="failed" if written else "warning",
            message=f"job {job_id} has not come back after {seconds:.0f} s{why}",
            remedy=f"See whether it waits in the queue; its script and output are in {here}.",
        )  # fmt: skip
    where, last = _read(here / "host"), (said.splitlines() or ["it said nothing"])[-1]
    problem = _read(here / "scratch_error")
    if _read(here / "engine_code") in ("126", "127") or "shared librar" in said:
        problem = f"vasp_cmd does not start: {last}"
    if problem:
        return Check(
            name=name, status="failed", message=f"job {job_id} on {where}: {problem}",
            remedy=f"Correct modules, vasp_cmd or scratch; the job's files are in {here}.",
        )  # fmt: skip
    started = f"; vasp_cmd started there ('{last[:80]}')" if said else ""
    shutil.rmtree(here, ignore_errors=True)
    return Check(
        name=name, status="ok", message=f"job {job_id} on {where} after {seconds:.0f} s{started}"
    )


def _read(*paths: Path) -> str:
    """Return what stands in the first of these files that holds anything."""
    texts = (p.read_text(encoding="utf-8", errors="replace").strip() for p in paths if p.is_file())
    return next((text for text in texts if text), "")


def _filled(words: Sequence[str], adapter: Mapping[str, Any]) -> list[str]:
    values = {"user": getuser(), "queue": str(adapter.get("queue") or "")}
    return [word.format(**values) for word in words]


def _problem(words: Sequence[str]) -> str:
    """Run one of the queue's commands; return its complaint, or nothing."""
    try:
        done = subprocess.run(
            list(words), capture_output=True, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL, timeout=_ANSWER_S,
        )  # fmt: skip
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer after {_ANSWER_S} s"
    complaint = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
    return "" if done.returncode == 0 or _NO_JOB.search(complaint) else complaint.splitlines()[-1]
