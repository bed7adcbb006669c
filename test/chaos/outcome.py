"""What became of a round, and how it is kept as a line of JSON."""

import json
from dataclasses import dataclass, field


@dataclass
class Figures:
    """One topic of one round."""

    acknowledged: int = 0
    lost: int = 0
    repeated: int = 0
    read_again: int = 0
    longest_stall_ms: int = 0
    stalls: dict = field(default_factory=dict)  # by step: longest gap that touches it


@dataclass
class Outcome:
    seed: int
    steps: list
    store: str
    clients: dict  # {topic: {"producer": kind, "consumer": kind}}
    seconds: float = 0.0
    problems: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)  # by failover group
    happened: list = field(default_factory=list)
    without_store: int = 0  # times in which nothing but the control store was away: judged

    def line(self):
        return json.dumps(self, default=vars)

    def save(self, path):
        _write(path, self.line())


def read(text):
    """The outcome of a line; what else the line says is left out."""
    said = json.loads(text)
    fields = Outcome.__dataclass_fields__
    outcome = Outcome(**{name: value for name, value in said.items() if name in fields})
    outcome.figures = {group: Figures(**figures) for group, figures in outcome.figures.items()}
    return outcome


def _write(path, text):
    """Whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.rename(path)


def _whole_lines(path):
    return path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]


class Results:
    """A file of many rounds, one line each; the first says what they have in common.

    A run that was interrupted goes on with it, and is refused the file of another kind of run. A
    line that it did not write to its end is no round; it is removed.
    """

    def __init__(self, path, about, resume):
        """ValueError: the file's rounds are of another kind than `about`."""
        self.path, self.outcomes = path, []
        if path is None:
            return
        lines = _whole_lines(path) if resume and path.exists() else []
        if lines and json.loads(lines[0]) != about:
            raise ValueError(f"{path} has rounds of another kind: {lines[0]}; these would be "
                             f"{json.dumps(about)}. Remove it, or leave --resume out")
        self.outcomes = [read(line) for line in lines[1:]]
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, "\n".join([*(lines or [json.dumps(about)]), ""]))

    def add(self, outcome):
        self.outcomes.append(outcome)
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(outcome.line() + "\n")

    def seeds(self):
        return {outcome.seed for outcome in self.outcomes}
