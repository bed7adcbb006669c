#!/usr/bin/env python3
"""Pure folders touch nothing but their arguments.

Two looks at every folder that src/LAYERS calls pure. At its library: which functions it calls from
outside, and whether it keeps data that can change. At its sources: what symbols do not show, such
as containers whose order differs between runs and floating point in decisions.

Exceptions stand in this file with their reason, or, where a line may say so itself, in a comment on
that line or the one above: `// lookup only` for an unordered container that is never iterated, and
`// measurement only` for floating point that no decision depends on.
"""

import re
import subprocess
from pathlib import Path

import cpp_text
import house

# What C code a pure library may call: memory, strings, aborting, what the compiler adds.
C_ALLOWED = re.compile(
    r"mem(cpy|move|set|cmp|chr|rchr|mem)|bcmp|str(len|nlen|cmp|ncmp|chr|rchr)"
    r"|malloc|calloc|realloc|free|abort"
    r"|__cxa_(?!atexit|thread_atexit|guard_)\w+|_Unwind_Resume|__gxx_personality_v0"
    r"|__stack_chk_fail|__dynamic_cast|__dso_handle|_GLOBAL_OFFSET_TABLE_|__libc_single_threaded"
    r"|__(u?div|u?mod)ti3|__popcountdi2")
# C++ code it may call, and what of that it may not.
CPP_ALLOWED = re.compile(
    r"magpie::|std::|__gnu_cxx::|tl::|fmt::|operator (new|delete)"
    r"|(vtable|typeinfo|VTT|typeinfo name|guard variable|non-virtual thunk|virtual thunk) (for|to)"
    r"|bool |void |int |char |unsigned |auto |decltype")
CPP_BANNED = re.compile(
    r"std::chrono::_V2|std::random_device|std::(this_)?thread|std::(\w+_)?mutex|std::\w*lock_guard"
    r"|std::condition_variable|std::(__)?future|std::promise|std::call_once|std::filesystem"
    r"|std::basic_[io]?fstream|std::basic_filebuf|std::(wide_)?w?c(out|err|in|log)\b"
    r"|std::ios_base::Init|std::locale::global|fmt::v\d+::(v?print|detail::print)")
# Data that can change. Constants with addresses in them live in .data.rel.ro.
MUTABLE_SECTION = re.compile(r"\.(data(?!\.rel\.ro|\.rel\.local\.DW\.ref)|bss|tdata|tbss)(\..*)?$")

JSON_NUMBERS = {"localeconv", "strtod", "strtof", "strtold", "strtoll", "strtoull", "snprintf",
                "__errno_location", "__isoc99_sscanf", "__assert_fail"}
# folder → object file, or "*" → what it may use all the same, with the reason.
EXCEPTIONS = {
    # A failed CHECK prints where and aborts.
    ("base", "check.cc.o"): {"stderr", "fprintf", "fflush", "fputs", "fwrite", "fputc"},
    # ISA-L's checksum instruction wrapper.
    ("base", "crc32c.cc.o"): {"crc32_iscsi"},
    # nlohmann-json reads and writes numbers through the C library.
    ("admin", "*"): JSON_NUMBERS,
    ("control", "*"): JSON_NUMBERS,
    ("store", "*"): JSON_NUMBERS,
    ("replication", "epoch_gate.cc.o"): JSON_NUMBERS,
    ("salvage", "tail.cc.o"): JSON_NUMBERS,
}
# Object files that may keep data that can change.
DATA_EXCEPTIONS = {
    # Which bug is switched on; only in builds with MAGPIE_PLANTED_BUGS.
    ("base", "planted_bug.cc.o"),
}
# Codecs: pure functions of memory, used where records must be looked into.
CODECS = {
    "record": re.compile(r"(ZSTD|LZ4F?)_\w+|snappy::.*|snappy_\w+|(deflate|inflate)\w*|crc32"),
}

BANNED_INCLUDES = {
    "atomic", "chrono", "condition_variable", "ctime", "fcntl.h", "filesystem", "fstream", "future",
    "iostream", "mutex", "netdb.h", "poll.h", "pthread.h", "random", "semaphore", "shared_mutex",
    "stop_token", "thread", "time.h", "unistd.h",
}
BANNED_INCLUDE_FOLDERS = ("sys/", "arpa/", "netinet/", "boost/asio", "boost/beast", "spdlog/")
# Tests may read their test data.
TEST_INCLUDES = {"fstream", "filesystem"}
INCLUDE_EXCEPTIONS = {
    # Reference counts: a disk worker may drop the last reference to a block.
    ("src/base/buffer.h", "atomic"), ("src/base/buffer.cc", "atomic"),
    # The simulator's program says how much faster than real time it ran.
    ("src/sim/main.cc", "chrono"),
}
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]+<([^>]+)>", re.MULTILINE)

