"""Carries out the steps of a plan on a running cluster."""

import resource
import time
from pathlib import Path

from places import TOP  # noqa: F401  (finds the modules below)
from dev_cluster import Trouble

REGIONS = ("bj", "sh", "gz")
PATIENCE = 30
_MOVE_SECONDS = 25
_FULL_BYTES = 16 * 1024
# Seconds. A leader that is more than an hour behind refuses what producers stamp, as Kafka does
# (message.timestamp.after.max.ms), and they give it up.
_JUMPS = (-3000, -90, 90, 7200)
# Each connection between two regions carries so much. What the load makes the leader send to each
# of them is about 80 kB per second.
_RATES = ("4kB", "8kB", "16kB", "32kB", "64kB")
_LOSSES = ("1%", "3%", "10%", "30%")


def clock_library():
    """Of Debian's package libfaketime; nothing if it is not there."""
    return next(map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def clock_arguments(folder, library):
    """For `magpie dev`: nodes whose wall clock is ahead by what a file says, read once a second."""
    arguments = []
    for region in REGIONS:
        clock = folder / f"clock.{region}"
        clock.write_text("+0\n")
        for setting in (f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={clock}",
                        "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"):
            arguments += ["--env", f"{region}:{setting}"]
    return arguments


def now_ms():
    """The clock of magpie-load's lines."""
    return int(time.monotonic() * 1000)


class Faults:
    """`happened` has (milliseconds, text) of all that was done; `erased` the regions that lost
    their data; `without_store` (begin, end) of times in which nothing but the store was away."""

    def __init__(self, cluster, groups, say, rtt_ms, slack=1):
        self.cluster, self.groups, self._say = cluster, groups, say
        self.patience = PATIENCE * slack
        self._planned_wan = f"wan rtt={rtt_ms}ms rate=0B loss=0%"
        self.happened, self.erased, self.without_store = [], set(), []
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

    def in_sync(self, group):
        leadership = self.described(group)["leadership"]
        return leadership is not None and leadership["open"] and \
            leadership["leader"]["alive"] and leadership["state"] == "sync"

    def carry_out(self, step):
        self.note(str(step))
        getattr(self, "_" + step.kind.replace("-", "_"))(step)
        self.note(f"{step.kind} over")
        time.sleep(step.calm)

    def heal(self):
        """Ends every fault; everyone is up."""
        self.cluster.tell("heal all")
        self.cluster.tell(self._planned_wan)
        everyone = self._everyone()
        for order, state in (("start", "ended"), ("resume", "paused")):
            names = [one["name"] for one in everyone if one["state"] == state]
            if names:
                self.cluster.tell(f"{order} {' '.join(names)}")
        self._away.clear()
        self.cluster.wait(lambda: all(one["state"] == "ready" for one in self._everyone()),
                          "everyone is ready", self.patience)

    def _everyone(self):
        about = self.cluster.about()
        return about["store"]["members"] + about["nodes"]

    def _hit(self, region, step):
        """The processes that a fault of a region hits: mostly its member of etcd, too."""
        everything = self.cluster.with_member(region)
        return " ".join(everything if step.choice % 3 else everything[:1])

    def _kill(self, region, names, how="kill"):
        self._away.add(region)
        self.cluster.tell(f"{how} {names}")
        self._wait_for_end(names)

    def _wait_for_end(self, names):
        wanted = set(names.split(" "))
        self.cluster.wait(lambda: all(one["state"] == "ended" for one in self._everyone()
                                      if one["name"] in wanted), f"{names} has ended")

    def _back(self, region, names):
        self.cluster.tell(f"start {names}")
        self.cluster.wait_for_state(region, "ready", self.patience)
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
        names = self._hit(region, step)
        self._kill(region, names)
        self._failover(region)
        time.sleep(step.hold)
        self._back(region, names)

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
        names = self._hit(region, step)
        self._away.add(region)
        self.cluster.tell(f"pause {names}")
        self._failover(region)
        time.sleep(step.hold)
        self.cluster.tell(f"resume {names}")
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
        names = self._hit(region, step)
        self._kill(region, names, how)
        time.sleep(step.hold)
        self._back(region, names)

    def _pause_leader(self, step):
        self._paused(self._hit(self.leader(), step), step)

    def _pause_follower(self, step):
        self._paused(self._hit(self.follower(step.choice), step), step)

    def _paused(self, names, step):
        self.cluster.tell(f"pause {names}")
        time.sleep(step.hold)
        self.cluster.tell(f"resume {names}")

    def _erase_follower(self, step):
        region = self._erasable(step.choice)
        if region is None:
            self.note("nothing is erased: the others lead what they alone hold")
            return
        self._kill(region, region)
        self.cluster.tell(f"erase {region}")
        self.erased.add(region)
        # It comes back as another member and leads nothing any more.
        self._failover(region)
        time.sleep(step.hold)
        self._back(region, region)

    def _erasable(self, choice):
        """A follower; what else it leads must also be somewhere else."""
        for region in (self.follower(choice), self.follower(choice + 1)):
            if all(self.in_sync(group) for group in self.led_by(region)):
                return region
        return None

    def _one_way(self, step):
        ends = [self.leader(), self.follower(step.choice)]
        if step.choice % 4 >= 2:
            ends.reverse()
        self._for_a_while(f"silence {ends[0]} to {ends[1]}", step.hold, "heal all")

    def _silence(self, step):
        self._for_a_while(f"silence {self.leader()} {self.follower(step.choice)}", step.hold,
                          "heal all")

    def _for_a_while(self, order, seconds, back):
        self.cluster.tell(order)
        time.sleep(seconds)
        self.cluster.tell(back)

    def _flap(self, step):
        ends = f"{self.leader()} {self.follower(step.choice)}"
        end = time.monotonic() + step.hold
        while time.monotonic() < end:
            self.cluster.tell(f"cut {ends}")
            time.sleep(0.15)
            self.cluster.tell(f"heal {ends}")
            time.sleep(0.25)

    def _delay(self, step):
        self._wan("wan rtt=300ms", step)

    def _narrow(self, step):
        self._wan(self._to_some("rate", _RATES, step), step)

    def _lossy(self, step):
        self._wan(self._to_some("loss", _LOSSES, step), step)

    def _narrow_failover(self, step):
        """What waited at the leader dies with it."""
        order = self._to_some("rate", _RATES, step)
        self.note(order)
        self.cluster.tell(order)
        time.sleep(step.hold)
        region = self.leader()
        names = self._hit(region, step)
        self._kill(region, names)
        self._failover(region)
        self.cluster.tell(self._planned_wan)
        self._back(region, names)

    def _to_some(self, what, values, step):
        """Between all regions, and them and the store, or only from the leader to one other."""
        drawn, value = divmod(step.choice // 2, len(values))
        ends = "all" if drawn % 2 else f"{self.leader()} {self.follower(step.choice)}"
        return f"wan {ends} {what}={values[value]}"

    def _wan(self, order, step):
        self.note(order)
        self._for_a_while(order, step.hold, self._planned_wan)

    def _full_leader(self, step):
        self._full(self.leader(), step)

    def _full_follower(self, step):
        self._full(self.follower(step.choice), step)

    def _full(self, region, step):
        """No file of the node grows beyond a few bytes: what every log needs is refused."""
        node = self.cluster.node(region)["pid"]
        before = resource.prlimit(node, resource.RLIMIT_FSIZE)
        resource.prlimit(node, resource.RLIMIT_FSIZE, (_FULL_BYTES, before[1]))
        time.sleep(step.hold)
        resource.prlimit(node, resource.RLIMIT_FSIZE, before)

    def _clock_leader(self, step):
        self._clock(self.leader(), step)

    def _clock_follower(self, step):
        self._clock(self.follower(step.choice), step)

    def _clock(self, region, step):
        clock = self.cluster.folder / f"clock.{region}"
        clock.write_text(f"{_JUMPS[step.choice // 2 % len(_JUMPS)]:+}\n")
        time.sleep(step.hold)
        clock.write_text("+0\n")

    # Of the store alone.

    def _store_cut(self, step):
        self._store_away("silence store", step, "heal store")

    def _store_kill(self, step):
        self._store_killed(self._members(step, len(self.cluster.about()["store"]["members"])), step)

    def _majority_kill(self, step):
        self._store_killed(self._members(step, 2), step)

    def _majority_pause(self, step):
        names = self._members(step, 2)
        self._store_away(f"pause {names}", step, f"resume {names}")

    def _member_kill(self, step):
        self._store_killed(self._members(step, 1), step)

    def _member_pause(self, step):
        name = self._members(step, 1)
        self._store_away(f"pause {name}", step, f"resume {name}")

    def _member_cut(self, step):
        name = self._members(step, 1)
        self._store_away(f"silence {name}", step, f"heal {name}")

    def _members(self, step, count):
        names = [one["name"] for one in self.cluster.about()["store"]["members"]]
        first = step.choice % len(names)
        return " ".join((names[first:] + names[:first])[:count])

    def _store_killed(self, names, step):
        self._store_away(f"kill {names}", step, f"start {names}", names)

    def _store_away(self, order, step, back, killed=None):
        steady = all(self.in_sync(group) for group in self.groups)
        begin = now_ms()
        self.cluster.tell(order)
        time.sleep(step.hold)
        if killed:
            self._wait_for_end(killed)
        self.cluster.tell(back)
        if steady:
            self.without_store.append((begin, now_ms()))


__all__ = ["Faults", "REGIONS", "Trouble", "clock_arguments", "clock_library", "now_ms"]
