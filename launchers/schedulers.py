"""The schedulers of clusters: what became of jobs, and how many wait.

Whether a job lives is the scheduler's to say. Where it cannot be asked nothing is known: every
question then raises `QueueError` and never passes for "the job is gone".
"""

import getpass
import os
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from ..structures.errors import InputError, QueueError

Kind = Literal["slurm", "pbs", "sge", "lsf"]
State = Literal["pending", "running", "ending", "gone"]

_TIMEOUT_S = 60
_UNKNOWN = "no longer known to the scheduler"


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """What a scheduler says about one job."""

    job_id: str
    state: State
    reason: str  # why it waits or how it ended, in the scheduler's words
    exit_code: str = ""  # "1:0", "271"; empty where it is not told


class Scheduler(ABC):
    """A cluster's queue, asked by its own commands."""

    kind: Kind

    def jobs(self, ids: Iterable[str]) -> dict[str, JobFacts]:
        """Return the facts of each job, asking the scheduler once for all that live.

        Raises
        ------
        QueueError
            The scheduler does not answer; nothing is known then about any job.
        """
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        known = self._listed(wanted)
        for job_id in wanted:
            facts = known.get(job_id)
            if facts is None or (facts.state == "gone" and not facts.exit_code):
                known[job_id] = self._ended(job_id, facts)
        return {job_id: known[job_id] for job_id in wanted}

    @abstractmethod
    def n_queued(self) -> int:
        """Return how many jobs of this user wait or run."""

    @abstractmethod
    def _listed(self, ids: Sequence[str]) -> dict[str, JobFacts]:
        """Return what one call says about the jobs; those it does not know are left out."""

    def _ended(self, job_id: str, facts: JobFacts | None) -> JobFacts:
        """Return how a job ended that is listed no longer."""
        return facts or JobFacts(job_id=job_id, state="gone", reason=_UNKNOWN)


class Slurm(Scheduler):
    """squeue, and for what has ended scontrol and, where accounting is on, sacct."""

    kind = "slurm"

    def n_queued(self) -> int:
        """Return how many jobs of this user squeue lists."""
        return len(_ask(["squeue", "-h", "-u", getpass.getuser(), "-o", "%i"]).splitlines())

    def _listed(self, ids: Sequence[str]) -> dict[str, JobFacts]:
        command = ["squeue", "-h", "-t", "all", "-j", ",".join(ids), "-o", "%i|%T|%r"]
        # Asked about one job only, squeue calls it an error when that has left its memory.
        lines = _ask(command, fine=("Invalid job id",)).splitlines()
        rows = [line.split("|", 2) for line in lines if line.count("|") >= 2]
        return {job: _slurm_facts(job, state, reason) for job, state, reason in rows}

    def _ended(self, job_id: str, facts: JobFacts | None) -> JobFacts:
        said = _ask(["scontrol", "-o", "show", "job", job_id], fine=("Invalid job id",))
        if match := re.search(r"\bJobState=(\S+) Reason=(\S+)", said):
            code = re.search(r"\bExitCode=(\S+)", said)
            return _slurm_facts(job_id, match[1], match[2], code[1] if code else "")
        try:
            rows = _ask(["sacct", "-n", "-P", "-X", "-j", job_id, "-o", "State,ExitCode"])
        except QueueError:  # accounting is off on many clusters
            rows = ""
        if rows.strip():
            state, code_text = rows.splitlines()[0].split("|")[:2]
            return _slurm_facts(job_id, state, "None", code_text)
        return facts or super()._ended(job_id, None)


class Pbs(Scheduler):
    """qstat of OpenPBS, PBS Pro and Torque."""

    kind = "pbs"

    def n_queued(self) -> int:
        """Return how many jobs of this user qstat lists."""
        lines = _ask(["qstat", "-u", getpass.getuser()]).splitlines()
        return sum(bool(re.match(r"\d+", line)) for line in lines)

    def _listed(self, ids: Sequence[str]) -> dict[str, JobFacts]:
        fine = ("Unknown Job", "has finished")
        try:
            said = _ask(["qstat", "-x", "-f", *ids], fine=fine)
        except QueueError:  # Torque has no -x that means "finished jobs too"
            said = ""
        if "job_state" not in said:
            said = _ask(["qstat", "-f", *ids], fine=fine)
        return {facts.job_id: facts for facts in read_qstat(said)}


