"""The whole benchmark of regions, then everything in one JSON document.

A round is: Magpie between regions (replication.py), MirrorMaker 2 with either fsync policy of its
brokers (mirroring.py), Magpie's source killed (losses.py). The rounds follow one another, so a
drift of the machine meets both alike. Switchovers and failovers (moves.py), and failovers with an
etcd (etcd.py), have many of their kind in one cluster and come once, after the first round. Nothing
new is begun after the plan's minutes; what is missing then is said in the document.
"""

import dataclasses
import datetime

from harness import experiment
from regional import etcd, losses, mirror_maker, mirroring, moves, replication
from regional.lab import TROUBLES, Lab
from regional.shared import machine, peers

SECTIONS = ("replication", "mirror", "loss", "moves", "etcd")


class Experiment:
    """Runs the sections of a plan. `mirror`: MirrorMaker can be measured here."""

    def __init__(self, plan, sections, mirror, program, load, work, say):
        self.clock = experiment.Clock(plan.minutes)
        self.lab = Lab(plan, program, load, work, self.clock, say)
        self.calibrations = []
        self._sections = sections
        self._mirror = mirror

    def run(self):
        """Everything; what was measured is kept also when a section fails."""
        self.lab.work.mkdir(parents=True, exist_ok=True)
        for number in range(self.lab.plan.rounds):
            self.lab.round = number
            if self.clock.over():
                return
            self.calibrations.append({"round": number, **machine.calibrate(self.lab.work)})
            self._part("replication", replication.run)
            # By turns, so that both have rounds if the time does not suffice for both in each.
            for fsync in _turned(self.lab.plan.mirror_fsync, number):
                if self._mirror:
                    self._part("mirror", mirroring.run, fsync)
            self._part("loss", losses.run)
            if number == 0:
                self._part("moves", moves.switchovers)
                self._part("moves", moves.failovers)
                if not etcd.missing():
                    self._part("etcd", etcd.failovers)

    def _part(self, section, run, *arguments):
        if section not in self._sections or self.clock.over():
            return
        try:
            run(self.lab, *arguments)
        except TROUBLES as cause:
            self.lab.failed("session", section, {}, cause)

    def document(self, name, command):
        """All that is known about this run, ready for JSON."""
        versions = {"magpie": peers.Magpie.version()}
        if self._mirror:
            versions["mirror-maker"] = mirror_maker.version()
        if "etcd" in self._sections and not etcd.missing():
            versions["etcd"] = etcd.version()
        return {
            "name": name,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "command": command,
            "minutes": round(self.clock.minutes(), 1),
            "complete": not self.clock.cut_short,
            "machine": machine.describe(self.lab.work),
            "versions": versions,
            "client": experiment.client_version(),
            "plan": dataclasses.asdict(self.lab.plan),
            "calibrations": self.calibrations,
            "records": self.lab.records,
        }


def _turned(values, number):
    shift = number % len(values)
    return [*values[shift:], *values[:shift]]
