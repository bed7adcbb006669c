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


def results(outcomes, given):
    failed = [outcome for outcome in outcomes if outcome.problems]
    seeds = [outcome.seed for outcome in outcomes]
    text = [f"{len(outcomes)} rounds, seeds {min(seeds)} to {max(seeds)}, store: {given.store}, "
            f"build: {given.build.name}. {len(outcomes) - len(failed)} held every claim.", "",
            *table(outcomes), "", *stall_table(outcomes)]
    if failed:
        text += ["", "Rounds that did not:", ""]
        text += [f"- seed {outcome.seed} ({', '.join(outcome.steps)}): {outcome.problems[0][:200]}"
                 for outcome in failed]
    return text


def write(path, outcomes, given):
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    middle = "\n".join(results(outcomes, given)) if outcomes else "No run has been recorded yet."
    path.write_text(f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}", encoding="utf-8")
