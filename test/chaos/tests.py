#!/usr/bin/env python3
"""Tests of the harness itself: what it draws, keeps, judges and writes."""

import json
import sys
import tempfile
import traceback
from pathlib import Path

import clients
import faults
import judge
import page
from outcome import Figures, Outcome, Results
from places import TOP  # noqa: F401  (finds the module below)
from ledger import account_of
from plan import WEIGHTS_OF_ETCD, Step, plan_of

ABOUT = {"store": "both", "clients": ["java"], "build": "release", "revision": "1", "parallel": 2}


class Lines:
    """Stands for a client: (milliseconds, partition, number, offset) by word."""

    def __init__(self, **by_word):
        self._by_word = by_word

    def events(self, word):
        return self._by_word.get(word, [])

    def events_of_any(self, word):
        return [" ".join([word, *map(str, event)]) for event in self.events(word)]


def outcome_of(seed, problems=(), store="magpie"):
    kinds = {topic: {"producer": "java", "consumer": "franz-go"} for topic in clients.STREAMS}
    figures = {group: Figures(1000, 0, 0, 7, 250, {"kill-leader": 200})
               for group in ("critical", "standard", "bulk")}
    return Outcome(seed, ["kill-leader"], store, kinds, 30.0, list(problems), figures,
                   without_store=3)


def test_the_same_seed_draws_the_same():
    assert [plan_of(seed, "both") for seed in range(50)] == \
        [plan_of(seed, "both") for seed in range(50)]
    assert clients.drawn(7, {"java": [], "franz-go": []}) == \
        clients.drawn(7, {"franz-go": [], "java": []})


def test_every_second_round_has_an_etcd_and_only_those_lose_members():
    plans = [plan_of(seed, "both") for seed in range(400)]
    assert [plan.store for plan in plans[:3]] == ["etcd", "magpie", "etcd"]
    kinds = {store: {step.kind for plan in plans if plan.store == store for step in plan.steps}
             for store in ("etcd", "magpie")}
    assert set(WEIGHTS_OF_ETCD) <= kinds["etcd"]
    assert not set(WEIGHTS_OF_ETCD) & kinds["magpie"]
    assert any(step.kind == "clock-leader" for seed in range(99)
               for step in plan_of(seed, "both", True).steps)
    assert plan_of(8, "etcd") == plan_of(8, "both"), "a failed round can be run again alone"


def test_a_run_that_was_interrupted_goes_on():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "rounds.jsonl"
        for seed in (1, 2):
            Results(path, ABOUT, resume=seed > 1).add(outcome_of(seed))
        again = Results(path, ABOUT, resume=True)
        assert again.seeds() == {1, 2}
        assert again.outcomes[1] == outcome_of(2)
        try:
            Results(path, {**ABOUT, "revision": "2"}, resume=True)
        except ValueError as refused:
            assert "another kind" in str(refused)
        else:
            raise AssertionError("rounds of two revisions were counted together")
        assert not Results(path, ABOUT, resume=False).seeds()


def test_the_page_says_what_the_rounds_were():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.md"
        path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
        rounds = [outcome_of(1), outcome_of(2, ["it broke"], "etcd")]
        page.write(path, rounds, ABOUT)
        text = path.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    for wanted in ("2 rounds, seeds 1 to 2; 1 with an etcd", "1 held every claim",
                   "| critical | 2 | 2,000 | 0 | 0 | 14 | 250 ms |",
                   "| java | 4 | 4,000 | 0 | 250 ms | 0 | 0 |",
                   "| franz-go | 0 | 0 | 0 | 0 ms | 4 | 28 |",
                   "| kill-leader | 2 | 200 ms | 200 ms |",
                   "6 times nothing but the control store was away",
                   "- seed 2 (kill-leader; etcd): it broke"):
        assert wanted in text, f"{wanted} is not in {text}"


def test_a_record_without_an_offset_counts_where_it_stands():
    producer = Lines(acked=[(1, 0, 0, 0), (2, 0, 1, -1), (3, 0, 2, -1), (4, 0, 3, 9)])
    reader = Lines(read=[(5, 0, 0, 0), (5, 0, 1, 1), (5, 0, 3, 2)])
    account = account_of(producer, reader, Lines(read=[]))
    assert account.lost == [(0, 2, -1)]
    assert account.moved == [(0, 3, 9)]
    assert account.unseen == 3


def test_a_run_goes_on_after_a_line_that_was_not_finished():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rounds.jsonl"
        Results(path, ABOUT, resume=False).add(outcome_of(1))
        whole = path.read_text()
        for cut in (len(whole) - 1, len(whole) - 40, whole.index("\n") - 1, 0):
            path.write_text(whole[:cut])
            again = Results(path, ABOUT, resume=True)
            assert not again.seeds(), f"half a round counts, cut at {cut}"
            again.add(outcome_of(1))
            assert path.read_text() == whole


