"""The pure parts of the benchmark of regions: arithmetic, verdicts, the page."""

import dataclasses
import http.client
import subprocess
import unittest

from harness import targets as harness_targets
from regional import etcd, figures, lab, page, plan, targets
from regional.cluster import milliseconds
from regional.shared import Trouble, driver, peers


def _record(kind, case, round_number=0, peer="magpie", **found):
    return {"kind": kind, "peer": peer, "round": round_number, "case": case, "figures": found}


def _document(records):
    return {
        "name": "sample", "date": "2026-01-01T00:00:00+00:00", "command": "bench/regions.py",
        "minutes": 1.0, "complete": True,
        "machine": {"processor": "Abacus", "cores": 2, "memory_bytes": 2**34,
                    "kernel": "Linux 6.1", "distribution": "Debian 12", "file_system": "ext4"},
        "versions": {"magpie": "magpie 0.1.0"}, "client": "librdkafka 2.0.2",
        "plan": dataclasses.asdict(plan.FULL), "records": records,
        "calibrations": [{"spin_ms": 40.0, "fdatasync_16k_p50_ms": 0.2}],
    }


def _latency(p50, p99):
    return {"p50_ms": p50, "p99_ms": p99}


def _commit(copies, rtt, p50, fsync=0.5):
    return _record("commit", {"copies": copies, "rtt_ms": rtt}, failed=0,
                   acknowledgement=_latency(p50, 2 * p50), fsync=_latency(fsync, 1.0),
                   link_rtt_ms=rtt + 0.2)


def _lag(copies, rtt, p99):
    return _record("lag", {"copies": copies, "rtt_ms": rtt}, lag=_latency(p99 * rtt / 2, p99 * rtt),
                   end_to_end=_latency(p99 * rtt, p99 * rtt), p50_rtts=p99 / 2, p99_rtts=p99,
                   megabytes_per_second=10.0)


def _throughput(cpu, share, fsync=None):
    case = {"rtt_ms": 40} if fsync is None else {"rtt_ms": 40, "fsync": fsync}
    return _record("throughput", case, peer="magpie" if fsync is None else "mirror-maker",
                   cpu_seconds_per_gigabyte=cpu, share_of_link=share, megabytes_per_second=share)


def _failover(partitions, acknowledged, scope="group"):
    return _record("failover", {"partitions": partitions, "scope": scope}, accepted=45.0,
                   fenced=40.0, open=100.0, acknowledged=acknowledged, default_client=400.0,
                   leader_cpu_ms=20.0, statement="zero-proven")


def _with_etcd(leader, beside, election=0.0, led_from="third"):
    return _record("etcd-failover", {"partitions": 10, "etcd_leader": leader},
                   elected_from_kill=1_300.0 if leader == "lost" else None, election=election,
                   accepted=45.0, fenced=40.0, open=100.0, acknowledged=beside + election,
                   beside_election=beside, default_client=900.0, etcd_led_from=led_from)


def _switchover(stalls, lost=0):
    return _record("switchover", {"rtt_ms": 40}, stalls_ms=stalls, p50_ms=stalls[0],
                   p99_ms=max(stalls), count=len(stalls), acknowledged_records=1000, lost=lost,
                   repeated=0, unordered=0, failed=0)


def _loss(lost, unseen=0, **case):
    return _record("loss", case, acknowledged_records=10, lost=lost, lost_ms=lost / 2, moved=0,
                   repeated=0, again=3, unseen=unseen, statement="unknown")


class _Clock:
    def over(self):
        return False


def _lab():
    return lab.Lab(plan.QUICK, "program", "load", ".", _Clock(), lambda text: None)


def _whole():
    return [_commit("1", 40, 42.0), _commit("0", 40, 1.0), _lag("0", 40, 0.7),
            _throughput(3.0, 0.95), _throughput(40.0, 0.5, "never"), _failover(10, 200.0),
            _failover(10_000, 210.0), _with_etcd("kept", 250.0), _with_etcd("lost", 240.0, 300.0),
            _switchover([150, 300]), _loss(0, copies="1"),
            _loss(90, copies="0"), _loss(200, fsync="never")]


