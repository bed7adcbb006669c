"""A result as Markdown and plots, and its place in docs/benchmarks.md.

Only the text between the two marker comments of that page is written; what people wrote around it
stays.
"""

import statistics

from harness import cases, chart, targets
from harness.summary import Summary

BEGIN = "<!-- bench: begin (written by bench/run.py, do not edit) -->"
END = "<!-- bench: end -->"
_NONE = "–"
_LABELS = {"magpie": "Magpie", "kafka": "Kafka", "ceiling": "mock broker"}


def write(found, docs):
    """Renews the generated part of docs/benchmarks.md and the plots beside it."""
    page = docs / "benchmarks.md"
    plots = docs / "benchmarks"
    plots.mkdir(exist_ok=True)
    drawn = []
    for name, figure in charts(Summary(found)).items():
        text = figure.svg()
        if text:
            (plots / f"{name}.svg").write_text(text)
            drawn.append(f"![{figure.title}](benchmarks/{name}.svg)")
    page.write_text(insert(page.read_text(), markdown(found) + "\n\n" + "\n\n".join(drawn)))


def insert(page, generated, markers=(BEGIN, END)):
    """`page` with everything between the markers replaced. ValueError without markers."""
    head, begin, rest = page.partition(markers[0])
    _, end, tail = rest.partition(markers[1])
    if not begin or not end:
        raise ValueError("the page lacks the marker comments")
    return f"{head}{begin}\n\n{generated.strip()}\n\n{end}{tail}"


def markdown(found):
    """The tables of a result."""
    summary = Summary(found)
    parts = [_about(found, summary), _targets(summary), _produce(summary), _consume(summary),
             _follow(summary), _memory(summary), _failures(summary)]
    return "\n\n".join(part for part in parts if part)


