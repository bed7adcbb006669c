"""From records to medians, verdicts, tables and plots."""

import contextlib
import io
import json
import pathlib
import signal
import tempfile
import unittest
import xml.etree.ElementTree

import sample
from harness import cases, chart, document, experiment, shared, targets
from harness.summary import Spread, Summary, elsewhere, with_latency


def _judged(records):
    return {(target.goal, target.fsync): target
            for target in targets.judge(Summary(sample.document(records)))}


class Summaries(unittest.TestCase):
    def test_median_and_spread_over_rounds(self):
        records = [sample.produce("magpie", "never", "1k-p16", value, round_number=number)
                   for number, value in enumerate((300, 100, 200))]
        found = Summary(sample.document(records)).throughput("magpie", "never", "1k-p16")
        self.assertEqual((found.median, found.low, found.high, found.count), (200, 100, 300, 3))

    def test_policies_are_never_mixed(self):
        summary = Summary(sample.document([sample.produce("magpie", "never", "1k-p16", 100)]))
        self.assertIsNone(summary.throughput("magpie", "always", "1k-p16"))

    def test_a_failed_run_is_listed_and_not_counted(self):
        records = [sample.run("magpie", "never", "produce", "1k-p16", error="it broke")]
        summary = Summary(sample.document(records))
        self.assertIsNone(summary.throughput("magpie", "never", "1k-p16"))
        self.assertIn("it broke", document.markdown(sample.document(records)))

    def test_latency_that_was_measured_again_takes_the_place_of_the_old(self):
        found = sample.document([sample.produce("magpie", "never", "1k-p16", 100),
                                 sample.follow("magpie", "never", cases.PEAK.name, 50),
                                 sample.follow("magpie", "never", cases.HALF.name, 20)])
        again = sample.document([sample.follow("magpie", "never", cases.HALF.name, 3)])
        again.update(date="2026-02-02T00:00:00+00:00", versions={"magpie": "magpie 0.2.0"},
                     command="bench/run.py --latency-of it")
        summary = Summary(with_latency(found, again))
        self.assertEqual(summary.latency("magpie", "never", cases.HALF.name, "p99").median, 3)
        self.assertEqual(summary.latency("magpie", "never", cases.PEAK.name, "p99").median, 50)
        self.assertEqual(summary.throughput("magpie", "never", "1k-p16").median, 100)
        text = document.markdown(summary.found)
        for fact in ("2026-01-01", "magpie 0.1.0", "`bench/run.py`", "2026-02-02", "magpie 0.2.0",
                     "`bench/run.py --latency-of it`"):
            self.assertIn(fact, text)

    def test_latency_of_another_machine_is_not_comparable(self):
        found, again = sample.document([]), sample.document([])
        self.assertEqual(elsewhere(found, again), [])
        again["machine"] = {**again["machine"], "cores": 4}
        self.assertEqual(elsewhere(found, again), ["machine"])


class Runs(unittest.TestCase):
    """How a run ends."""

    def _end(self, run):
        clock = experiment.Clock(1)
        before = signal.getsignal(signal.SIGTERM)
        # Whoever runs the tests in the background may have it ignored.
        interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()):
                return shared.run_to_its_end(run, clock), clock.cut_short
        finally:
            signal.signal(signal.SIGTERM, before)
            signal.signal(signal.SIGINT, interrupt)

    def test_one_that_ends_by_itself_lacks_nothing(self):
        self.assertEqual(self._end(lambda: None), (True, False))

    def test_one_that_is_interrupted_is_kept_as_incomplete(self):
        self.assertEqual(self._end(lambda: signal.raise_signal(signal.SIGTERM)), (False, True))
        self.assertEqual(self._end(lambda: signal.raise_signal(signal.SIGINT)), (False, True))

    def test_so_is_one_that_breaks(self):
        self.assertEqual(self._end(lambda: {}["nothing"]), (False, True))

    def test_a_result_is_named_after_its_day_and_its_name(self):
        with tempfile.TemporaryDirectory() as folder, \
                contextlib.redirect_stdout(io.StringIO()) as said:
            shared.keep(sample.document([]), pathlib.Path(folder) / "new", "-regions")
            kept, = pathlib.Path(folder, "new").iterdir()
            self.assertRegex(kept.name, r"^\d{4}-\d\d-\d\d-sample-regions\.json$")
            self.assertEqual(json.loads(kept.read_text()), sample.document([]))
            self.assertIn(kept.name, said.getvalue())


