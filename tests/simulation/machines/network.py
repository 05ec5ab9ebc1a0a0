"""Hosts as network namespaces: each has its own name, its own address and a cable to one switch."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

_NET, _UTS = 0x40000000, 0x04000000
_SUBNET = "10.77.0"
_libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str:
    """What this machine has not, and how to get it; empty if nothing is missing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "Network namespaces are Linux's, and only root makes them: run this as root on Linux."
    packages = {"ip": "iproute2", "iptables": "iptables"}
    absent = [package for program, package in packages.items() if not shutil.which(program)]
    if absent:
        return f"Missing: Debian: apt-get install {' '.join(absent)}"
    try:
        _run("unshare", "--net", "--uts", "true")
    except RuntimeError as error:
        return f"Namespaces cannot be made here: {error}"
    return ""


class Host:
    """One machine of the network."""

    def __init__(self, name: str, number: int, prefix: str) -> None:
        """A namespace whose cable is not plugged in yet."""
        self.name, self.address = name, f"{_SUBNET}.{number}"
        self.space = f"{prefix}-{name}"
        _ip("netns", "add", self.space)
        self._net = os.open(f"/run/netns/{self.space}", os.O_RDONLY)
        self._uts = self._own_name()

    def _own_name(self) -> int:
        """A name of its own, in a namespace that its file descriptor keeps."""
        home = os.open("/proc/thread-self/ns/uts", os.O_RDONLY)
        try:
            _checked(_libc.unshare(_UTS))
            socket.sethostname(self.name)
            return os.open("/proc/thread-self/ns/uts", os.O_RDONLY)
        finally:
            _checked(_libc.setns(home, _UTS))
            os.close(home)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread, and what it starts, be on the host."""
        kinds = ((_NET, "net", self._net), (_UTS, "uts", self._uts))
        home = [(kind, os.open(f"/proc/thread-self/ns/{name}", os.O_RDONLY)) for kind, name, _ in kinds]
        try:
            for kind, _, there in kinds:
                _checked(_libc.setns(there, kind))
            yield
        finally:
            for kind, back in home:
                _checked(_libc.setns(back, kind))
                os.close(back)

    def drop_from(self, other: Host) -> None:
        """Lose all that comes from another host; what goes there arrives."""
        self._iptables("-A", "INPUT", "-s", other.address, "-j", "DROP")

    def heal(self) -> None:
        """Lose nothing any more."""
        self._iptables("-F", "INPUT")

    def _iptables(self, *arguments: str) -> None:
        _run("ip", "netns", "exec", self.space, "iptables", "-w", *arguments)

    def plug(self, number: int, switch: str) -> None:
        """Connect it."""
        port = f"port{number}"
        _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
        _ip("-n", self.space, "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", self.space, "link", "set", device, "up")

    def close(self) -> None:
        """Remove it; its processes have ended."""
        os.close(self._net)
        os.close(self._uts)
        _ip("netns", "delete", self.space)


class Network:
    """The switch, and the hosts by their names."""

    def __init__(self, *names: str) -> None:
        """Namespaces with this process's number in their names, so that runs do not meet."""
        prefix = f"tp{os.getpid()}"
        self.subnet = f"{_SUBNET}.0/24"
        self._switch = f"{prefix}-switch"
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "bridge", "up")
        self.hosts: dict[str, Host] = {}
        for number, name in enumerate(names, start=1):
            self.hosts[name] = Host(name, number, prefix)
            self.hosts[name].plug(number, self._switch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.close()
        _ip("netns", "delete", self._switch)

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def cut(self, from_: str, to: str) -> None:
        """Lose what the one sends to the other, and nothing else."""
        self.hosts[to].drop_from(self.hosts[from_])

    def isolate(self, name: str) -> None:
        """Pull a host's cable."""
        for other in self.hosts:
            if other != name:
                self.cut(name, other)
                self.cut(other, name)

    def heal(self) -> None:
        """Of all hosts."""
        for host in self.hosts.values():
            host.heal()


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=Path("/"))
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
