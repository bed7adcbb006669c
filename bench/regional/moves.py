"""Switchovers and failovers under load: how long nothing is acknowledged, and in which phase."""

import time

from regional import cluster, figures, plan
from regional.cluster import Watcher, milliseconds
from regional.lab import TROUBLES
from regional.shared import Trouble, account_of

_GROUP = "orders"
_PARTITIONS = 4
PATIENCE = 60
_CALM_SECONDS = 1.0
# After the kill, until the command: somebody has to notice.
_NOTICE_SECONDS = 1.0
_OVERRIDES = ["cooldown"]
# A librdkafka client that looks for the new leader at once, so that the broker's part shows. By
# default, while the leader is down, it asks for another one every second, and waits 100 ms before
# it sends again: then the time to an acknowledgement tells mostly when the second was over.
EAGER = ("topic.metadata.refresh.interval.ms=10", "topic.metadata.refresh.fast.interval.ms=10",
         "retry.backoff.ms=10", "reconnect.backoff.ms=10", "reconnect.backoff.max.ms=50")


def _cluster(lab, name):
    return cluster.Cluster(lab.folder(name), "--lease", f"{plan.LEASE_SECONDS}s")


def _settings(values):
    return [part for value in values for part in ("--set", value)]


def _more(client, count, what):
    if client.wait_for_more(count, PATIENCE) is None:
        raise Trouble(f"no acknowledgements {what}: {client.errors_file.read_text()[-300:]}")


def _account(lab, magpie, topic, producer, partitions):
    """Ends the producer, reads everything, and compares."""
    trouble = producer.finish()
    if trouble:
        raise Trouble(f"the producer ended: {trouble}")
    reader = lab.client(magpie.folder, "read", magpie.bootstrap(), topic,
                        "--partitions", partitions)
    trouble = reader.finish()
    if trouble:
        raise Trouble(f"{topic} cannot be read: {trouble}")
    account = account_of(producer, reader, reader)
    return {"acknowledged_records": account.acknowledged, "lost": len(account.lost),
            "repeated": account.repeated, "unordered": account.unordered,
            "failed": account.failed}


def switchovers(lab):
    """One group goes back and forth between two regions while an idempotent producer writes."""
    if lab.clock.over():
        return
    lab.attempt("switchover", "magpie", {"rtt_ms": plan.RTT_MS}, _switchovers)


def _switchovers(lab):
    with _cluster(lab, "switchover") as magpie:
        return _back_and_forth(lab, magpie)


def _back_and_forth(lab, magpie):
    magpie.create_group(_GROUP, "critical", plan.REGIONS)
    magpie.create_topic(_GROUP, _PARTITIONS, _GROUP)
    magpie.wait_for_sync(_GROUP)
    producer = lab.client(magpie.folder, "produce", magpie.bootstrap(), _GROUP, "--partitions",
                          _PARTITIONS, "--rate", lab.plan.move_rate)
    commands = []
    try:
        _more(producer, 1_000, "at the start")
        for number in range(lab.plan.switchovers):
            target = (plan.TARGET, plan.SOURCE)[number % 2]
            begin, _, operation = magpie.move(
                plan.SOURCE, {"kind": "switchover", "groups": [_GROUP], "to": target,
                              "overrides": _OVERRIDES})
            commands.append(begin)
            magpie.finish_operation(plan.SOURCE, operation)
            magpie.wait_for_sync(_GROUP)
            time.sleep(_CALM_SECONDS)
            if lab.clock.over():
                break
        end = milliseconds()
        found = _account(lab, magpie, _GROUP, producer, _PARTITIONS)
    finally:
        producer.kill()
    stalls = figures.stalls([event[:2] for event in producer.events("acked")], commands, end)
    return {"stalls_ms": stalls, "p50_ms": figures.percentile(stalls, 50),
            "p99_ms": figures.percentile(stalls, 99), "count": len(stalls), **found}


def failovers(lab):
    """The leading region is killed; the time from the command on, by phase."""
    for count, scopes in ((lab.plan.few, ("group", "region")), (lab.plan.many, ("group",))):
        if lab.clock.over():
            return
        case = {"partitions": count}
        try:
            with _cluster(lab, f"failover-{count}") as magpie:
                Failovers(lab, magpie, count).run(scopes)
        except TROUBLES as cause:
            lab.failed("failover", "magpie", case, cause)


