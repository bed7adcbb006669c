"""Shows what the suites found, keeps it in build/clients/results.json, writes the page about it."""

import json

import paths
from suite import FAILED, NOT_APPLICABLE, PASSED

_STORE = paths.CACHE / "results.json"
_PAGE = paths.REPOSITORY / "docs" / "compatibility.md"


class SuiteReport:
    """The results of one suite, or the reason it was skipped."""

    def __init__(self, suite, results, preparing, running, skipped=""):
        self.name = suite.name
        self.title = suite.title
        self.results = results
        self.preparing = preparing
        self.running = running
        self.skipped = skipped

    def of(self, status):
        """Results with that status."""
        return [result for result in self.results if result.status == status]

    def show(self):
        """Prints the three lists."""
        if self.skipped:
            print(f"-- {self.name}: skipped: {self.skipped}")
            return
        print(f"-- {self.name}: prepared in {self.preparing:.0f} s, ran {self.running:.0f} s")
        passed = self.of(PASSED)
        print(f"   passed ({len(passed)}): {' '.join(result.test for result in passed)}")
        for status in (FAILED, NOT_APPLICABLE):
            found = self.of(status)
            print(f"   {status} ({len(found)}){':' if found else ''}")
            for result in found:
                print(f"     {result.test}: {result.reason}")


def save(reports, broker):
    """Merges the reports of this run into results.json."""
    known = json.loads(_STORE.read_text()) if _STORE.exists() else {}
    for item in reports:
        known.setdefault(broker if ":" not in broker else "external", {})[item.name] = {
            "title": item.title, "skipped": item.skipped, "preparing": round(item.preparing),
            "running": round(item.running),
            "results": [result._asdict() for result in item.results]}
    _STORE.parent.mkdir(parents=True, exist_ok=True)
    _STORE.write_text(json.dumps(known, indent=1))


def finish(reports):
    """Prints the last line; returns the exit code."""
    passed = sum(len(item.of(PASSED)) for item in reports)
    failed = sum(len(item.of(FAILED)) for item in reports)
    beside = sum(len(item.of(NOT_APPLICABLE)) for item in reports)
    skipped = [item for item in reports if item.skipped]
    print("\nAll suites:")
    for item in reports:
        counts = (f"skipped: {item.skipped}" if item.skipped else
                  f"{len(item.of(PASSED))} passed, {len(item.of(FAILED))} failed, "
                  f"{len(item.of(NOT_APPLICABLE))} not applicable, "
                  f"{item.preparing + item.running:.0f} s")
        print(f"  {item.name}: {counts}")
    for item in reports:
        for result in item.of(FAILED):
            print(f"FAILED {item.name} {result.test}")
        if item.skipped:
            print(f"SKIPPED {item.name}: {item.skipped}")
    print(f"{beside} tests do not apply to this broker (reasons above)")
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed else 0


def write_docs():
    """Renews docs/compatibility.md from the stored results of Magpie, with Kafka's beside them."""
    known = json.loads(_STORE.read_text()) if _STORE.exists() else {}
    ours, reference = known.get("magpie", {}), known.get("kafka", {})
    text = [_INTRODUCTION, "| suite | passed | failed | not applicable | Apache Kafka "
            f"{paths.VERSIONS['kafka']} in the same run |", "|---|---|---|---|---|"]
    for name in {**ours, **reference}:
        text.append(f"| [{name}](#{name}) | {_counts(ours.get(name))} | "
                    f"{_counts(reference.get(name), ' / ')} |")
    for name, entry in ours.items():
        text += ["", f"## {name}", "", entry["title"] + ".", ""]
        if entry["skipped"]:
            text.append(f"Skipped: {entry['skipped']}")
            continue
        passed = [item["test"] for item in entry["results"] if item["status"] == PASSED]
        text += ["Passed: " + ", ".join(f"`{test}`" for test in passed) + "."]
        for status, head in ((FAILED, "Failed"), (NOT_APPLICABLE, "Not applicable")):
            rows = [item for item in entry["results"] if item["status"] == status]
            if rows:
                text += ["", f"| {head} | reason |", "|---|---|"]
                text += [f"| `{item['test']}` | {_cell(item['reason'])} |" for item in rows]
    _PAGE.write_text("\n".join(text) + "\n")


_INTRODUCTION = """# Compatibility with Kafka clients

What unmodified clients find when they talk to one Magpie node. `make test-clients` runs these
suites and `test/clients/run.py --write-docs` writes this page from what they reported; nothing here
is written by hand. The last column is the same run against Apache Kafka as the reference: passed /
failed / not applicable.
"""


def _counts(entry, between=" | "):
    if entry is None:
        return between.join(["not run"] + ["-"] * 2)
    if entry["skipped"]:
        return between.join(["skipped"] + ["-"] * 2)
    return between.join(str(sum(item["status"] == status for item in entry["results"]))
                        for status in (PASSED, FAILED, NOT_APPLICABLE))


def _cell(text):
    return text.replace("|", "\\|").replace("\n", " ")[:200]
