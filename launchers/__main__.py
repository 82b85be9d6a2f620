"""What job scripts start: `python -m heterofire.launchers rlaunch -l LAUNCHPAD ...`."""

import sys
from pathlib import Path

from .launchpads import run_fireworks_command

if __name__ == "__main__":
    _, _kind, _, _file, *_args = sys.argv
    _path = Path(_file)  # the embedded LaunchPad, or FireWorks' file that names a MongoDB
    _server = _path if _path.suffix in (".yaml", ".yml", ".json") else None
    sys.exit(run_fireworks_command("rlaunch", _args, my_launchpad=_server, embedded=_path))
