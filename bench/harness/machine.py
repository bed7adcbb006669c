"""The machine: what it is, what it can do right now, and bringing it into a known state."""

import mmap
import os
import pathlib
import platform
import statistics
import time

_MEGABYTE = 1_000_000
_TOUCH_BYTES = 2**28
_SPARE_BYTES = 2**30


def _first_line_with(path, start):
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(start):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def _memory(field):
    text = _first_line_with("/proc/meminfo", field)
    return int(text.split()[0]) * 1024 if text != "unknown" else 0


def filesystem_of(path):
    """Type of the file system that holds `path`, by the longest matching mount point."""
    real = os.path.realpath(path)
    best, kind = "", "unknown"
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, mount, found = line.split()[:3]
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def describe(data):
    """Facts about the machine that a reader needs to judge the figures; `data` is the data root."""
    return {
        "processor": _first_line_with("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": _memory("MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": _distribution(),
        "file_system": filesystem_of(data),
    }


def _distribution():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


class Busy:
    """Processor time of the whole machine in seconds, from /proc/stat."""

    def __init__(self):
        names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        ticks = os.sysconf("SC_CLK_TCK")
        times = {name: int(field) / ticks for name, field in zip(names, fields)}
        self.busy = sum(times[n] for n in ("user", "nice", "system", "irq", "softirq"))
        self.steal = times["steal"]
        self.waiting = times["iowait"]
        self.at = time.monotonic()


def touch_memory(budget=None):
    """Uses free memory once, so that the first use of a page is not part of any figure.

    In a virtual machine the first touch of a page goes to the host and costs many times what a
    later one does; page cache for a log of gigabytes would meet it all the time. Returns the number
    of bytes touched. `budget` defaults to nearly all memory that nothing uses.
    """
    if budget is None:
        budget = max(_memory("MemFree") - _SPARE_BYTES, 0)
    budget = min(budget, max(_memory("MemAvailable") - _SPARE_BYTES, 0))
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    held = [mmap.mmap(-1, _TOUCH_BYTES, flags=flags) for _ in range(budget // _TOUCH_BYTES)]
    for piece in held:
        piece.close()
    return len(held) * _TOUCH_BYTES


def calibrate(directory):
    """What the disk and the processor do right now; tells a noisy hour from a quiet one."""
    path = pathlib.Path(directory) / "calibrate"
    try:
        with open(path, "wb", buffering=0) as file:
            block = bytes(_MEGABYTE)
            begin = time.perf_counter()
            for _ in range(256):
                file.write(block)
            write = 256 * _MEGABYTE / (time.perf_counter() - begin)
            os.fdatasync(file.fileno())
            syncs = [timed_sync(file, block[:16_384]) for _ in range(100)]
    finally:
        path.unlink(missing_ok=True)
    begin = time.perf_counter()
    sum(range(3_000_000))
    spin = time.perf_counter() - begin
    return {
        "page_cache_write_megabytes_per_second": round(write / _MEGABYTE),
        "fdatasync_16k_p50_ms": round(statistics.median(syncs) * 1e3, 3),
        "fdatasync_16k_max_ms": round(max(syncs) * 1e3, 3),
        "spin_ms": round(spin * 1e3, 1),
    }


def timed_sync(file, block):
    """Seconds that appending `block` takes until it is on the disk."""
    begin = time.perf_counter()
    file.write(block)
    os.fdatasync(file.fileno())
    return time.perf_counter() - begin


def _files_below(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(folder, name)


def drop_from_page_cache(directory):
    """Writes back every file below `directory` and asks the kernel to forget its pages."""
    for path in _files_below(directory):
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue  # deleted meanwhile
        try:
            os.fdatasync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def disk_usage(directory):
    """Bytes that the files below `directory` occupy on disk."""
    total = 0
    for path in _files_below(directory):
        try:
            total += os.stat(path).st_blocks * 512
        except OSError:
            pass
    return total


def memory_of(pid):
    """Resident (RSS), proportional (PSS) and anonymous bytes of a process."""
    figures = {}
    try:
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return figures
    for line in rollup.splitlines()[1:]:
        name, rest = line.split(":", 1)
        if name in ("Rss", "Pss", "Anonymous"):
            figures[f"{name.lower()}_bytes"] = int(rest.split()[0]) * 1024
    return figures
