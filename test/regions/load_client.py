"""One load client, which writes down what it was promised and saw: magpie-load, or its like on
another client library (test/chaos/clients.py)."""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
import processes  # noqa: E402


class LoadClient:
    """Its lines are kept in a file; see test/load/load.h. `program` is one, or a command line."""

    def __init__(self, program, folder, mode, bootstrap, topic, *arguments):
        command = program if isinstance(program, list) else [program]
        self.lines_file = folder / f"{topic}.{mode}.lines"
        self.errors_file = folder / f"{topic}.{mode}.errors"
        with open(self.lines_file, "wb") as lines, open(self.errors_file, "wb") as errors:
            self.process = subprocess.Popen(
                [*command, mode, bootstrap, topic, *arguments], stdin=subprocess.PIPE,
                stdout=lines, stderr=errors, preexec_fn=processes._in_child)

    def count(self):
        return self.lines_file.read_bytes().count(b"\n")

    def finish(self, seconds=90):
        """Closes its input and waits for its end. Returns why it ended badly, or nothing."""
        self.process.stdin.close()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return "did not end"
        if code == 0:
            return ""
        return (self.errors_file.read_text().strip().splitlines() or [f"exit code {code}"])[-1]

    def kill(self):
        if self.process.poll() is None:
            processes.kill(self.process)

    def events(self, word):
        """(milliseconds, partition, number, offset) of every line that begins with `word`."""
        found = []
        for line in self.lines_file.read_text().splitlines():
            fields = line.split(" ")
            if fields[0] == word and len(fields) == 5 and fields[4].lstrip("-").isdigit():
                found.append(tuple(int(field) for field in fields[1:]))
        return found

    def events_of_any(self, word):
        """The same lines as text, also those whose last field is no number."""
        return [line for line in self.lines_file.read_text().splitlines()
                if line.startswith(word + " ")]

    def wait_for_more(self, count, seconds=60):
        """Waits for `count` more lines; the seconds it took, or nothing if they did not come."""
        begin, before = time.monotonic(), self.count()
        while self.count() < before + count:
            if self.process.poll() is not None or time.monotonic() > begin + seconds:
                return None
            time.sleep(0.02)
        return time.monotonic() - begin