def table(header, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _value(spread, scale=1.0):
    if spread is None:
        return _NONE
    text = chart.short(spread.median * scale)
    if spread.count > 1:
        text += f" ({chart.short(spread.low * scale)}–{chart.short(spread.high * scale)})"
    return text


def _ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours and theirs else _NONE


def machine_rows(found):
    """When and where a result was measured, for a table about the run."""
    machine = found["machine"]
    return [
        ("date", found["date"]),
        ("machine", f"{machine['cores']} × {machine['processor']}, "
                    f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['file_system']}"),
        ("system", f"{machine['distribution']}, {machine['kernel']}"),
    ]


def steadiness_rows(found, more=""):
    """How much the machine varied, and whether everything has run; `more` is said with it."""
    rows = []
    calibrations = found["calibrations"]
    if calibrations:
        syncs = [one["fdatasync_16k_p50_ms"] for one in calibrations]
        spins = [one["spin_ms"] for one in calibrations]
        rows.append(("steadiness", f"fdatasync of 16 KiB {min(syncs)}–{max(syncs)} ms (median "
                                   f"{statistics.median(syncs)}), same loop {min(spins)}–"
                                   f"{max(spins)} ms{more}"))
    if not found["complete"]:
        rows.append(("**incomplete**", "the run ended, or its time was up, before everything had "
                                       "run"))
    return rows


def _about(found, summary):
    rows = [
        *machine_rows(found),
        *((_LABELS[name], version) for name, version in found["versions"].items()),
        ("client", f"{found['client']}, the same program and settings for every broker"),
        ("command", f"`{found['command']}` ({found['minutes']} minutes)"),
        ("rounds", f"{found['rounds']}, alternating; figures are median (lowest–highest)"),
        *_latency_rows(found.get("latency")),
        *steadiness_rows(found, f", {summary.noise():.2f} cores used by kernel threads and "
                                "others"),
    ]
    return "### The run\n\n" + table(("", ""), rows)


def _latency_rows(again):
    """The facts of the measurement from which the latency is, if that is another one."""
    if again is None:
        return []
    versions = "; ".join(again["versions"].values())
    return [("light and half load", f"measured again, {again['date']}, with {versions}: "
                                    f"`{again['command']}` ({again['minutes']} minutes), "
                                    f"{again['rounds']} rounds")]


def _targets(summary):
    rows = [(target.goal, target.fsync, target.figure or _NONE, target.verdict,
             target.limit or _NONE) for target in targets.judge(summary)]
    return "### Targets\n\n" + table(
        ("target", "fsync", "figure", "verdict", "what limits it"), rows)


def describe(settings):
    """A produce case in words."""
    if not settings:
        return ""
    words = [f"{_size(settings['message_bytes'])}", f"{settings['partitions']:,} partitions"
             if settings["partitions"] != 1 else "1 partition",
             f"batch {_size(settings['batch_bytes'])}"]
    if settings["producers"] != 1:
        words.append(f"{settings['producers']} producers")
    if settings["idempotent"]:
        words.append("idempotent")
    if settings["stick_bytes"] < settings["message_bytes"]:
        words.append("spread record by record")
    return ", ".join(words + [f"{settings['in_flight']} in flight"])


def _size(count):
    if count % 1024 == 0:
        return f"{count // 1024} KiB"
    return f"{count / 1e6:g} MB" if count >= 1_000_000 else f"{count} B"


def _fsyncs(summary):
    return sorted({record["fsync"] for record in summary.found["records"]} - {"none"},
                  key=lambda name: ("never", "always").index(name))


def _produce(summary):
    rows = []
    for fsync in _fsyncs(summary):
        for case in summary.cases("produce"):
            ours, theirs = (summary.throughput(peer, fsync, case) for peer in ("magpie", "kafka"))
            if not (ours or theirs):
                continue
            cpu, their_cpu = (summary.broker_cpu(peer, fsync, case) for peer in ("magpie", "kafka"))
            rate = summary.get("magpie", fsync, "produce", case, "messages_per_second")
            rows.append((case, describe(summary.settings(case)), fsync, _value(ours),
                         _value(theirs), _ratio(ours, theirs),
                         _value(summary.throughput("ceiling", "none", case)),
                         f"{rate.median:,.0f}" if rate else _NONE,
                         _value(cpu), _value(their_cpu), _ratio(cpu, their_cpu)))
    return "### Producing, acks=all\n\n" + table(
        ("case", "settings", "fsync", "Magpie MB/s", "Kafka MB/s", "ratio", "mock broker MB/s",
         "Magpie messages/s", "Magpie CPU-s/GB", "Kafka CPU-s/GB", "ratio"), rows)


def _consume(summary):
    names = {"cold": "from the disk", "cached": "from the page cache"}
    rows = []
    for case in summary.cases("consume"):
        ours, theirs = (summary.throughput(peer, "never", case, "consume")
                        for peer in ("magpie", "kafka"))
        cpu, their_cpu = (summary.broker_cpu(peer, "never", case, "consume")
                          for peer in ("magpie", "kafka"))
        rows.append((f"16 partitions of 1 KiB records, {names.get(case, case)}", "never",
                     _value(ours), _value(theirs), _ratio(ours, theirs), _value(cpu),
                     _value(their_cpu), _ratio(cpu, their_cpu)))
    return "### Consuming from the beginning\n\n" + table(
        ("case", "fsync", "Magpie MB/s", "Kafka MB/s", "ratio", "Magpie CPU-s/GB",
         "Kafka CPU-s/GB", "ratio"), rows)


def _follow(summary):
    rows = []
    for fsync in _fsyncs(summary):
        for case in (cases.LIGHT.name, cases.HALF.name, cases.PEAK.name):
            for peer in summary.peers():
                rate = summary.get(peer, fsync, "follow", case, "messages_per_second")
                if not rate:
                    continue
                percentiles = [_value(summary.latency(peer, fsync, case, percentile))
                               for percentile in ("p50", "p99", "p99_9", "max")]
                rows.append((_FOLLOW[case], fsync, _LABELS[peer], f"{rate.median:,.0f}",
                             *percentiles, _value(summary.broker_cpu(peer, fsync, case, "follow"))))
    return ("### End to end: produced, acknowledged, consumed at the tail\n\n"
            "1 KiB records, 16 partitions, one producer, one consumer, milliseconds from the "
            "intended time of sending.\n\n" + table(
                ("load", "fsync", "broker", "messages/s", "p50", "p99", "p99.9", "max",
                 "CPU-s/GB"), rows))


_FOLLOW = {cases.LIGHT.name: "light", cases.HALF.name: "half of the slower peak",
           cases.PEAK.name: "as much as goes through"}


def _memory(summary):
    case = f"p{cases.START_PARTITIONS}"
    rows = []
    for peer in summary.peers():
        def idle(name, figure, peer=peer):
            return _value(summary.get(peer, "always", "idle", name, figure), 1 / 2**20)
        loaded = summary.highest(peer, "broker_resident_bytes")
        rows.append((_LABELS[peer], "always",
                     _value(summary.get(peer, "always", "start", case, "accept_ms")),
                     _value(summary.get(peer, "always", "start", case, "ready_ms")),
                     idle("p0", "rss_bytes"), idle(case, "rss_bytes"), idle(case, "pss_bytes"),
                     f"{loaded / 2**20:.0f}" if loaded else _NONE))
    return (f"### Start and memory\n\nStart after a clean stop with {cases.START_PARTITIONS} "
            "partitions that hold records; ready means that every partition has a leader in the "
            "broker's metadata. Loaded is the highest resident size of any run, either policy.\n\n"
            + table(("broker", "fsync", "accepts, ms", "ready, ms", "at rest, new, MiB",
                      f"at rest, {cases.START_PARTITIONS} partitions, MiB", "the same as PSS, MiB",
                      "loaded, MiB"), rows))


def _failures(summary):
    rows = [(_LABELS[peer], fsync, kind, case or _NONE, why.replace("|", "/"))
            for peer, fsync, kind, case, why in summary.failures()]
    if not rows:
        return ""
    return "### Runs that failed\n\n" + table(("broker", "fsync", "kind", "case", "why"), rows)


def charts(summary):
    """Name -> Chart of every plot."""
    return {
        "produce-1k": _produce_chart(summary, "1k", "Producing records of 1 KiB, acks=all"),
        "produce-100b": _produce_chart(summary, "100b", "Producing records of 100 B, acks=all"),
        "latency": _latency_chart(summary),
        "processor": _processor_chart(summary),
    }


def _produce_chart(summary, prefix, title):
    groups, values = [], [[], [], []]
    for fsync in _fsyncs(summary):
        for partitions in (1, 16, 100, 1000):
            case = f"{prefix}-p{partitions}"
            groups.append(f"{partitions:,} part.\nfsync {fsync}")
            for row, peer in enumerate(("magpie", "kafka", "ceiling")):
                policy = "none" if peer == "ceiling" else fsync
                values[row].append(summary.throughput(peer, policy, case))
    return chart.Chart(title, "MB/s of payload, more is better", groups,
                       ["Magpie", "Kafka", "mock broker"], values)


def _latency_chart(summary):
    groups, values = [], [[], []]
    for fsync in _fsyncs(summary):
        for case, word in ((cases.LIGHT.name, "light"), (cases.HALF.name, "half peak")):
            for percentile in ("p50", "p99", "p99_9"):
                groups.append(f"{percentile.replace('_', '.')}\n{word}\n{fsync}")
                for row, peer in enumerate(("magpie", "kafka")):
                    values[row].append(summary.latency(peer, fsync, case, percentile))
    return chart.Chart("End-to-end latency", "milliseconds, logarithmic, less is better; last "
                       "line: fsync", groups,
                       ["Magpie", "Kafka"], values, logarithmic=True)


_PROCESSOR = (("produce", "1k-p16", "produce\n1 KiB"), ("produce", "100b-p16", "produce\n100 B"),
              ("produce", "1k-p16-batch16k", "batch\n16 KiB"),
              ("consume", "cached", "consume\ncached"), ("consume", "cold", "consume\ncold"))


def _processor_chart(summary):
    groups, values = [], [[], []]
    for fsync in _fsyncs(summary):
        for kind, case, words in _PROCESSOR:
            found = [summary.broker_cpu(peer, fsync, case, kind) for peer in ("magpie", "kafka")]
            if any(found):
                groups.append(f"{words}\n{fsync}")
                for row, spread in enumerate(found):
                    values[row].append(spread)
    unit = "CPU seconds per GB of payload, logarithmic, less is better; last line: fsync"
    return chart.Chart("Processor time of the broker", unit, groups, ["Magpie", "Kafka"], values,
                       logarithmic=True)
