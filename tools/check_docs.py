#!/usr/bin/env python3
"""Documents that speak about the code say what the code says.

- ARCHITECTURE.md names exactly the folders of src/LAYERS, in the rows of its table of folders.
- Every `make target` in a document exists in the Makefile.
- README.zh-CN.md has the sections and the commands of README.md.
- Links to files of this repository lead somewhere, and every page under docs/ is linked to.
- docs/operations/log-codes.md, once there, lists exactly the codes that the sources log.
- docs/protocol-pitfalls.md, once there, has every number once, and the tests it names exist.
- docs/operations/limits.md, once there, names a test for every limit, and the default that
  docs/operations/configuration.md has.
- No file names the machine it was written on.
"""

import re
from pathlib import Path

import cpp_text
import house

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
MAKE_CALL = re.compile(r"(?:^|[`\s(])make ([a-z][a-z-]*)(?=[`\s.,;:)]|$)")
FOLDER_ROW = re.compile(r"^\|\s*L(\d+)\s*\|\s*`(\w+)`\s*\|", re.MULTILINE)
# A severity and a code stand side by side wherever something is logged; closing a connection for a
# bad request has its own helper.
LOG_CODE = re.compile(r'\bSeverity::k\w+,\s*"([^"]+)"|\bclose\(broker, [^;"]*"([a-z_.]+)"')
LOG_CODE_ROW = re.compile(r"^\|\s*`([^`]+)`\s*\|", re.MULTILINE)
LOG_CODES = "docs/operations/log-codes.md"
PITFALL_ROW = re.compile(r"^\| (\d+) \|(.*)\|(.*)\|$", re.MULTILINE)
PITFALLS = "docs/protocol-pitfalls.md"
LIMITS = "docs/operations/limits.md"
CONFIGURATION = "docs/operations/configuration.md"
# Limit, setting, default, behaviour, tests.
LIMIT_ROW = re.compile(r"^\| ([^|]+?) \| ?([^|]*?) \| ?([^|]*?) \| [^|]+ \| ?([^|]*?) \|$",
                       re.MULTILINE)
SETTING_ROW = re.compile(r"^\| `([a-z_.]+)` \| `([^`]+)` \|", re.MULTILINE)
PITFALLS_COUNT = 56
TEST_DEFINITION = re.compile(
    r"\b(?:TYPED_TEST|TEST|RC_GTEST)(?:_F|_P|_PROP|_FIXTURE_PROP)?\(\s*(\w+),\s*(\w+)")

# Spelled in pieces, so that this file passes its own test.
MACHINE_NAMES = re.compile(
    r"(?<![\w.$}/-])/(?:work/|root/|home/\w|tmp/(?!magpie))|" +
    "|".join(("registry" r"\.npmjs\.org", "repo1?" r"\.maven\.", "proxy" r"\.golang\.org",
              "files" r"\.pythonhosted\.org", "pypi" r"\.org", r"\bsub" r"agents?\b",
              r"\bthis " r"session\b")), re.IGNORECASE)
TEXT_SUFFIXES = (".md", ".h", ".cc", ".py", ".sh", ".cmake", ".txt", ".json", ".yaml", ".toml",
                 ".js", ".go", ".java", ".service", "")


def documents(tree: house.Tree) -> list[Path]:
    return tree.files(".md")


def folder_problems(tree: house.Tree) -> list[str]:
    path = tree.source / "ARCHITECTURE.md"
    if not path.exists():
        return ["ARCHITECTURE.md: missing"]
    listed = {(int(level), folder) for level, folder in FOLDER_ROW.findall(house.read(path))}
    real = {(layer.number, folder) for layer in tree.layers() for folder in layer.folders}
    problems = [f"ARCHITECTURE.md: src/{folder} (L{level}) of src/LAYERS is not in the table"
                for level, folder in sorted(real - listed)]
    problems += [f"ARCHITECTURE.md: the table has `{folder}` in L{level}, src/LAYERS does not"
                 for level, folder in sorted(listed - real)]
    return problems


def code_of(text: str) -> str:
    """The parts of a document that are code: fenced blocks and inline spans."""
    blocks = FENCE.findall(text)
    return "\n".join(blocks + re.findall(r"`[^`\n]+`", FENCE.sub("", text)))


def make_problems(tree: house.Tree) -> list[str]:
    makefile = house.read(tree.source / "Makefile")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    return [f"{tree.name(path)}: `make {target}` is not a target of the Makefile"
            for path in documents(tree)
            for target in sorted(set(MAKE_CALL.findall(code_of(house.read(path)))) - targets)]


def commands_of(text: str) -> list[str]:
    """The command lines of a document's shell blocks, without comments."""
    lines = [re.sub(r"\s+#.*", "", line).strip()
             for block in re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, re.M | re.S)
             for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def headings_of(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]


