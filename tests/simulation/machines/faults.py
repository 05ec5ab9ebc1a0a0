"""What is done to the machines, and how it is made good again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.machines.hosts import Machine
from tests.simulation.machines.network import Network

DATABASE, API, CLIENT = "database", "api", "client"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to lose a worker host; `heal` comes after another has taken its shards."""

    name: str
    strike: Callable[[Network, Machine], None]
    heal: Callable[[Network, Machine], None]


def _cable(network: Network, machine: Machine) -> None:
    network.isolate(machine.host.name)


def _cable_and_power(network: Network, machine: Machine) -> None:
    """Without a last word to anybody."""
    network.isolate(machine.host.name)
    machine.power_off()


def _power_and_cable(network: Network, machine: Machine) -> None:
    network.heal()
    machine.power_on()


def _healed(network: Network, _machine: Machine) -> None:
    network.heal()


TAKEOVERS = [
    Fault("processes killed (-9)", lambda _, host: host.power_off(), lambda _, host: host.power_on()),
    Fault("host lost without a word", _cable_and_power, _power_and_cable),
    Fault("cut off, both ways", _cable, _healed),
    Fault("cut: worker to database", lambda net, host: net.cut(host.host.name, DATABASE), _healed),
    Fault("cut: database to worker", lambda net, host: net.cut(DATABASE, host.host.name), _healed),
    Fault(
        "frozen, then thawed",
        lambda _, host: host.signal(signal.SIGSTOP),
        lambda _, host: host.signal(signal.SIGCONT),
    ),
]


@dataclass(frozen=True, slots=True)
class Cut:
    """A link lost for a while that no shard depends on: outcomes become unknown, and known again."""

    name: str
    links: tuple[tuple[str, str], ...]


CUTS = [
    Cut("cut: API to database", ((API, DATABASE),)),
    Cut("cut: database to API", ((DATABASE, API),)),
    Cut("cut: API and database", ((API, DATABASE), (DATABASE, API))),
    Cut("cut: client to API", ((CLIENT, API),)),
    Cut("cut: API to client", ((API, CLIENT),)),
]
