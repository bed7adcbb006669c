"""The results of many rounds, as tables of docs/chaos.md."""

BEGIN = "<!-- chaos: begin (written by test/chaos/run.py, do not edit) -->"
END = "<!-- chaos: end -->"


def _share(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def table(outcomes):
    """By failover group: what was promised and what became of it."""
    lines = ["| group | rounds | acknowledged | lost | stored twice | read again | longest stall |",
             "|---|---|---|---|---|---|---|"]
    for group in ("critical", "standard", "bulk"):
        figures = [outcome.figures[group] for outcome in outcomes if group in outcome.figures]
        lines.append(f"| {group} | {len(figures)} | {sum(f.acknowledged for f in figures):,} | "
                     f"{sum(f.lost for f in figures):,} | {sum(f.repeated for f in figures):,} | "
                     f"{sum(f.read_again for f in figures):,} | "
                     f"{max((f.longest_stall_ms for f in figures), default=0):,} ms |")
    return lines


def client_table(outcomes):
    """By client library, of the groups with a copy: what each was promised, and has read again."""
    found = {}
    for outcome in outcomes:
        for topic, group in (("payments", "critical"), ("orders", "standard")):
            if group not in outcome.figures:
                continue
            for part, kind in outcome.clients[topic].items():
                found.setdefault(kind, {"producer": [], "consumer": []})[part].append(
                    outcome.figures[group])
    lines = ["| client | as producer | acknowledged | lost | longest stall | as consumer group | "
             "read again |", "|---|---|---|---|---|---|---|"]
    for kind, parts in sorted(found.items()):
        produced, consumed = parts["producer"], parts["consumer"]
        lines.append(f"| {kind} | {len(produced)} | {sum(f.acknowledged for f in produced):,} | "
                     f"{sum(f.lost for f in produced):,} | "
                     f"{max((f.longest_stall_ms for f in produced), default=0):,} ms | "
                     f"{len(consumed)} | {sum(f.read_again for f in consumed):,} |")
    return lines


def stall_table(outcomes):
    """By fault: how long no acknowledgement came in the critical group."""
    stalls = {}
    for outcome in outcomes:
        if "critical" in outcome.figures:
            for kind, stall in outcome.figures["critical"].stalls.items():
                stalls.setdefault(kind, []).append(stall)
    lines = ["| fault | rounds | stall, median | stall, longest |", "|---|---|---|---|"]
    return lines + [f"| {kind} | {len(found)} | {_share(found, 0.5):,} ms | {max(found):,} ms |"
                    for kind, found in sorted(stalls.items())]


def results(outcomes, about):
    failed = [outcome for outcome in outcomes if outcome.problems]
    seeds = [outcome.seed for outcome in outcomes]
    of_etcd = sum(outcome.store == "etcd" for outcome in outcomes)
    text = [f"{len(outcomes)} rounds, seeds {min(seeds)} to {max(seeds)}; {of_etcd} with an etcd "
            f"of three sites, {len(outcomes) - of_etcd} with `magpie store`; revision "
            f"{about['revision']}, {about['build']} build, {about['parallel']} at a time, "
            f"{sum(outcome.seconds for outcome in outcomes) / len(outcomes):.0f} seconds each. "
            f"{len(outcomes) - len(failed)} held every claim. "
            f"{sum(outcome.without_store for outcome in outcomes)} times nothing but the control "
            "store was away.", "",
            *table(outcomes), "", "Clients, in `critical` and `standard`:", "",
            *client_table(outcomes), "", *stall_table(outcomes)]
    if failed:
        text += ["", "Rounds that did not:", ""]
        text += [f"- seed {outcome.seed} ({', '.join(outcome.steps)}; {outcome.store}): "
                 f"{outcome.problems[0][:200]}" for outcome in failed]
    return text


def write(path, outcomes, about):
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    middle = "\n".join(results(outcomes, about)) if outcomes else "No run has been recorded yet."
    path.write_text(f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}", encoding="utf-8")
