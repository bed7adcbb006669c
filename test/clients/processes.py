"""Start, watch and end child processes; nothing outlives the harness.

Every child is started in its own process group and asks the kernel to be killed when the harness
dies, so an interrupted run leaves no broker and no client behind. Only processes started here are
ever signalled, by the id they were given.
"""

import ctypes
import os
import signal
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def _in_child():
    os.setsid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, log_path, cwd=None, env=None, stdin=None):
    """Starts `command` in a process group of its own, output appended to `log_path`."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with open(log_path, "ab") as log:
        return subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=env,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=log, stderr=subprocess.STDOUT, preexec_fn=_in_child)


def stop(process, patience=15.0):
    """Asks with SIGTERM, insists with SIGKILL after `patience` seconds. True if asking did it."""
    if process.poll() is not None:
        return True
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(patience)
        return True
    except subprocess.TimeoutExpired:
        kill(process)
        return False


def kill(process):
    """Ends a process group that was started here, at once."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Finished:
    """What a command left behind: exit code (None after a timeout), output, seconds taken."""

    def __init__(self, code, output, seconds):
        self.code = code
        self.output = output
        self.seconds = seconds

    @property
    def ok(self):
        return self.code == 0

    @property
    def timed_out(self):
        return self.code is None

    def tail(self, lines=6):
        """The last lines that say something, for a one-line cause."""
        kept = [line.strip() for line in self.output.splitlines() if line.strip()]
        return " | ".join(kept[-lines:])[-600:]


def run(command, timeout, cwd=None, env=None, text_in=None):
    """Runs `command` to its end or kills its group after `timeout` seconds.

    `text_in` is given on standard input (str or bytes). The output is both streams together.
    """
    begin = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env=env,
        stdin=subprocess.DEVNULL if text_in is None else subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_in_child)
    data = text_in.encode() if isinstance(text_in, str) else text_in
    code = None
    try:
        output, _ = process.communicate(data, timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        kill(process)
        output, _ = process.communicate()
    except BaseException:
        kill(process)
        raise
    return Finished(code, output.decode(errors="replace"), time.monotonic() - begin)
