"""The whole benchmark: rounds of alternating peers, then everything in one JSON document.

Order, so that a drift of the machine meets both peers alike:

1. touch the memory; the ceiling (mock broker) once per round of its own
2. rounds of throughput: for each fsync policy one session per peer, A B A B …
3. rounds of latency, the same way, at half of the slower peer's median peak from step 2
4. start and memory at rest, in the sessions of step 2 with fsync always (the default of Magpie)

Nothing new is begun after the plan's minutes; what is missing then is said in the document.
"""

import datetime
import statistics
import time
from dataclasses import replace

from harness import cases, driver, machine, peers, session, shared


class Clock:
    """Bounds the whole run."""

    def __init__(self, minutes):
        self._begin = time.monotonic()
        self._end = self._begin + minutes * 60
        self.cut_short = False

    def over(self):
        """Whether time is up; remembers that something is missing because of it."""
        if time.monotonic() < self._end:
            return False
        self.cut_short = True
        return True

    def minutes(self):
        """Minutes since the begin."""
        return (time.monotonic() - self._begin) / 60


class Experiment:
    """Runs a plan for the named peers and collects records."""

    def __init__(self, plan, names, program, work, say):
        self._plan = plan
        self._names = names
        self._program = program
        self._work = work
        self._say = say
        self.clock = Clock(plan.minutes)
        self.records = []
        self.calibrations = []
        self.rates = {}  # fsync -> messages per second of the latency runs

    def run_latency(self, rates):
        """Step 3 alone, at rates that are known from an earlier run."""
        self._begin()
        self.rates = rates
        for number in range(self._plan.rounds):
            self._round(number, self._latency)

    def _begin(self):
        self._work.mkdir(parents=True, exist_ok=True)
        touched = machine.touch_memory(self._plan.touch)
        self._say(f"memory touched: {touched / cases.GIGABYTE:.1f} GB")

    def run(self):
        """Everything. The records are kept also when a peer fails."""
        self._begin()
        for number in range(self._plan.ceiling_rounds):
            self._ceiling(number)
        for number in range(self._plan.rounds):
            self._round(number, self._throughput)
        for fsync in peers.FSYNC_POLICIES:
            self._choose_rate(fsync)
        for number in range(self._plan.rounds):
            self._round(number, self._latency)

    def document(self, name, command):
        """All that is known about this run, ready for JSON."""
        return {
            "name": name,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "command": command,
            "minutes": round(self.clock.minutes(), 1),
            "complete": not self.clock.cut_short,
            "rounds": self._plan.rounds,
            "machine": machine.describe(self._work),
            "versions": {name: peers.PEERS[name].version() for name in self._names},
            "client": client_version(),
            "latency_rates": self.rates,
            "calibrations": self.calibrations,
            "records": self.records,
        }

    def _ceiling(self, number):
        client = driver.Driver(self._program)
        for case in self._plan.produce:
            if not case.ceiling or self.clock.over():
                continue
            try:
                figures = client.run("produce", [*case.options(), "--mock-brokers", 1],
                                     case.seconds)
            except driver.RunFailed as cause:
                figures = {"error": str(cause)}
            self.records.append({"peer": "ceiling", "fsync": "none", "round": number,
                                 "kind": "produce", "case": case.name, "figures": figures})
            self._say(f"ceiling {'':12} produce  {case.name:20} {session.brief(figures)}")

    def _round(self, number, runs):
        for fsync in peers.FSYNC_POLICIES:
            for name in self._names:
                if not self.clock.over():
                    self._session(number, name, fsync, runs)

    def _session(self, number, name, fsync, runs):
        self.calibrations.append({"round": number, "peer": name, "fsync": fsync,
                                  **machine.calibrate(self._work)})
        records = []
        try:
            with peers.PEERS[name](self._work, fsync) as peer:
                one = session.Session(self._program, peer, self._plan, number, self.clock,
                                      self._say)
                records = one.records
                runs(one, fsync)
        except (driver.RunFailed, peers.DidNotStart) as cause:
            records.append({"peer": name, "fsync": fsync, "round": number, "kind": "session",
                            "case": "", "figures": {"error": str(cause)}})
            self._say(f"{name}: {cause}")
        finally:
            self.records += records

    def _throughput(self, one, fsync):
        if fsync == "always":
            one.idle_when_new()
        one.warm_up()
        one.produce()
        if fsync == "never":
            one.consume()
        one.follow(self._plan.peak)
        if fsync == "always":
            one.start_and_idle()

    def _latency(self, one, fsync):
        one.warm_up()
        one.follow(self._plan.light)
        if fsync in self.rates:
            one.follow(replace(self._plan.half, rate=self.rates[fsync]))

    def _choose_rate(self, fsync):
        peaks = []
        for name in self._names:
            found = [record["figures"]["messages_per_second"] for record in self.records
                     if (record["peer"], record["fsync"], record["case"]) ==
                     (name, fsync, self._plan.peak.name) and "error" not in record["figures"]]
            if found:
                peaks.append(statistics.median(found))
        if peaks:
            self.rates[fsync] = min(peaks) / 2
            self._say(f"fsync {fsync}: latency at {self.rates[fsync]:,.0f} messages/s")


def client_version():
    """Name and version of the client library."""
    answer = shared.processes.run(["pkg-config", "--modversion", "rdkafka"], 10)
    return f"librdkafka {answer.output.strip()}" if answer.ok else "librdkafka"
