"""A PostgreSQL server of its own for tests and benchmarks, in a temporary folder.

Started as a script; prints the URL of its empty database ``postgres`` once it answers, or, where
there is none, why not, and exit code 1. It ends, and leaves nothing, when its standard input does.
Debian: ``apt-get install postgresql``. The server refuses to run as root: root starts it as the
user ``postgres``. The user ``stranger`` needs a password.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HBA = "local all stranger scram-sha-256\nlocal all all trust\n"
START_S = 60.0


def program(name):
    """Return a program of the newest PostgreSQL that is installed; None without one."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: p.parts[4])
    return str(debian[-1]) if debian else shutil.which(name)


def start(folder, options):
    """Make a cluster and return its running server, which listens on a socket in the folder."""
    data = folder / "data"
    ask = [program("initdb"), "-D", str(data), "-U", "heterofire", "-E", "UTF8", "--locale=C"]
    done = subprocess.run(
        [*ask, "-A", "trust", "--no-sync"], capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        sys.exit(f"initdb: {done.stderr[-500:]}")
    (data / "pg_hba.conf").write_text(HBA)
    quiet = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [program("postgres"), "-D", str(data), *quiet], stdout=log, stderr=log, **options
        )


def wait_for(server, url, folder):
    """Return once the server lets us in."""
    import psycopg

    deadline = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{error}\n{(folder / 'log').read_text()[-1000:]}")
            time.sleep(0.1)
        else:
            return


def main():
    if program("initdb") is None:
        sys.exit("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    options = {}
    if os.geteuid() == 0:
        options = {"user": "postgres", "group": "postgres", "extra_groups": []}
    # Short: the path of a socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="hf-pg-", dir="/tmp"))
    server = None
    try:
        if options:
            shutil.chown(folder, options["user"], options["group"])
        server = start(folder, {**options, "cwd": folder})
        wait_for(server, f"postgresql://heterofire@/postgres?host={folder}", folder)
        print(f"postgresql+psycopg://heterofire@/postgres?host={folder}", flush=True)
        sys.stdin.read()
    finally:
        if server is not None:
            server.send_signal(2)  # SIGINT: open connections are cut
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
