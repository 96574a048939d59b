"""A real PostgreSQL in a folder of its own, and an empty database in it for every test.

Called by  the fixtures of tests/real/conftest.py, and scripts/bench_quarantine.py.
Ends       the server with the block.
Careful    it refuses to run as root: then it runs as the user postgres. Who comes by its socket is
           trusted, who comes by TCP needs the password.
"""

import contextlib
import glob
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from tests.real.servers import _folder, _free_port

PASSWORD = "s3cret words"
_UP_WITHIN_S = 30.0
_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=60")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A server that runs: the folder of its socket, and its port."""

    folder: str
    port: int

    def made(self, name: str) -> str:
        """Make an empty database, and give its address."""
        with psycopg.connect(self.by_socket("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.by_socket(name)

    def by_socket(self, name: str) -> str:
        """Give the address of a database by the socket."""
        return f"postgresql://postgres@/{name}?host={self.folder}&port={self.port}"

    def by_tcp(self, name: str) -> str:
        """Give the address of a database by TCP; it needs the password."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server."""
    with _folder() as folder:
        data, secret = f"{folder}/data", f"{folder}/password"
        with open(secret, "w") as file:
            file.write(PASSWORD)
        if os.geteuid() == 0:
            for each in (folder, secret):
                shutil.chown(each, "postgres", "postgres")
        begin = ["--no-sync", "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]
        command = _as_postgres("initdb", "-D", data, *begin, f"--pwfile={secret}", "-E", "UTF8")
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder)
        port = _free_port()
        options = [word for setting in _FAST for word in ("-c", setting)]
        where = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", folder]
        command = _as_postgres("postgres", "-D", data, *where, *options)
        with (
            open(f"{folder}/output", "wb") as output,
            subprocess.Popen(command, stdout=output, stderr=output, cwd=folder) as process,
        ):
            server = Postgres(folder=folder, port=port)
            try:
                _wait(server, process, f"{folder}/output")
                yield server
            finally:
                process.send_signal(signal.SIGINT)  # ends whatever clients are left
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def _as_postgres(name: str, *words: str) -> list[str]:
    found = shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default="")
    assert found, f"{name} is not installed: run scripts/test"
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return [*(user if os.geteuid() == 0 else []), found, *words]


def _wait(server: Postgres, process: "subprocess.Popen[bytes]", output: str) -> None:
    ends_at = time.monotonic() + _UP_WITHIN_S
    while True:
        try:
            psycopg.connect(server.by_socket("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if process.poll() is None and time.monotonic() < ends_at:
                threading.Event().wait(0.05)
                continue
            with open(output, errors="replace") as said:
                raise AssertionError(f"does not come up: {error}\n{said.read()}") from error
        return