# pattern, what is wrong with it, and the comment that allows it ("" for none)
BANNED_TEXT = (
    (re.compile(r"\bstd::unordered_\w+"),
     "the order of an unordered container differs between runs", "lookup only"),
    (re.compile(r"\b(?:double|float)\b"), "no floating point in decisions", "measurement only"),
    (re.compile(r"\bstd::\w+_distribution\b"), "results differ between standard libraries", ""),
    (re.compile(r"\bstd::(?:multi)?(?:map|set)<[^<>,]*\*\s*[,>]"),
     "ordering by address differs between runs", ""),
    (re.compile(r"\bu?intptr_t\b"), "addresses differ between runs", ""),
    (re.compile(r"\bthrow\b"), "errors are values (base/result.h)", ""),
    (re.compile(r"\bstd::hash<[^<>]*\*>"), "addresses differ between runs", ""),
    (re.compile(r"\b__(?:DATE|TIME|TIMESTAMP)__\b"), "a build must not depend on when it is made",
     ""),
)
# Files that carry the Kafka field type float64 or use a float nowhere near a decision.
FLOAT_ALLOWED = re.compile(r"src/base/byte_(reader|writer)(_test)?\.(h|cc)|src/wire/.*")


def run_nm(*arguments: str) -> str:
    return subprocess.run(["nm", *arguments], capture_output=True, text=True, check=True).stdout


def is_allowed_call(folder: str, member: str, symbol: str) -> bool:
    extra = EXCEPTIONS.get((folder, member), set()) | EXCEPTIONS.get((folder, "*"), set())
    if symbol in extra:
        return True
    codecs = CODECS.get(folder)
    if codecs is not None and codecs.match(symbol):
        return True
    if re.fullmatch(r"\w+", symbol):
        return bool(C_ALLOWED.fullmatch(symbol))
    return bool(CPP_ALLOWED.match(symbol)) and not CPP_BANNED.search(symbol)


def call_problems(folder: str, listing: str) -> list[str]:
    """Complaints about the output of `nm --undefined-only --demangle` for one library."""
    problems = []
    member = ""
    for line in listing.splitlines():
        if line.endswith(".o:"):
            member = line[:-1]
            continue
        kind, _, symbol = line.strip().partition(" ")
        if kind in ("U", "w", "v") and not is_allowed_call(folder, member, symbol):
            problems.append(f"{folder}/{member}: uses {symbol}")
    return problems


def data_problems(folder: str, listing: str) -> list[str]:
    """Complaints about the output of `nm --format=sysv --defined-only` for one library."""
    problems = []
    member = ""
    for line in listing.splitlines():
        from_archive = re.match(r"Symbols from .*\[(.*)\]:", line)
        if from_archive:
            member = from_archive.group(1)
        columns = line.rsplit("|", 6)
        if len(columns) == 7 and MUTABLE_SECTION.match(columns[6].strip()) \
                and (folder, member) not in DATA_EXCEPTIONS:
            problems.append(f"{folder}/{member}: keeps data that can change: {columns[0].strip()}; "
                            "use constexpr, or a member of a machine")
    return problems


def library_problems(tree: house.Tree, folder: str) -> list[str]:
    sources = [path for path in (tree.source / "src" / folder).glob("*.cc")
               if not path.stem.endswith(("_test", "_fuzz"))]
    if not sources or not (tree.source / "src" / folder / "CMakeLists.txt").exists():
        return []
    library = tree.build / "src" / folder / f"libmagpie_{folder}.a"
    if not library.exists():
        return [f"src/{folder}: {library.name} is not built; build everything first"]
    return (call_problems(folder, run_nm("--undefined-only", "--demangle", str(library))) +
            data_problems(folder, run_nm("--format=sysv", "--defined-only", "--demangle",
                                         str(library))))


def source_problems(name: str, text: str) -> list[str]:
    """Complaints about one source file of a pure folder, called `name` (src/…)."""
    problems = []
    lines = text.splitlines()
    is_test = Path(name).stem.endswith("_test")
    for match in INCLUDE.finditer(cpp_text.without_comments(text)):
        header = match.group(1)
        banned = header in BANNED_INCLUDES or header.startswith(BANNED_INCLUDE_FOLDERS)
        allowed = (name, header) in INCLUDE_EXCEPTIONS or (is_test and header in TEST_INCLUDES)
        if banned and not allowed:
            line = text.count("\n", 0, match.start()) + 1
            problems.append(f"{name}:{line}: <{header}> has no place in a pure folder")
    for number, line in enumerate(cpp_text.code_only(text).splitlines(), 1):
        for pattern, reason, marker in BANNED_TEXT:
            if not pattern.search(line) or (marker == "measurement only" and
                                            (FLOAT_ALLOWED.fullmatch(name) or is_test)):
                continue
            near = lines[max(0, number - 2):number]
            if not (marker and any(f"// {marker}" in text_line for text_line in near)):
                hint = f" (or say `// {marker}`)" if marker else ""
                problems.append(f"{name}:{number}: {pattern.search(line).group()}: {reason}{hint}")
    return problems


def is_sanitized(tree: house.Tree) -> bool:
    cache = tree.build / "CMakeCache.txt"
    return cache.exists() and bool(re.search(r"^MAGPIE_SANITIZE:\w+=.+", house.read(cache), re.M))


def check(tree: house.Tree) -> list[str]:
    problems = []
    for folder in tree.pure_folders():
        for file in tree.files(*house.CPP_SUFFIXES, under=f"src/{folder}"):
            problems += source_problems(tree.name(file), house.read(file))
    if is_sanitized(tree):
        if problems:
            return problems
        raise house.Skip("a sanitizer build adds calls and data of its own")
    for folder in tree.pure_folders():
        problems += library_problems(tree, folder)
    return problems


if __name__ == "__main__":
    house.main(check)