class Sge(Scheduler):
    """qstat and qacct of the Grid Engines."""

    kind = "sge"

    def n_queued(self) -> int:
        """Return how many jobs of this user qstat lists."""
        lines = _ask(["qstat", "-u", getpass.getuser()]).splitlines()
        return sum(bool(re.match(r"\s*\d+", line)) for line in lines)

    def _listed(self, ids: Sequence[str]) -> dict[str, JobFacts]:
        said = _ask(["qstat", "-u", "*", "-xml"])
        return {f.job_id: f for f in read_qstat_xml(said) if f.job_id in ids}

    def _ended(self, job_id: str, facts: JobFacts | None) -> JobFacts:
        try:
            said = _ask(["qacct", "-j", job_id])
        except QueueError:  # written some seconds after the end, or not kept
            return super()._ended(job_id, facts)
        found = dict(re.findall(r"^(failed|exit_status)\s+(.+?)\s*$", said, re.MULTILINE))
        failed, code = found.get("failed", "0"), found.get("exit_status", "")
        reason = f"failed {failed}" if failed != "0" else "COMPLETED"
        return JobFacts(job_id=job_id, state="gone", reason=reason, exit_code=code)


class Lsf(Scheduler):
    """bjobs."""

    kind = "lsf"

    def n_queued(self) -> int:
        """Return how many jobs of this user bjobs lists."""
        said = _ask(["bjobs", "-noheader", "-o", "jobid"], fine=("No unfinished job",))
        return len(said.splitlines())

    def _listed(self, ids: Sequence[str]) -> dict[str, JobFacts]:
        columns = "jobid stat exit_code exit_reason pend_reason delimiter='|'"
        said = _ask(["bjobs", "-a", "-noheader", "-o", columns, *ids], fine=("is not found",))
        return {facts.job_id: facts for facts in read_bjobs(said)}


_KINDS: Mapping[str, type[Scheduler]] = {
    "slurm": Slurm, "pbs": Pbs, "sge": Sge, "lsf": Lsf,
    "SLURM": Slurm, "PBS": Pbs, "SGE": Sge, "LoadSharingFacility": Lsf,  # FireWorks' q_type
}  # fmt: skip


def find_scheduler(kind: str) -> Scheduler:
    """Return the scheduler of a kind, by our name or by FireWorks' ``_fw_q_type``.

    Examples
    --------
    >>> find_scheduler("SLURM").kind, find_scheduler("LoadSharingFacility").kind
    ('slurm', 'lsf')
    """
    if kind not in _KINDS:
        raise InputError(
            f"jobs of {kind!r} cannot be asked about; known are {', '.join(_KINDS)}. Set "
            "_fw_q_type in my_qadapter.yaml to one of them."
        )
    return _KINDS[kind]()


def _slurm_facts(job_id: str, word: str, reason: str, exit_code: str = "") -> JobFacts:
    """Return facts from Slurm's own words (squeue manual, "Job state codes")."""
    first = word.split(maxsplit=1)[0].rstrip("+")  # sacct: "CANCELLED by 1000"
    why = "" if reason in ("None", first, "NonZeroExitCode", "") else reason
    state = _SLURM_STATES.get(first, "gone")
    if state == "gone":
        # What a cancelled job had waited for is still in its reason.
        why = f"{first} ({why})" if why and first != "CANCELLED" else first
    return JobFacts(job_id=job_id, state=state, reason=why, exit_code=exit_code)


_SLURM_STATES: Mapping[str, State] = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD",
         "SPECIAL_EXIT"), "pending"),
    **dict.fromkeys(
        ("RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"), "running"),
    "COMPLETING": "ending",
}  # fmt: skip