def test_a_gap_that_begins_when_or_while_the_store_is_away_is_held_against_it():
    class Given:
        topic = "payments"
        without_store = [(1000, 5000)]
    gaps = [(0, 4000), (4100, 5900), (6000, 9000)]
    assert not judge.stalls_without_store(Given, gaps, Given, 1)
    late = [(4100, 6200)]
    assert "2100 ms" in judge.stalls_without_store(Given, late, Given, 1)[0]
    assert not judge.stalls_without_store(Given, late, Given, 2)
    stopped_by_it = [(900, 3200)]
    assert "2200 ms" in judge.stalls_without_store(Given, stopped_by_it, Given, 1)[0]
    assert not judge.stalls_without_store(Given, [(900, 3000)], Given, 1), "of it 2000 ms"


def test_a_partition_that_stands_still_is_not_hidden_by_another():
    producer = Lines(acked=[(time, 0, number, number) for number, time in
                            enumerate(range(0, 9000, 100))] + [(0, 1, 0, 0), (7000, 1, 1, 1)])
    assert max(end - begin for begin, end in judge.gaps_of(producer)) == 7000


def test_a_region_is_erased_only_if_what_it_leads_is_also_elsewhere():
    class Known(faults.Faults):
        def __init__(self, leaders, lacking=()):
            super().__init__(None, list(leaders), lambda text: None, rtt_ms=4)
            self.leaders, self.lacking = leaders, lacking

        def leader(self, group="critical"):
            return self.leaders[group]

        def in_sync(self, group):
            return group not in self.lacking

    led = {"critical": "bj", "bulk": "bj", "system": "gz"}
    assert [Known(led)._erasable(choice) for choice in (0, 1)] == ["sh", "gz"]
    assert [Known(led, ["system"])._erasable(choice) for choice in (0, 1)] == ["sh", "sh"]
    assert Known({**led, "bulk": "sh"}, ["system", "bulk"])._erasable(0) is None


class Told:
    """Stands for a cluster: keeps the orders, and says what `magpie dev` would after them."""

    def __init__(self):
        self.orders = []

    def tell(self, order):
        self.orders.append(order)

    def about(self):
        return {"store": {"members": []}, "nodes": []}

    def with_member(self, region):
        return [region]

    def wait(self, condition, what, seconds=0):
        assert condition(), what

    def wait_for_state(self, region, state, seconds):
        pass


class OnWires(faults.Faults):
    """Faults of what lies between regions, of which bj leads."""

    def __init__(self, rtt_ms):
        super().__init__(Told(), ["critical"], lambda text: None, rtt_ms)

    def leader(self, group="critical"):
        return "bj"

    def _failover(self, region):
        self.cluster.orders.append(f"failover from {region}")

    def orders_of(self, kind, choice):
        self.cluster.orders.clear()
        self.carry_out(Step(kind, choice, hold=0.0, calm=0.0))
        return list(self.cluster.orders)


def test_a_line_that_was_narrow_lossy_or_long_is_afterwards_as_planned():
    wires = OnWires(rtt_ms=20)
    for kind in ("narrow", "lossy", "delay"):
        for choice in range(20):
            order, back = wires.orders_of(kind, choice)
            assert order.startswith("wan ") and order != back
            assert back == "wan rtt=20ms rate=0B loss=0%"
    wires.cluster.orders.clear()
    wires.heal()
    assert wires.cluster.orders == ["heal all", "wan rtt=20ms rate=0B loss=0%"]


def test_a_leader_that_dies_behind_a_narrow_line_is_failed_over_while_it_is_narrow():
    wires = OnWires(rtt_ms=20)
    assert wires.orders_of("narrow-failover", 1) == [
        "wan bj gz rate=4kB", "kill bj", "failover from bj", "wan rtt=20ms rate=0B loss=0%",
        "start bj"]


def test_how_narrow_or_lossy_and_between_whom_is_drawn():
    wires = OnWires(rtt_ms=4)
    for kind, what, values in (("narrow", "rate", faults._RATES),
                               ("lossy", "loss", faults._LOSSES)):
        drawn = {wires.orders_of(kind, choice)[0] for choice in range(1000)}
        assert drawn == {f"wan {ends} {what}={value}" for value in values
                         for ends in ("all", "bj sh", "bj gz")}
        assert kind in {step.kind for seed in range(99) for step in plan_of(seed, "both").steps}


def test_the_stall_of_a_step_is_found_among_what_it_notes():
    wires = OnWires(rtt_ms=4)
    wires.orders_of("narrow", 7)
    begin = wires.happened[0][0]
    assert judge.stalls_of([(begin - 50, begin + 250)], wires.happened) == {"narrow": 300}


def test_outcomes_are_plain_json():
    assert json.loads(outcome_of(3).line())["figures"]["bulk"]["acknowledged"] == 1000


def main():
    failed = 0
    tests = [(name[5:], function) for name, function in globals().items()
             if name.startswith("test_")]
    for name, function in tests:
        try:
            function()
        except Exception:  # whatever it is, the others are to run
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"ok     {name}")
    print(f"{len(tests) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
