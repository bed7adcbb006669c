"""Carries out the steps of a plan on a running cluster."""

import time

from paths import TOP  # noqa: F401  (finds the modules below)
from dev_cluster import Trouble

REGIONS = ("bj", "sh", "gz")
PATIENCE = 30
_MOVE_SECONDS = 25


def now_ms():
    """The clock of magpie-load's lines."""
    return int(time.monotonic() * 1000)


class Faults:
    """`happened` has (milliseconds, text) of all that was done; `erased` the regions that lost
    their data."""

    def __init__(self, cluster, groups, say):
        self.cluster, self.groups, self._say = cluster, groups, say
        self.happened, self.erased = [], set()
        self._away = set()  # regions that are not asked now

    def note(self, text):
        self.happened.append((now_ms(), text))
        self._say(text)

    def via(self):
        return next(region for region in REGIONS if region not in self._away and
                    self.cluster.node(region)["state"] == "ready")

    def described(self, group):
        return self.cluster.ask(self.via(), "failover-group", "describe", group, seconds=15)

    def leader(self, group="critical"):
        leadership = self.described(group)["leadership"]
        return leadership["leader"]["region"] if leadership else REGIONS[0]

    def follower(self, choice):
        leader = self.leader()
        others = [region for region in REGIONS if region != leader]
        return others[choice % len(others)]

    def led_by(self, region):
        return [group for group in self.groups if self.leader(group) == region]

    def carry_out(self, step):
        self.note(str(step))
        getattr(self, "_" + step.kind.replace("-", "_"))(step)
        self.note(f"{step.kind} over")
        time.sleep(step.calm)

    def heal(self):
        """Ends every fault; everyone is up."""
        self.cluster.tell("heal all")
        for region in REGIONS:
            self._start(region)
        self._away.clear()
        self.cluster.wait(lambda: all(self.cluster.node(region)["state"] == "ready"
                                      for region in REGIONS), "everyone is ready", PATIENCE)

    def _start(self, region):
        if self.cluster.node(region)["state"] == "ended":
            self.cluster.tell(f"start {region}")

    def _kill(self, region, how="kill"):
        self._away.add(region)
        self.cluster.tell(f"{how} {region}")
        self.cluster.wait_for_state(region, "ended")

    def _back(self, region):
        self._start(region)
        self.cluster.wait_for_state(region, "ready", PATIENCE)
        self._away.discard(region)

    def _command(self, *arguments):
        """A command that moves groups; a refusal is part of the story."""
        begin = time.monotonic()
        done = self.cluster.run(self.via(), *arguments, "--limit", f"{_MOVE_SECONDS}s",
                                seconds=_MOVE_SECONDS + 10)
        took = time.monotonic() - begin
        answer = "done" if done.ok else f"exit code {done.code}: {done.tail(2)}"
        self.note(f"magpie {' '.join(arguments)}: {answer} ({took:.2f} s)")

    def _failover(self, region):
        led = self.led_by(region)
        for group in led:
            loss = ["--allow-loss", "--override", "not-in-sync"] if group == "bulk" else []
            self._command("failover", group, "--from", region, "--override", "cooldown", *loss)

    def _kill_failover(self, step):
        region = self.leader()
        self._kill(region)
        self._failover(region)
        time.sleep(step.hold)
        self._back(region)

    def _silence_failover(self, step):
        region = self.leader()
        self._away.add(region)
        self.cluster.tell(f"silence {region}")
        self._failover(region)
        time.sleep(step.hold)
        self.cluster.tell(f"heal {region}")
        self._away.discard(region)

    def _pause_failover(self, step):
        region = self.leader()
        self._away.add(region)
        self.cluster.tell(f"pause {region}")
        self._failover(region)
        time.sleep(step.hold)
        self.cluster.tell(f"resume {region}")
        self._away.discard(region)

    def _switchover(self, step):
        target = self.follower(step.choice)
        names = [group for group in self.groups if self.leader(group) != target]
        self._command("switchover", *names, "--to", target, "--override", "cooldown",
                      "--override", "lag")
        time.sleep(step.hold)

    def _kill_leader(self, step):
        self._gone(self.leader(), "kill", step)

    def _restart_leader(self, step):
        self._gone(self.leader(), "stop", step)

    def _kill_follower(self, step):
        self._gone(self.follower(step.choice), "kill", step)

    def _gone(self, region, how, step):
        self._kill(region, how)
        time.sleep(step.hold)
        self._back(region)

    def _pause_leader(self, step):
        self._paused(self.leader(), step)

    def _pause_follower(self, step):
        self._paused(self.follower(step.choice), step)

    def _paused(self, region, step):
        self.cluster.tell(f"pause {region}")
        time.sleep(step.hold)
        self.cluster.tell(f"resume {region}")

    def _erase_follower(self, step):
        region = self.follower(step.choice)
        self._kill(region)
        self.cluster.tell(f"erase {region}")
        self.erased.add(region)
        time.sleep(step.hold)
        self._back(region)

    def _for_a_while(self, order, step, site="all"):
        self.cluster.tell(order)
        time.sleep(step.hold)
        self.cluster.tell(f"heal {site}")

    def _one_way(self, step):
        ends = [self.leader(), self.follower(step.choice)]
        if step.choice % 4 >= 2:
            ends.reverse()
        self._for_a_while(f"silence {ends[0]} to {ends[1]}", step)

    def _silence(self, step):
        self._for_a_while(f"silence {self.leader()} {self.follower(step.choice)}", step)

    def _flap(self, step):
        ends = f"{self.leader()} {self.follower(step.choice)}"
        end = time.monotonic() + step.hold
        while time.monotonic() < end:
            self.cluster.tell(f"cut {ends}")
            time.sleep(0.15)
            self.cluster.tell(f"heal {ends}")
            time.sleep(0.25)

    def _delay(self, step):
        self.cluster.tell("wan rtt=300ms")
        time.sleep(step.hold)
        self.cluster.tell("wan rtt=10ms")

    def _store_cut(self, step):
        self._for_a_while("silence store", step, "store")

    def _store_kill(self, step):
        self.cluster.tell("kill store")
        time.sleep(step.hold)
        self.cluster.tell("start store")


__all__ = ["Faults", "REGIONS", "Trouble", "now_ms"]
