"""FireWorks' ``my_qadapter.yaml``: read, checked before anything is submitted, turned into jobs."""

import re
import shlex
import subprocess
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

from ..structures.errors import InputError, QueueError
from ..structures.files import write_atomic

if TYPE_CHECKING:
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

SCRIPT = "FW_submit.script"  # FireWorks' name for it
_ALWAYS = {"logdir", "launch_dir", "job_name", "rocket_launch", "pre_rocket", "post_rocket"}
NAME_LENGTHS = {"PBS": 15}  # of Torque and old PBS; 63 of others


@dataclass(frozen=True, kw_only=True)
class QueueAdapter:
    """One way to submit jobs to a cluster."""

    path: Path  # the my_qadapter.yaml it comes from
    adapter: "CommonAdapter"

    @property
    def kind(self) -> str:
        """Return FireWorks' word for the scheduler, such as SLURM."""
        return str(self.adapter.q_type)

    def words(self, key: str) -> list[str]:
        """Return the words of an entry of the file; none where it is not there."""
        return str(self.adapter.get(key) or "").split()

    def script(self, folder: Path, values: Mapping[str, Any]) -> str:
        """Return the job script with these values instead of the file's own."""
        from fireworks.utilities.fw_serializers import load_object  # slow to import

        adapter = load_object(self.adapter.to_dict())  # a copy: the file's own values stay
        adapter.update(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # keys were checked, with a better message
            return str(adapter.get_script_str(str(folder)))

    def submit(self, folder: Path, script: str, environment: Mapping[str, str]) -> str:
        """Write the script into the folder, submit it from there, return the job's id.

        FireWorks' own submission keeps what the scheduler says to itself; this one shows it.

        Raises
        ------
        QueueError
            The scheduler refused; with its own words.
        """
        write_atomic(folder / SCRIPT, script)
        command = [self.adapter.q_commands[self.kind]["submit_cmd"]]
        stdin = script if self.kind == "LoadSharingFacility" else None
        try:
            done = subprocess.run(
                [*command, *([] if stdin else [SCRIPT])], cwd=folder, input=stdin,
                capture_output=True, text=True, env=dict(environment), check=False,
            )  # fmt: skip
        except OSError as error:
            raise QueueError(
                f"cannot start {command[0]}: {error}. Submit where the scheduler's commands are, "
                f"or use `heterofire launch --local`."
            ) from error
        words = (done.stderr.strip() or done.stdout.strip()) or "it said nothing"
        if done.returncode:
            raise QueueError(
                f"{command[0]} refused {folder / SCRIPT}:\n  {words}\nNothing is left reserved. "
                f"Correct {self.path} (queue, account, walltime ...) and launch again."
            )
        try:
            return str(self.adapter._parse_jobid(done.stdout))
        except RuntimeError as error:
            raise QueueError(f"{command[0]} named no job: {words}") from error


def load_qadapter(path: Path) -> QueueAdapter:
    """Return the adapter of a file, every key of which the scheduler's template must know.

    Raises
    ------
    InputError
        Not readable, not FireWorks' CommonAdapter, or a key that would silently do nothing.
    """
    from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

    content = _read(path)
    if content.get("_fw_name", "CommonAdapter") != "CommonAdapter" or "_fw_q_type" not in content:
        raise InputError(
            f"{path}: wanted are '_fw_name: CommonAdapter' and '_fw_q_type: SLURM' (or PBS, SGE, "
            f"LoadSharingFacility); found {content.get('_fw_name')!r}, "
            f"{content.get('_fw_q_type')!r}. `heterofire init` writes such a file."
        )
    values = {key: value for key, value in content.items() if key != "_fw_name"}
    try:
        adapter = CommonAdapter.from_dict(values)
        keys = template_keys(Path(adapter.template_file))
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: {error}") from error
    _check_keys(path, values, keys)
    return QueueAdapter(path=path, adapter=adapter)


def template_keys(template: Path) -> set[str]:
    """Return the keys that a template of FireWorks fills in."""
    return {key for _, key, _, _ in Formatter().parse(template.read_text()) if key} | _ALWAYS


def _check_keys(path: Path, values: Mapping[str, Any], known: set[str]) -> None:
    """Refuse keys that FireWorks would only warn about, and values that end a line early."""
    unknown = [key for key in values if not key.startswith("_") and key not in known]
    if unknown:
        raise InputError(
            f"{path}: FireWorks knows no key {', '.join(map(repr, unknown))} for "
            f"{values['_fw_q_type']}; known are {', '.join(sorted(known - {'launch_dir'}))}. "
            "Nothing was submitted."
        )
    for key, value in values.items():
        if key not in ("pre_rocket", "post_rocket") and "\n" in str(value).strip():
            raise InputError(f"{path}: the value of {key!r} must be one line")


def _read(path: Path) -> dict[str, Any]:
    """Return the YAML mapping in a file, as FireWorks reads it.

    FireWorks reads YAML 1.2, where 24:00:00 is text; in PyYAML's 1.1 it is the number 86400.
    """
    from ruamel.yaml import YAML  # FireWorks' own
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a mapping such as '_fw_q_type: SLURM'")
    return content


def rocket_launch(configured: str, worker: list[str], *, is_last: bool = True) -> str:
    """Return the line that starts our worker, after what the user has before ``rlaunch``.

    Parameters
    ----------
    configured
        ``rocket_launch`` of the user's file.
    worker
        Our command.
    is_last
        Whether nothing follows in the script. The worker then takes the place of the shell, so
        that the job lives exactly as long as the worker, and hears the scheduler's signals.

    Examples
    --------
    >>> rocket_launch("srun -n 1 rlaunch -c conf singleshot", ["python", "-m", "worker"])
    'exec srun -n 1 python -m worker'
    >>> rocket_launch("OMP_NUM_THREADS=1 heterofire rlaunch singleshot", ["python"])
    'OMP_NUM_THREADS=1 python'
    >>> rocket_launch("/bin/python3 -P -m heterofire.launchers rlaunch singleshot", ["python"])
    'exec python'
    """
    ours = r"(?:\S*python\S*\s+(?:-\S+\s+)*)?\S*\bheterofire(?:\.launchers)?\s+"
    before = re.match(rf"(.*?)(?:{ours})?(?<!\S)\S*\brlaunch(?!\S)", configured or "")
    prefix = before[1] if before else ""
    plain = (
        re.fullmatch(r"([\w./-]+( +[\w./=,:-]+)* *)?", prefix) and "=" not in prefix.split(" ")[0]
    )
    return ("exec " if is_last and plain else "") + prefix + shlex.join(worker)


def job_name(*parts: str, most: int = 63) -> str:
    """Return a name that every scheduler takes and that may be part of a file name.

    Parameters
    ----------
    parts
        Study, model and task; where the name gets too long each is shortened.
    most
        Characters.

    Examples
    --------
    >>> job_name("potassium-anode", "MoS2@NC", "relax"), job_name("2-layers", "", "static")
    ('potassium-anode.MoS2-NC.relax', 'hf-2-layers.static')
    >>> job_name("potassium-anode", "MoS2@NC", "relax", most=15)
    'pota.MoS2.relax'
    """
    words = [re.sub(r"[^A-Za-z0-9_-]+", "-", part).strip("-") for part in parts if part]
    if not words[0][:1].isalpha():
        words[0] = f"hf-{words[0]}"
    if len(".".join(words)) > most:
        each = (most + 1) // len(words) - 1
        words = [word[:each].strip("-") for word in words[:-1]] + words[-1:]
    return ".".join(words)[:most]