class Arithmetic(unittest.TestCase):
    def test_percentiles_are_values_that_were_there(self):
        values = [5, 1, 4, 2, 3]
        self.assertEqual([figures.percentile(values, share) for share in (0, 50, 99, 100)],
                         [1, 3, 5, 5])
        self.assertIsNone(figures.percentile([], 50))

    def test_a_stall_is_the_longest_gap_of_any_partition(self):
        acknowledged = [(0, 0), (10, 0), (200, 0), (210, 0), (0, 1), (10, 1), (150, 1), (210, 1)]
        self.assertEqual(figures.stalls(acknowledged, [12], 220), [190])

    def test_a_gap_that_ended_before_the_command_is_not_its_doing(self):
        acknowledged = [(0, 0), (500, 0), (505, 0), (540, 0), (545, 0)]
        self.assertEqual(figures.stalls(acknowledged, [502], 550), [35])

    def test_the_last_stall_counts_however_long_it_is(self):
        ended_late = [(0, 0), (10, 0), (900, 0)]
        self.assertEqual(figures.stalls(ended_late, [12], 100), [890])
        never_ended = [(0, 0), (10, 0), (0, 1), (400, 1), (695, 1)]
        self.assertEqual(figures.stalls(never_ended, [12], 700), [690])

    def test_each_command_has_a_stall_of_its_own(self):
        acknowledged = [(0, 0), (100, 0), (110, 0), (310, 0), (320, 0)]
        self.assertEqual(figures.stalls(acknowledged, [5, 115], 330), [100, 200])

    def test_phases_are_counted_from_the_command(self):
        looks = [(90, 4, True), (110, 4, True), (140, 5, False), (190, 5, True)]
        self.assertEqual(figures.phases(100, 145, looks, [230, 220], 4),
                         {"accepted": 45, "fenced": 40, "open": 90, "acknowledged": 120})

    def test_only_what_is_left_of_an_election_is_taken_off(self):
        def split(acknowledged, elected):
            found = figures.beside_election({"acknowledged": acknowledged}, 1_000, 2_000, elected)
            return found["elected_from_kill"], found["election"], found["beside_election"]
        self.assertEqual(split(500, 2_300), (1_300, 300, 200))
        self.assertEqual(split(200, 1_900), (900, 0, 200), "it was over before the command")
        self.assertEqual(split(200, None), (None, 0, 200), "there was none")
        self.assertEqual(split(100, 2_300), (1_300, 300, 0), "nothing waited for it")
        self.assertEqual(split(None, 2_300), (1_300, 300, None))

    def test_what_was_never_seen_is_none(self):
        found = figures.phases(100, 145, [(110, 4, True)], [], 4)
        self.assertEqual((found["fenced"], found["open"], found["acknowledged"]),
                         (None, None, None))

    def test_growth_ends_when_nearly_all_is_there(self):
        samples = [(10.0, 0, 1.0), (11.0, 50, 1.5), (12.0, 96, 2.0), (19.0, 100, 9.0)]
        self.assertEqual(figures.growth(samples), (2.0, 96, 1.0))
        self.assertIsNone(figures.growth([(1.0, 7, 0.0), (2.0, 7, 0.5)]))

    def test_a_case_is_told_from_another_by_what_it_lacks_too(self):
        records = [_throughput(3.0, 0.9), _throughput(40.0, 0.5, "never")]
        self.assertEqual(figures.select(records, "throughput", "share_of_link", fsync=None), [0.9])
        self.assertEqual(figures.select(records, "throughput", "share_of_link", fsync="never"),
                         [0.5])

    def test_rounds_become_a_median_with_its_spread(self):
        records = [_commit("1", 40, value) for value in (44, 41, 42)]
        found = figures.of_rounds(records, "commit", "acknowledgement.p50_ms", copies="1")
        self.assertEqual(found, {"median": 42, "low": 41, "high": 44, "count": 3})