class Failovers:
    """Failovers of one group with so many partitions, one after the other."""

    # What the case of an account says beside partitions and client.
    more_case = {}

    def __init__(self, lab, magpie, count):
        self.lab, self.magpie, self.count = lab, magpie, count
        self.producers = {}

    def run(self, scopes):
        self._create()
        try:
            for scope in scopes:
                for _ in range(self.lab.plan.failovers):
                    if not self.lab.clock.over():
                        self.once(scope)
            self._check()
        finally:
            for producer in self.producers.values():
                producer.kill()

    def _create(self):
        """Two small topics that are written to, and one with the rest of the partitions."""
        magpie = self.magpie
        magpie.create_group(_GROUP, "critical", plan.REGIONS)
        written = self.count // 4 if self.count < 20 else _PARTITIONS
        for topic in ("eager", "default"):
            magpie.create_topic(topic, written, _GROUP)
        if self.count > 2 * written:
            magpie.create_topic("rest", self.count - 2 * written, _GROUP)
        self.written = written
        magpie.wait_for_sync(_GROUP)
        for topic, settings in (("eager", EAGER), ("default", ())):
            self.producers[topic] = self.lab.client(
                magpie.folder, "produce", magpie.bootstrap(), topic, "--partitions", written,
                "--rate", self.lab.plan.move_rate, *_settings(settings))
        for producer in self.producers.values():
            _more(producer, 500, "at the start")

    def once(self, scope):
        """Kills the leading region, moves what it led, lets it come back; keeps the figures."""
        leader = self.lead_everything_from_one(scope)
        target = self.target_of(leader)
        found, _, _ = self.fail_over([leader], target, scope)
        self.lab.record("failover", "magpie", {"partitions": self.count, "scope": scope}, found)
        self.back_again([leader], target)

    def target_of(self, leader):
        """Whoever could lead without loss: with one copy that is one region besides the leader."""
        held = self.magpie.leadership(_GROUP, next(name for name in plan.REGIONS if name != leader))
        return next(member["region"] for member in held["promotable"]
                    if member["region"] != leader)

    def fail_over(self, names, target, scope):
        """Kills these processes, the leading node first: (figures, when that was, and when the
        command was sent)."""
        magpie, leader = self.magpie, names[0]
        epoch = magpie.leadership(_GROUP, target)["epoch"]
        killed = milliseconds()
        magpie.tell(f"kill {' '.join(names)}")
        magpie.wait_for_state(leader, "ended")
        time.sleep(_NOTICE_SECONDS)
        body = {"kind": "failover", "from": leader, "overrides": _OVERRIDES}
        if scope == "group":
            body["groups"] = [_GROUP]
        with Watcher(magpie, target, _GROUP) as watcher:
            cpu = magpie.cpu_seconds(target)
            begin, accepted, operation = magpie.move(target, body)
            _more(self.producers["eager"], 1, "after a failover")
            cpu = magpie.cpu_seconds(target) - cpu
            for producer in self.producers.values():
                _more(producer, 200, "after a failover")
        told = magpie.finish_operation(target, operation)
        found, default = (figures.phases(begin, accepted, watcher.looks, self._acks(topic, begin),
                                         epoch) for topic in ("eager", "default"))
        statement = next(group for group in told["groups"] if group["group"] == _GROUP)["loss"]
        return {**found, "default_client": default["acknowledged"], "leader_cpu_ms": cpu * 1e3,
                "statement": statement["statement"]}, killed, begin

    def _acks(self, topic, since):
        """Times of acknowledgements after `since`."""
        return [event[0] for event in self.producers[topic].events("acked") if event[0] >= since]

    def lead_everything_from_one(self, scope):
        """The region that leads the group; with scope region it leads every other group, too."""
        leader = self.magpie.leadership(_GROUP, plan.REGIONS[2])["leader"]["region"]
        others = [name for name in ("system", "default") if scope == "region" and
                  self._led_elsewhere(name, leader)]
        if others:
            _, _, operation = self.magpie.move(
                leader, {"kind": "switchover", "groups": others, "to": leader,
                         "overrides": _OVERRIDES})
            self.magpie.finish_operation(leader, operation)
        return leader

    def _led_elsewhere(self, name, leader):
        held = self.magpie.leadership(name, plan.REGIONS[2])
        return held is not None and held["leader"]["region"] != leader

    def back_again(self, names, via):
        """Starts what was killed of a region, its node first, and waits until its copies are whole.
        """
        self.magpie.tell(f"start {' '.join(names)}")
        self.magpie.wait_for_state(names[0], "ready", PATIENCE)
        for group in (_GROUP, "system"):
            self.magpie.wait(lambda group=group: self.magpie.in_sync(group, via),
                             f"{group} is in sync", PATIENCE)
        time.sleep(_CALM_SECONDS)

    def _check(self):
        """Nothing acknowledged is missing after all of them."""
        for topic, producer in self.producers.items():
            found = _account(self.lab, self.magpie, topic, producer, self.written)
            self.lab.record("moved", "magpie", {"partitions": self.count, "client": topic,
                                                **self.more_case}, found)
