#!/usr/bin/env python3
"""make demo: the leading region of three dies under load; what was promised, and what is there.

Three regions 40 ms apart on this machine (`magpie dev`), a `critical` and a `bulk` failover group,
a librdkafka producer and consumer group for each. At a random moment the leading region is killed.
`magpie failover` gives its groups another leader; the clients are not told. The dead region comes
back, keeps what only it had in salvage, and `magpie switchover` gives it the groups again. Then
everything that was acknowledged is looked for, and compared with what Magpie says it has proven.
Exit code 0 only if every claim held.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "test" / "regions"))
sys.path.insert(0, str(TOP / "test" / "clients"))
import processes  # noqa: E402
from demo_view import View, Watched  # noqa: E402
from dev_cluster import DevCluster, Trouble  # noqa: E402
from ledger import account_of  # noqa: E402
from load_client import LoadClient  # noqa: E402

REGIONS = ("bj", "sh", "gz")
HOME = REGIONS[0]
PARTITIONS = "3"
PATIENCE = 60


class Verdict:
    """Collects claims; prints each with what was found."""

    def __init__(self):
        self.failed = 0

    def claim(self, text, holds, found):
        self.failed += not holds
        print(f"  {'ok  ' if holds else 'FAIL'} {text}: {found}", flush=True)


class Line:
    """One line of business: a failover group with a topic, and who writes and reads it."""

    def __init__(self, group, preset, topic):
        self.group, self.preset, self.topic = group, preset, topic
        self.producer = self.consumer = self.account = None

    def create(self, cluster):
        cluster.magpie(HOME, "failover-group", "create", self.group, "--preset", self.preset,
                       "--regions", ",".join(REGIONS))
        cluster.magpie(HOME, "topic", "create", self.topic, "--partitions", PARTITIONS,
                       "--config", f"magpie.failover.group={self.group}")

    def start_clients(self, load, folder, bootstrap, rate):
        self.producer = LoadClient(load, folder, "produce", bootstrap, self.topic,
                                   "--partitions", PARTITIONS, "--rate", str(rate))
        self.consumer = LoadClient(load, folder, "consume", bootstrap, self.topic,
                                   "--group", f"{self.topic}-readers")

    def clients(self):
        return [client for client in (self.producer, self.consumer) if client]


class Demo:
    def __init__(self, options, folder):
        self.folder, self.rate, self.rtt = folder, options.rate, options.rtt
        self.build = Path(options.build)
        self.load = self.build / "test" / "load" / "magpie-load"
        self.source = random.Random(options.seed)
        self.cluster = DevCluster(self.build / "magpie", folder, "--regions", ",".join(REGIONS),
                                  "--wan", f"rtt={options.rtt}", "--lease", "3s",
                                  "--store", options.store)
        self.payments = Line("payments", "critical", "orders")
        self.tracking = Line("tracking", "bulk", "clicks")
        self.lines = (self.payments, self.tracking)
        self.view = None
        self.killed_at = self.commanded_at = 0.0
        self.home = HOME  # its processes
        self.failover = self.switchover = None
        self.certificates = folder / "certificates.json"
        self.troubles = []

    def leadership(self, group):
        return self.cluster.ask("sh", "failover-group", "describe", group)["leadership"]

    def in_sync(self, group):
        leadership = self.leadership(group)
        return leadership is not None and leadership["open"] and leadership["state"] == "sync"

    def begin(self, say):
        self.cluster.start()
        about = self.cluster.about()
        say(f"Three regions, {self.rtt} apart: {', '.join(REGIONS)}. "
            f"Kafka clients: {about['bootstrap']}")
        for line in self.lines:
            line.create(self.cluster)
        for group in ("payments", "system"):
            self.cluster.wait(lambda group=group: self.in_sync(group), f"{group} is in sync")
        say("payments (critical): acknowledged when two regions have it on disk. "
            "tracking (bulk): when one has.")
        for line in self.lines:
            line.start_clients(self.load, self.folder, about["bootstrap"], self.rate)
        self.view = View(self.cluster, [Watched(line.group, line.producer, line.consumer)
                                        for line in self.lines])
        self.view.start()

    def wait_for_acks(self, lines, count, what):
        for line in lines:
            if line.producer.wait_for_more(count, PATIENCE) is None:
                raise Trouble(f"{line.group}: no acknowledgements {what}")

    def kill_and_fail_over(self):
        self.wait_for_acks(self.lines, 500, "at the start")
        time.sleep(self.source.uniform(1.5, 4.0))
        self.killed_at = time.monotonic()
        self.home = " ".join(self.cluster.with_member(HOME))
        self.cluster.tell(f"kill {self.home}")
        self.view.say(f"--- {self.home.replace(' ', ' and ')} dead (kill -9). {HOME} led all.")
        self.cluster.wait_for_state(HOME, "ended")
        self.view.say(f"--- magpie failover --from {HOME} --allow-loss")
        self.commanded_at = time.monotonic()
        self.failover = self.cluster.ask("sh", "failover", "--from", HOME, "--allow-loss",
                                         seconds=PATIENCE)
        for group in self.failover["groups"]:
            if group["group"] in ("payments", "tracking"):
                self.view.say(f"    {group['group']}: {group['new_leader']['region']} leads; loss: "
                              f"{group['loss']['statement']}")
        self.wait_for_acks(self.lines, 1000, "after the failover")

    def come_back(self):
        self.view.say(f"--- {HOME} comes back")
        self.cluster.tell(f"start {self.home}")
        self.cluster.wait_for_state(HOME, "ready")
        self.cluster.wait(lambda: self.in_sync("payments"), "payments is in sync")
        self.wait_for_acks(self.lines, 2000, "while it follows")
        self.view.say("--- magpie switchover payments tracking system --to bj (home again)")
        self.switchover = self.cluster.ask(
            "sh", "switchover", "payments", "tracking", "system", "--to", HOME, "--override",
            "cooldown", seconds=PATIENCE)
        self.wait_for_acks(self.lines, 1000, "after the switchover")

    def finish(self):
        """Ends the clients, reads everything, ends the cluster."""
        for line in self.lines:
            self.troubles.append(line.producer.finish())
        for line in self.lines:
            reader = LoadClient(self.load, self.folder, "read", self.cluster.bootstrap(),
                                line.topic, "--partitions", PARTITIONS)
            self.troubles.append(reader.finish())
            stored = {event[1:3] for event in reader.events("read")}
            self.cluster.wait(lambda line=line, stored=stored: stored <= {
                event[1:3] for event in line.consumer.events("read")},
                              f"the readers of {line.topic} reach the end")
            self.troubles.append(line.consumer.finish())
            line.account = account_of(line.producer, reader, line.consumer)
        self.view.stop()
        self.certificates.write_text(self.cluster.magpie(
            "sh", "operation", "certificates", str(self.failover["id"])))
        self.cluster.end()

    def moved(self, operation, group):
        return next(moved for moved in operation["groups"] if moved["group"] == group)

    # --- the result ---

    def judge(self, verdict):
        self.show_stall()
        for line in self.lines:
            self.judge_line(verdict, line)
        self.judge_salvage(verdict)
        self.judge_certificates(verdict)
        statements = {moved["loss"]["statement"] for moved in self.switchover["groups"]}
        verdict.claim(f"failback to {HOME} without loss", statements == {"zero-proven"},
                      ", ".join(sorted(statements)))
        troubles = "; ".join(filter(None, self.troubles))
        verdict.claim("clients that gave up or were restarted", not troubles, troubles or 0)

    def show_stall(self):
        """Where the time went, from the kill to the first new acknowledgement."""
        print("The stall, in milliseconds after the kill:")
        to_monotonic = time.monotonic() - time.time()
        for line in self.lines:
            acked = [event[0] for event in line.producer.events("acked")]
            killed = self.killed_at * 1000
            before = [millis for millis in acked if millis <= killed + 20]
            after = [millis for millis in acked if millis > killed + 20]
            phases = [("command", self.commanded_at * 1000)]
            phases += [(entry["what"], entry["at_ms"] + to_monotonic * 1000)
                       for entry in self.failover["timeline"] if entry.get("group") == line.group]
            phases.append(("first acknowledgement", after[0]))
            told = ", ".join(f"{name} {millis - killed:.0f}"
                             for name, millis in sorted(phases, key=lambda phase: phase[1]))
            print(f"  {line.group:<9} {told}; without acknowledgements for "
                  f"{after[0] - before[-1]:.0f}")

    def judge_line(self, verdict, line):
        account, moved = line.account, self.moved(self.failover, line.group)
        statement = moved["loss"]
        print(f"{line.group} ({line.preset}): Magpie says the loss is {statement['statement']}")
        lost = len(account.lost)
        if line is self.payments:
            verdict.claim("acknowledged records missing", lost == 0,
                          f"{lost} of {account.acknowledged:,}")
            verdict.claim("and Magpie proved it", statement["statement"] == "zero-proven",
                          statement["basis"])
        else:
            within = statement["records_min"] <= lost <= statement["records_max"]
            verdict.claim("acknowledged records missing, within what Magpie stated",
                          within and statement["statement"] != "zero-proven",
                          f"{lost} of {account.acknowledged:,}, stated "
                          f"{statement['records_min']} to {statement['records_max']:,}")
        verdict.claim("acknowledged records at another offset", not account.moved,
                      len(account.moved))
        verdict.claim("records stored twice", not account.repeated, account.repeated)
        verdict.claim("order within each partition kept", not account.unordered,
                      account.unordered or "yes")
        verdict.claim("stored records that the consumer group skipped", not account.unseen,
                      f"{account.unseen}; {account.seen_twice} were read again")
        verdict.claim("something was proved", account.acknowledged > 1000,
                      f"{account.acknowledged:,} acknowledgements")

    def judge_salvage(self, verdict):
        """What the dead region alone had is kept there, and nothing else is missing."""
        home, survivor = (self.cluster.data / region / "data" for region in (HOME, "sh"))
        tails = self.tool("salvage", "list", "--data", home, "-o", "json")["tails"]
        kept = {self.tracking.topic: set(), self.payments.topic: set()}
        absent = present = 0
        for tail in tails:
            fate = self.tool("salvage", "show", tail["name"], "--data", home, "--survivor",
                             survivor, "-o", "json")
            absent, present = absent + fate["absent"], present + fate["present"]
            kept[tail["topic"]] |= {(tail["partition"], offset)
                                    for offset in range(tail["from"], tail["to"])}
        print(f"{HOME} came back with {len(tails)} tails that nobody else had, now in salvage")
        verdict.claim("their records classified", absent + present ==
                      sum(tail["records"] for tail in tails),
                      f"{present} were written again by their producers, {absent} are only there")
        lost = [(partition, offset) for partition, _, offset in self.tracking.account.lost]
        missing = [place for place in lost if place not in kept[self.tracking.topic]]
        verdict.claim("lost records of tracking that are not in salvage", not missing,
                      f"{len(missing)} of {len(lost)}")

    def judge_certificates(self, verdict):
        key = self.cluster.data / "certificates" / "signing.key.pub"
        # The new leader of payments held what the certificate says; its files must still say so.
        leader = self.moved(self.failover, "payments")["new_leader"]["region"]
        done = processes.run([self.build / "magpie", "verify-certificate", self.certificates,
                              "--key", key, "--data", self.cluster.data / leader / "data"],
                             PATIENCE)
        good = [text for text in done.output.splitlines() if text.startswith("ok")]
        verdict.claim("certificates: signed by the cluster, true for the surviving logs", done.ok,
                      f"{len(good)} statements checked" if done.ok else done.tail(1))

    def tool(self, *arguments):
        done = processes.run([self.build / "magpie", *arguments], PATIENCE)
        if not done.ok:
            raise Trouble(f"magpie {' '.join(map(str, arguments))}: {done.tail()}")
        return json.loads(done.output)

    def run(self):
        verdict = Verdict()
        try:
            self.begin(lambda text: print(text, flush=True))
            self.kill_and_fail_over()
            self.come_back()
            self.finish()
            self.judge(verdict)
            return verdict.failed
        finally:
            if self.view:
                self.view.over.set()
            for line in self.lines:
                for client in line.clients():
                    client.kill()
            self.cluster.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(TOP / "build" / "release"))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--store", choices=("magpie", "etcd"), default="magpie",
                        help="control store; of etcd a member dies with the region")
    parser.add_argument("--rate", type=int, default=1000, help="records per second and topic")
    parser.add_argument("--rtt", default="40ms", help="between any two regions")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="magpie-demo-"))
    try:
        failed = Demo(options, folder).run()
    except Trouble as trouble:
        print(f"error: {trouble}\nIts files are kept in {folder}")
        return 1
    if failed:
        print(f"{failed} claims did not hold. Files are kept in {folder}; "
              f"again with: tools/demo.py --seed {options.seed} --store {options.store}")
        return 1
    shutil.rmtree(folder)
    print("Every claim held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
