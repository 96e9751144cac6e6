"""Hosts on one machine: namespaces of the network, joined by a bridge. Needs root on Linux; see ip-netns(8).

`python tests/fleet/namespaces.py COMMAND ...` makes three, starts a scheduler of Dask and a worker in each, and runs
the command with the address of the scheduler in CLUSTER, such as `sh -c 'bench run linear_fit --cluster $CLUSTER'`.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

QUICK = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"
}  # after which a cut connection is noticed; Dask takes no less than 11


def ip(*words: str) -> None:
    """Run ip(8). Raises `CalledProcessError` if it fails."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


def possible() -> bool:
    """Return whether this process may make namespaces of the network."""
    if sys.platform != "linux" or os.getuid() != 0:
        return False
    name = f"lf{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("netns", "delete", name)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


LETTERS = itertools.cycle("ghijklmnopqrstuv")


@dataclass(frozen=True)
class Network:
    """A bridge, and namespaces that are hosts on it."""

    prefix: str
    hosts: tuple[str, ...]

    @property
    def subnet(self) -> str:
        """The first three numbers of all addresses."""
        return f"10.213.{os.getpid() % 250}"

    def cut(self, host: str) -> None:
        """Cut a host off from the others."""
        ip("link", "set", self.wire(host), "down")

    def join(self, host: str) -> None:
        """Join a host to the others again."""
        ip("link", "set", self.wire(host), "up")

    def wire(self, host: str) -> str:
        """Return the end of a host's cable at the bridge; names of interfaces have 15 characters at most."""
        return f"{self.prefix}w{self.hosts.index(host)}"

    def inside(self, host: str) -> list[str]:
        """Return the words that let a command run on a host."""
        return ["ip", "netns", "exec", f"{self.prefix}{host}"]


@contextmanager
def network(*hosts: str) -> Iterator[Network]:
    """Make hosts with these names; remove them at the end."""
    # The system removes a namespace, and its end of a cable, a while after it was told to: so the next has new names.
    found = Network(f"lf{os.getpid() % 100000}{next(LETTERS)}", hosts)
    bridge = f"{found.prefix}b"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "delete", bridge)
        ip("addr", "add", f"{found.subnet}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, host in enumerate(hosts, start=2):
            space = f"{found.prefix}{host}"
            ip("netns", "add", space)
            stack.callback(ip, "netns", "delete", space)
            ip("link", "add", found.wire(host), "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", found.wire(host), "master", bridge, "up")
            ip("-n", space, "addr", "add", f"{found.subnet}.{number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")
        yield found


@contextmanager
def program(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, which ends with all that it has started at the end."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield process
    finally:
        import psutil

        below = psutil.Process(process.pid).children(recursive=True)
        for each in (process, *below):
            each.kill() if isinstance(each, subprocess.Popen) or each.is_running() else None
        process.wait()
        psutil.wait_procs(below, timeout=30)


@contextmanager
def cluster(found: Network, environment: dict[str, str]) -> Iterator[str]:
    """Start a scheduler here and a worker on each host; yield the scheduler's address."""
    environment = {**environment, **QUICK}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder, "scheduler.json")
        scheduler = ("distributed.cli.dask_scheduler", "--host", f"{found.subnet}.1", "--port", "0", "--no-dashboard")
        command = [sys.executable, "-m", *scheduler, "--scheduler-file", str(file)]
        stack.enter_context(program(command, environment))
        while not file.exists() or not file.read_text():
            time.sleep(0.1)
        address = str(json.loads(file.read_text())["address"])
        for host in found.hosts:
            worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard")
            command = [*found.inside(host), sys.executable, "-m", *worker]
            stack.enter_context(program(command, {**environment, "BENCH_HOST": host}))
        yield address


if __name__ == "__main__":
    with network("ada", "bob", "cyd") as made, cluster(made, dict(os.environ)) as there:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "CLUSTER": there}, check=False).returncode)
