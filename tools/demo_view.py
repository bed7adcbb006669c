"""The live view of `make demo`: who leads, who is in sync, how far readers are, the clock."""

import json
import sys
import threading
import time
import urllib.error
import urllib.request

INTERVAL = 0.25
PLAIN_INTERVAL = 2.0


class Tail:
    """Counts the lines that a load client writes, and when the last of a kind was written."""

    def __init__(self, path):
        self.file = open(path, encoding="ascii")  # noqa: SIM115, closed with the process
        self.rest = ""
        self.counts = {}
        self.last_millis = {}

    def look(self):
        lines = (self.rest + self.file.read()).split("\n")
        self.rest = lines.pop()
        for line in lines:
            word, millis, _ = line.split(" ", 2)
            self.counts[word] = self.counts.get(word, 0) + 1
            self.last_millis[word] = int(millis)

    def count(self, word):
        return self.counts.get(word, 0)

    def silent_for(self, word):
        """Milliseconds since the last line of this kind."""
        last = self.last_millis.get(word)
        return None if last is None else max(0, time.monotonic() * 1000 - last)


class Watched:
    """A failover group with the clients that use it."""

    def __init__(self, group, producer, consumer):
        self.group = group
        self.produced, self.consumed = Tail(producer.lines_file), Tail(consumer.lines_file)
        self.before = (time.monotonic(), 0)
        self.rate = 0

    def look(self):
        self.produced.look()
        self.consumed.look()
        now, acked = time.monotonic(), self.produced.count("acked")
        if now - self.before[0] >= 1:
            self.rate = (acked - self.before[1]) / (now - self.before[0])
            self.before = (now, acked)

    def text(self, leadership):
        behind = self.produced.count("acked") - self.consumed.count("read")
        silent = self.produced.silent_for("acked")
        silent_text = "" if silent is None or silent < 100 else f"  none for {silent / 1000:.1f} s"
        return (f"{self.group:<9} {leadership}  acknowledged {self.produced.count('acked'):>6,}"
                f" ({self.rate:>5,.0f}/s)  reader behind {max(0, behind):>5,}{silent_text}")


def leadership_text(leadership):
    if leadership is None:
        return "led by nobody"
    sync = ",".join(member["region"] for member in leadership["sync"]) or "-"
    leader = leadership["leader"]
    alive = "" if leader["alive"] else "?"
    return (f"leader {leader['region'] + alive:<4} epoch {leadership['epoch']:>2}  S {sync:<6} "
            f"{leadership['state']:<11}")


class View(threading.Thread):
    """Redraws a few lines at the bottom of a terminal; without one, prints them now and then."""

    def __init__(self, cluster, watched):
        super().__init__(daemon=True)
        self.cluster, self.watched = cluster, watched
        self.begin = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.lock = threading.Lock()
        self.drawn = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(INTERVAL if self.terminal else PLAIN_INTERVAL):
            lines = self.lines()
            with self.lock:
                self.erase()
                self.draw(lines)

    def lines(self):
        groups = self.ask()
        for each in self.watched:
            each.look()
        clock = time.monotonic() - self.begin
        return [f"  {clock:5.1f} s  " + each.text(groups.get(each.group, "no node answers"))
                for each in self.watched]

    def ask(self):
        """Text about each group's leadership, from the first node that answers."""
        for node in self.cluster.about().get("nodes", []):
            if node["state"] != "ready":
                continue
            try:
                url = f"http://{node['admin']}/v1/failover-groups"
                with urllib.request.urlopen(url, timeout=0.5) as answer:
                    groups = json.load(answer)["failover_groups"]
                return {group["name"]: leadership_text(group["leadership"]) for group in groups}
            except (OSError, ValueError, urllib.error.URLError):
                continue
        return {}

    def erase(self):
        if self.terminal and self.drawn:
            sys.stdout.write(f"\x1b[{self.drawn}A\x1b[J")
        self.drawn = 0

    def draw(self, lines):
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        self.drawn = len(lines)

    def say(self, text):
        """A line of the story, above the view."""
        with self.lock:
            self.erase()
            print(text, flush=True)

    def stop(self):
        self.over.set()
        self.join()