class Targets(unittest.TestCase):
    GOAL = "produce throughput ≥ 2.0 × Kafka"

    def test_without_records_nothing_is_claimed(self):
        judged = _judged([])
        self.assertEqual({target.verdict for target in judged.values()}, {targets.UNKNOWN})
        self.assertEqual(len(judged), 14)

    def test_one_slow_case_is_enough_to_miss(self):
        records = [sample.produce("magpie", "never", "1k-p16", 900),
                   sample.produce("kafka", "never", "1k-p16", 300)]
        self.assertEqual(_judged(records)[self.GOAL, "never"].verdict, targets.MET)
        records += [sample.produce("magpie", "never", "1k-p1", 500),
                    sample.produce("kafka", "never", "1k-p1", 300)]
        target = _judged(records)[self.GOAL, "never"]
        self.assertEqual(target.verdict, targets.MISSED)
        self.assertIn("1 of 2", target.figure)
        self.assertIn("1k-p1", target.figure)

    def test_the_client_is_named_when_it_is_the_limit(self):
        records = [sample.produce("magpie", "never", "1k-p16", 900),
                   sample.produce("kafka", "never", "1k-p16", 600),
                   sample.produce("ceiling", "none", "1k-p16", 960)]
        self.assertIn("can exceed 1.60 × Kafka", _judged(records)[self.GOAL, "never"].limit)

    def test_lower_is_better_for_latency_and_processor_time(self):
        records = [sample.follow("magpie", "always", cases.HALF.name, 4.0),
                   sample.follow("kafka", "always", cases.HALF.name, 10.0),
                   sample.produce("magpie", "never", cases.MAIN, 100, cpu=0.5),
                   sample.produce("kafka", "never", cases.MAIN, 100, cpu=1.0)]
        judged = _judged(records)
        p99 = judged["p99 end to end ≤ 0.5 × Kafka at half of the slower peak", "always"]
        cpu = judged["broker CPU-s per GB ≤ 0.4 × Kafka, produce", "never"]
        self.assertEqual((p99.verdict, cpu.verdict), (targets.MET, targets.MISSED))


class Documents(unittest.TestCase):
    def test_a_command_names_no_folder_of_the_machine(self):
        self.assertEqual(shared.command("bench/run.py", ["--magpie", "/some/where/magpie", "-x/y"]),
                         "bench/run.py --magpie magpie -x/y")

    def test_every_table_of_figures_has_an_fsync_column(self):
        records = [sample.produce("magpie", "never", "1k-p16", 100),
                   sample.follow("magpie", "never", "light", 2)]
        text = document.markdown(sample.document(records))
        headers = [before for before, line in zip(text.splitlines(), text.splitlines()[1:])
                   if line.startswith("|---|---|---|")]
        self.assertGreaterEqual(len(headers), 5)
        for header in headers:
            self.assertIn(" fsync ", header)

    def test_rows_are_as_wide_as_their_header(self):
        records = [sample.produce("magpie", "never", "1k-p16", 100),
                   sample.follow("kafka", "always", "half", 2)]
        width = None
        for line in document.markdown(sample.document(records)).splitlines():
            if not line.startswith("|"):
                width = None
                continue
            width = width or line.count("|")
            self.assertEqual(line.count("|"), width, line)

    def test_only_the_generated_part_is_replaced(self):
        page = f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n"
        once = document.insert(page, "new")
        self.assertEqual(once, f"before\n{document.BEGIN}\n\nnew\n\n{document.END}\nafter\n")
        self.assertEqual(document.insert(once, "new"), once)

    def test_a_page_without_markers_is_refused(self):
        with self.assertRaises(ValueError):
            document.insert("nothing here", "new")


class Charts(unittest.TestCase):
    def _draw(self, spreads, **options):
        figure = chart.Chart("A < B", "MB/s", ["one", "two"], ["s"], [spreads], **options)
        return figure.svg()

    def test_is_well_formed_with_a_bar_per_value(self):
        text = self._draw([Spread(10, 5, 20, 3), None])
        root = xml.etree.ElementTree.fromstring(text)
        bars = [node for node in root.iter("{http://www.w3.org/2000/svg}rect")
                if float(node.get("width")) > 12]
        self.assertEqual(len(bars), 2)  # the background and the one bar
        self.assertIn("A &lt; B", text)

    def test_nothing_to_draw_draws_nothing(self):
        self.assertEqual(self._draw([None, None]), "")

    def test_the_axis_reaches_beyond_the_highest_value(self):
        for highest in (0.37, 1, 9.99, 100, 1234):
            spread = Spread(highest, highest, highest, 1)
            scale = chart._Scale([spread], False)
            self.assertGreaterEqual(scale.ticks[-1], highest)
            self.assertLessEqual(len(scale.ticks), 8)
            self.assertLess(scale.place(highest), scale.place(0))

    def test_each_decade_is_as_high_as_the_next(self):
        scale = chart._Scale([Spread(1, 0.1, 10, 1)], True)
        places = [scale.place(value) for value in (0.1, 1, 10)]
        self.assertAlmostEqual(places[0] - places[1], places[1] - places[2])


if __name__ == "__main__":
    unittest.main()
