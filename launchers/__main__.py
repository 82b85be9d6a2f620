"""What the job scripts of an embedded LaunchPad start: `python -m heterofire.launchers rlaunch`."""

import sys
from pathlib import Path

from .launchpads import run_fireworks_command

if __name__ == "__main__":
    _, _kind, _, _file, *_args = sys.argv
    sys.exit(run_fireworks_command("rlaunch", _args, embedded=Path(_file)))