def read_qstat(said: str) -> list[JobFacts]:
    r"""Return what ``qstat -f`` of a PBS says; a job's number is its id up to the first dot.

    Examples
    --------
    >>> read_qstat("Job Id: 12.server\n    job_state = Q\n    comment = Not Running: no nodes")
    [JobFacts(job_id='12', state='pending', reason='Not Running: no nodes', exit_code='')]
    """
    states: dict[str, State] = {"E": "ending", "C": "gone", "F": "gone", "X": "gone"}
    states |= dict.fromkeys("RSBU", "running")
    found = []
    for block in re.split(r"^Job Id:\s*", said, flags=re.MULTILINE)[1:]:
        text = re.sub(r"\n\t", "", block)  # long values go on after a tab
        values: dict[str, str] = dict(re.findall(r"^ +(\w+) = (.*)$", text, re.MULTILINE))
        state = states.get(values.get("job_state", "Q"), "pending")
        code = values.get("Exit_status", values.get("exit_status", ""))
        reason = values.get("comment", "")
        if state == "gone":
            reason = _pbs_end(code, reason)
        found.append(
            JobFacts(
                job_id=re.split(r"[.\s]", block, maxsplit=1)[0],
                state=state,
                reason=reason,
                exit_code=code or ("?" if state == "gone" else ""),
            )
        )
    return found


def _pbs_end(code: str, comment: str) -> str:
    """Return how a PBS job ended; -29 is the walltime, 256 + n a signal (OpenPBS manual)."""
    if code == "0":
        return "COMPLETED"
    if code == "-29" or "walltime" in comment:
        return "TIMEOUT"
    if code.isdigit() and int(code) > 256:
        return f"killed by signal {int(code) - 256}"
    return comment or f"exit status {code or 'unknown'}"


def read_qstat_xml(said: str) -> list[JobFacts]:
    """Return what ``qstat -xml`` of a Grid Engine says."""
    try:
        lists = ElementTree.fromstring(said).iter("job_list")  # noqa: S314 - of our own command
    except ElementTree.ParseError as error:
        raise QueueError(f"qstat -xml printed what is no XML: {error}") from error
    found = []
    for job in lists:
        word = job.findtext("state", "")
        state: State = "running" if set(word) & set("rtsST") else "pending"
        if "d" in word:
            state = "ending"
        reason = f"error state {word}" if "E" in word else ""
        job_id = job.findtext("JB_job_number", "")
        found.append(JobFacts(job_id=job_id, state=state, reason=reason))
    return found


def read_bjobs(said: str) -> list[JobFacts]:
    """Return what ``bjobs -o`` of an LSF says.

    Examples
    --------
    >>> read_bjobs("7|EXIT|140|TERM_RUNLIMIT: job killed after reaching LSF run time limit|-")[0]
    JobFacts(job_id='7', state='gone', reason='TIMEOUT (TERM_RUNLIMIT: ...)', exit_code='140')
    """
    states: dict[str, State] = dict.fromkeys(("PEND", "PSUSP", "WAIT"), "pending")
    states |= dict.fromkeys(("DONE", "EXIT", "ZOMBI"), "gone")
    found = []
    for line in said.splitlines():
        fields = [f.strip() for f in line.split("|")]
        if len(fields) < 5:
            continue
        job_id, word, code, ended, waits = ("" if f == "-" else f for f in fields[:5])
        state = states.get(word, "running")  # UNKWN: nobody knows, so it is left alone
        reason = waits if state == "pending" else ""
        if state == "gone":
            reason = "COMPLETED" if word == "DONE" else ended or word
            for term, ours in (("TERM_RUNLIMIT", "TIMEOUT"), ("TERM_MEMLIMIT", "OUT_OF_MEMORY")):
                reason = f"{ours} ({reason})" if term in reason else reason
            code = code or "0"
        found.append(JobFacts(job_id=job_id, state=state, reason=reason, exit_code=code))
    return found


def _ask(command: Sequence[str], fine: Sequence[str] = ()) -> str:
    """Return what a command prints; `fine` are words of failures that are an answer as well."""
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, timeout=_TIMEOUT_S, env=environment,
            check=False, errors="replace",
        )  # fmt: skip
    except FileNotFoundError as error:
        raise QueueError(
            f"{command[0]} is not on this machine: run this where jobs are submitted, or load "
            "the module of the scheduler"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise QueueError(f"{command[0]} did not answer within {_TIMEOUT_S} s") from error
    if done.returncode and not any(word in done.stderr + done.stdout for word in fine):
        words = (done.stderr or done.stdout).strip()
        raise QueueError(f"{command[0]} failed ({done.returncode}): {words}")
    return done.stdout