def translation_problems(tree: house.Tree) -> list[str]:
    problems = []
    names = ("README.md", "README.zh-CN.md")
    for name in names:
        if not (tree.source / name).exists():
            return [f"{name}: missing"]
    english, chinese = (house.read(tree.source / name) for name in names)
    if headings_of(english) != headings_of(chinese):
        problems.append(f"README.zh-CN.md: headings {headings_of(chinese)} differ from those of "
                        f"README.md {headings_of(english)}")
    ours, theirs = commands_of(english), commands_of(chinese)
    problems += [f"README.zh-CN.md: lacks the command: {line}" for line in ours
                 if line not in theirs]
    problems += [f"README.zh-CN.md: has a command README.md lacks: {line}" for line in theirs
                 if line not in ours]
    return problems


def link_problems(tree: house.Tree) -> list[str]:
    problems = []
    for path in documents(tree):
        for target in LINK.findall(FENCE.sub("", house.read(path))):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            if not (path.parent / target.split("#")[0]).exists():
                problems.append(f"{tree.name(path)}: the link to {target} leads nowhere")
    return problems


def lost_page_problems(tree: house.Tree) -> list[str]:
    linked = {(path.parent / target.split("#")[0]).resolve()
              for path in documents(tree)
              for target in LINK.findall(FENCE.sub("", house.read(path)))}
    return [f"{tree.name(path)}: no document links to this page; add it to docs/README.md or to "
            "the README.md beside it"
            for path in tree.files(".md", under="docs") if path.resolve() not in linked]


def log_code_problems(tree: house.Tree) -> list[str]:
    path = tree.source / LOG_CODES
    if not path.exists():
        return []
    listed = set(LOG_CODE_ROW.findall(house.read(path)))
    used: dict[str, str] = {}
    for file in tree.files(".h", ".cc", under="src"):
        if file.stem.endswith(("_test", "_fuzz")) or "sim" in file.parts:
            continue
        for codes in LOG_CODE.findall(cpp_text.without_comments(house.read(file))):
            used["".join(codes)] = tree.name(file)
    problems = [f"{LOG_CODES}: lacks `{code}`, logged in {used[code]}"
                for code in sorted(set(used) - listed)]
    problems += [f"{LOG_CODES}: `{code}` is logged nowhere in src/"
                 for code in sorted(listed - set(used))]
    return problems


def defined_tests(tree: house.Tree) -> set[str]:
    return {".".join(names) for file in tree.files(".h", ".cc", under="src")
            if file.stem.endswith(("_test", "_tests"))
            for names in TEST_DEFINITION.findall(cpp_text.without_comments(house.read(file)))}


def pitfall_problems(tree: house.Tree) -> list[str]:
    path = tree.source / PITFALLS
    if not path.exists():
        return []
    tests = defined_tests(tree)
    problems = []
    rows = PITFALL_ROW.findall(house.read(path))
    numbers = sorted(int(number) for number, _, _ in rows)
    if numbers != list(range(1, PITFALLS_COUNT + 1)):
        problems.append(f"{PITFALLS}: has the numbers {numbers}, not each of 1 to "
                        f"{PITFALLS_COUNT} once")
    for number, rule, held_by in rows:
        named = re.findall(r"`([^`]+)`", held_by)
        if not named and "*Later*" not in rule:
            problems.append(f"{PITFALLS}: no test holds number {number}")
        problems += [f"{PITFALLS}: number {number} names {name}, which is no test in src/"
                     for name in named if name not in tests]
    return problems


def limit_problems(tree: house.Tree) -> list[str]:
    path = tree.source / LIMITS
    if not path.exists():
        return []
    tests = defined_tests(tree)
    configuration = tree.source / CONFIGURATION
    settings = dict(SETTING_ROW.findall(house.read(configuration))) \
        if configuration.exists() else {}
    problems = []
    for limit, setting, default, shown_by in LIMIT_ROW.findall(house.read(path)):
        if limit == "limit" or limit.startswith("--"):
            continue
        name = setting.strip("`")
        if setting.startswith("`") and settings.get(name) != default.strip("`"):
            problems.append(f"{LIMITS}: {name} has the default {default}, {CONFIGURATION} says "
                            f"{settings.get(name)}")
        named = re.findall(r"`([^`]+)`", shown_by)
        if not named:
            problems.append(f"{LIMITS}: no test shows the limit '{limit}'")
        problems += [f"{LIMITS}: '{limit}' names {test}, which is no test in src/"
                     for test in named if test not in tests]
    return problems


def machine_problems(tree: house.Tree) -> list[str]:
    problems = []
    for path in tree.files(*TEXT_SUFFIXES):
        try:
            text = house.read(path)
        except UnicodeDecodeError:
            continue  # not a text
        for number, line in enumerate(text.splitlines(), 1):
            match = MACHINE_NAMES.search(line)
            if match:
                problems.append(f"{tree.name(path)}:{number}: '{match.group()}' does not belong "
                                "in the repository")
    return problems


def check(tree: house.Tree) -> list[str]:
    rules = (folder_problems, make_problems, translation_problems, link_problems,
             lost_page_problems, log_code_problems, pitfall_problems, limit_problems,
             machine_problems)
    return [problem for rule in rules for problem in rule(tree)]


if __name__ == "__main__":
    house.main(check)