class Verdicts(unittest.TestCase):
    def _judge(self, *records):
        return targets.judge(_document(list(records)))

    def _verdicts(self, *records):
        return {target.verdict for target in self._judge(*records)} - {harness_targets.UNKNOWN}

    def test_without_records_nothing_is_claimed(self):
        self.assertEqual({target.verdict for target in self._judge()}, {harness_targets.UNKNOWN})

    def test_a_failed_measurement_is_no_measurement(self):
        self.assertEqual(self._verdicts(_record("commit", {"copies": "1", "rtt_ms": 40},
                                                error="it broke")), set())

    def test_the_worst_round_trip_decides(self):
        good = _commit("1", 40, 44.0)
        self.assertEqual(self._verdicts(good), {harness_targets.MET})
        self.assertEqual(self._verdicts(good, _commit("1", 10, 12.0)), {harness_targets.MISSED})

    def test_what_is_local_is_the_faster_of_probe_and_commit_without_a_copy(self):
        slow_probe = _commit("1", 40, 46.0, fsync=3.0)
        self.assertEqual(self._verdicts(slow_probe), {harness_targets.MET})
        self.assertEqual(self._verdicts(slow_probe, _commit("0", 40, 1.0)),
                         {harness_targets.MISSED})

    def test_a_failure_beside_what_was_measured_does_not_vanish(self):
        for good, case, title in (
                (_commit("1", 40, 42.0), {"copies": "1", "rtt_ms": 10}, "commit"),
                (_lag("0", 40, 0.7), {"copies": "0", "rtt_ms": 80}, "lag"),
                (_throughput(3.0, 0.95), {"rtt_ms": 40}, "replication"),
                (_failover(10, 200.0), {"partitions": 10}, "failover"),
                (_with_etcd("lost", 200.0), {"partitions": 10}, "the same with an etcd"),
                (_switchover([150]), {"rtt_ms": 40}, "switchover"),
                (_loss(0, copies="1"), {"copies": "all"}, "copies")):
            failed = _record(good["kind"], case, error="it broke")
            for target in self._judge(good, failed):
                if target.goal.startswith(title) and target.verdict != harness_targets.UNKNOWN:
                    self.assertEqual(target.verdict, targets.IN_PART, target)
                    self.assertIn("1 could not be measured", target.figure)
                    break
            else:
                self.fail(f"no verdict about {title}")

    def test_so_does_a_section_that_broke(self):
        broke = _record("session", {}, peer="moves", error="it broke")
        self.assertEqual(self._verdicts(_switchover([150]), broke), {targets.IN_PART})
        self.assertEqual(self._verdicts(_switchover([1_001]), broke), {harness_targets.MISSED})

    def test_a_failure_of_another_case_is_none_of_this(self):
        failed = [_record("commit", {"copies": "0", "rtt_ms": 40}, error="it broke"),
                  _record("lag", {"fsync": "never", "rtt_ms": 40}, peer="mirror-maker",
                          error="it broke"),
                  _record("loss", {"fsync": "never"}, peer="mirror-maker", error="it broke")]
        self.assertEqual(self._verdicts(_commit("1", 40, 42.0), _lag("0", 40, 0.7),
                                        _loss(0, copies="1"), *failed), {harness_targets.MET})

    def test_what_the_readers_were_not_given_misses(self):
        self.assertEqual(self._verdicts(_loss(0, unseen=2, copies="1")), {harness_targets.MISSED})

    def test_a_record_the_producer_gave_up_misses(self):
        switchover = _switchover([100])
        switchover["figures"]["failed"] = 1
        self.assertEqual(self._verdicts(switchover), {harness_targets.MISSED})

    def test_limits_are_met_at_the_limit_and_missed_beyond(self):
        for at, beyond in (
                ([_lag("0", 40, 1.0)], [_lag("0", 40, 1.01)]),
                ([_throughput(1.0, 0.9)], [_throughput(1.0, 0.89)]),
                ([_failover(10, 260.0)], [_failover(10, 261.0)]),
                ([_with_etcd("kept", 260.0)], [_with_etcd("kept", 261.0)]),
                ([_with_etcd("lost", 260.0, 900.0)], [_with_etcd("lost", 261.0)]),
                ([_switchover([1_000])], [_switchover([1_001])]),
                ([_switchover([100])], [_switchover([100], lost=1)]),
                ([_loss(0, copies="all")], [_loss(1, copies="all")])):
            self.assertEqual(self._verdicts(*at), {harness_targets.MET}, at)
            self.assertEqual(self._verdicts(*beyond), {harness_targets.MISSED}, beyond)

    def test_processor_time_is_compared_by_policy(self):
        ours = _throughput(5.0, 0.95)
        self.assertEqual(self._verdicts(ours, _throughput(40.0, 0.5, "never")),
                         {harness_targets.MET})
        self.assertEqual(self._verdicts(ours, _throughput(39.0, 0.5, "always")),
                         {harness_targets.MET, harness_targets.MISSED})

    def test_many_partitions_are_compared_with_few(self):
        def verdict(milliseconds):
            return self._judge(_failover(10, 200.0), _failover(10_000, milliseconds))[10].verdict
        self.assertEqual((verdict(240.0), verdict(241.0)),
                         (harness_targets.MET, harness_targets.MISSED))

    def test_a_loss_without_copies_breaks_no_promise(self):
        self.assertEqual(self._verdicts(_loss(90, copies="0"), _loss(90, fsync="never")), set())


class Measuring(unittest.TestCase):
    def test_whatever_one_measurement_meets_the_others_are_kept(self):
        kept = _lab()
        for cause in (Trouble("t"), driver.RunFailed("r"), peers.DidNotStart("d"), OSError("o"),
                      http.client.BadStatusLine("b"), KeyError("k"), IndexError("i"),
                      ValueError("v"), TypeError("y"), StopIteration(),
                      subprocess.TimeoutExpired("c", 1)):
            def broken(_, cause=cause):
                raise cause
            kept.attempt("lag", "magpie", {}, broken)
            self.assertIn(type(cause).__name__, kept.records[-1]["figures"]["error"])
        kept.attempt("lag", "magpie", {}, lambda _, figure: {"figure": figure}, 7)
        self.assertEqual(kept.records[-1]["figures"], {"figure": 7})

    def test_a_load_that_did_not_go_through_is_no_measurement(self):
        lab.check_load(95, 100)
        for rate, failed in ((94, 0), (100, 1)):
            with self.assertRaises(Trouble):
                lab.check_load(rate, 100, failed)


class _Member:
    """Stands for etcd's members: each answer is the next of these leaders; then the last one."""

    ids = {"bj": "11", "sh": "22", "gz": "33"}

    def __init__(self, **answers):
        self._answers = {site: list(leaders) for site, leaders in answers.items()}

    def connection(self, site):
        return http.client.HTTPConnection("nowhere.invalid")

    def status(self, site, connection=None):
        left = self._answers[site]
        leader = left.pop(0) if len(left) > 1 else left[0]
        if leader == "broken":
            raise Trouble("no answer")
        return {"leader": leader} if leader else {}


class Elections(unittest.TestCase):
    def test_it_is_over_when_somebody_else_than_the_dead_leads(self):
        members = _Member(sh=["11", "broken", None, "33"], gz=["11", "0", "33"])
        with etcd.Elections(members, ["sh", "gz"], "11") as elections:
            elections.wait()
        self.assertEqual(elections.site, "gz")
        self.assertLessEqual(elections.first(), milliseconds())

    def test_who_leads_is_known_by_number(self):
        class Known(etcd.Members):
            def __init__(self):
                self.ids = _Member.ids
                self.status = _Member(sh=["33"], gz=[None]).status
        self.assertEqual((Known().led_by("sh"), Known().led_by("gz")), ("gz", None))


class Page(unittest.TestCase):
    def test_rows_are_as_wide_as_their_header(self):
        width = None
        for line in page.markdown(_document(_whole())).splitlines():
            if not line.startswith("|"):
                width = None
                continue
            width = width or line.count("|")
            self.assertEqual(line.count("|"), width, line)

    def test_everything_that_was_measured_is_shown(self):
        text = page.markdown(_document(_whole()))
        for title in ("A commit against", "Lag in the other", "Replicating a backlog",
                      "Switchovers", "Failovers, from the command", "Failovers with an etcd",
                      "killed under load"):
            self.assertIn(title, text)
        self.assertNotIn("could not be measured", text)

    def test_it_says_from_where_etcd_was_led(self):
        text = page.markdown(_document([_with_etcd("lost", 240.0, 300.0, led_from="target"),
                                        _with_etcd("lost", 240.0), _with_etcd("kept", 250.0)]))
        for row in ("| 10 | dies with the region | 1 of 2 | 1300",
                    "| 10 | is in the third region | 0 of 1 | – |"):
            self.assertIn(row, text)

    def test_what_failed_is_listed(self):
        text = page.markdown(_document([_record("lag", {"copies": "0"}, error="a | b\nc")]))
        self.assertIn("a / b c", text)

    def test_the_page_has_its_markers(self):
        once = page.insert(f"a\n{page.MARKERS[0]}\nold\n{page.MARKERS[1]}\nb", "new", page.MARKERS)
        self.assertIn("new", once)
        self.assertNotIn("old", once)


if __name__ == "__main__":
    unittest.main()
