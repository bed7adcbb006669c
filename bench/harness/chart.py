"""Bar charts as SVG, with the standard library alone.

One figure: groups of bars, one bar per series, a whisker from the lowest to the highest round. The
axis is linear from zero, or logarithmic where the values differ by orders of magnitude.
"""

import math
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_COLOURS = ("#2266cc", "#d07a2c", "#8a8f98", "#5b9a68")
_WIDTH = 860
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 16, 64, 62
_PLOT_HEIGHT = 260


@dataclass
class Chart:
    """`values[series][group]` is a summary.Spread, or None for a bar that does not exist."""

    title: str
    unit: str
    groups: list
    series: list
    values: list
    logarithmic: bool = False
    lines: list = field(default_factory=list)

    def svg(self):
        """The whole document; empty text when there is nothing to draw."""
        present = [spread for row in self.values for spread in row if spread]
        if not present:
            return ""
        scale = _Scale(present, self.logarithmic)
        self.lines = []
        self._frame(scale)
        self._legend()
        for index, group in enumerate(self.groups):
            self._group(index, group, scale)
        height = _TOP + _PLOT_HEIGHT + _BOTTOM
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
                f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="12">\n'
                f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
                + "\n".join(self.lines) + "\n</svg>\n")

    def _text(self, x, y, text, anchor="middle", size=12, colour="#24292f"):
        self.lines.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
                          f'font-size="{size}" fill="{colour}">{escape(text)}</text>')

    def _line(self, x1, y1, x2, y2, colour, width=1.0):
        self.lines.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"/>')

    def _frame(self, scale):
        self._text(_LEFT, 22, self.title, "start", 15)
        self._text(_LEFT, 42, self.unit, "start", 12, "#57606a")
        for tick in scale.ticks:
            y = _TOP + scale.place(tick)
            self._line(_LEFT, y, _WIDTH - _RIGHT, y, "#d8dee4")
            self._text(_LEFT - 8, y + 4, f"{tick:g}", "end", 11, "#57606a")

    def _legend(self):
        x = _WIDTH - _RIGHT
        for name, colour in reversed(list(zip(self.series, _COLOURS))):
            x -= 8 * len(name) + 30
            self.lines.append(f'<rect x="{x}" y="32" width="12" height="12" fill="{colour}"/>')
            self._text(x + 17, 42, name, "start")

    def _group(self, index, name, scale):
        width = (_WIDTH - _LEFT - _RIGHT) / len(self.groups)
        left = _LEFT + index * width
        present = [row for row in range(len(self.series)) if self.values[row][index]]
        bar = width * 0.8 / max(len(self.series), 1)
        start = left + (width - bar * len(present)) / 2
        for position, row in enumerate(present):
            self._bar(start + position * bar, bar * 0.9, self.values[row][index], row, scale)
        for number, part in enumerate(name.split("\n")):
            self._text(left + width / 2, _TOP + _PLOT_HEIGHT + 18 + 15 * number, part, size=11)

    def _bar(self, x, width, spread, row, scale):
        top, base = _TOP + scale.place(spread.median), _TOP + _PLOT_HEIGHT
        self.lines.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" '
                          f'height="{max(base - top, 0.5):.1f}" fill="{_COLOURS[row]}"/>')
        middle = x + width / 2
        highest = _TOP + scale.place(spread.high)
        self._line(middle, _TOP + scale.place(spread.low), middle, highest, "#24292f", 1.2)
        self._text(middle, min(top, highest) - 5, short(spread.median), size=9)


class _Scale:
    """From a value to pixels below the upper edge of the plot, and the values worth a line."""

    def __init__(self, present, logarithmic):
        highest = max(spread.high for spread in present) or 1.0
        self._logarithmic = logarithmic
        if logarithmic:
            lowest = min(spread.low for spread in present if spread.low > 0)
            self._from = math.floor(math.log10(lowest))
            self._to = max(math.ceil(math.log10(highest)), self._from + 1)
            self.ticks = [10.0 ** power for power in range(self._from, self._to + 1)]
        else:
            step = _round_step(highest / 5)
            self._from, self._to = 0.0, step * math.ceil(highest * 1.05 / step)
            self.ticks = [step * n for n in range(round(self._to / step) + 1)]

    def place(self, value):
        """Pixels from the upper edge; values beyond the axis stay on its edge."""
        if self._logarithmic:
            value = math.log10(value) if value > 0 else self._from
        share = (value - self._from) / (self._to - self._from)
        return _PLOT_HEIGHT * (1 - min(max(share, 0.0), 1.0))


def _round_step(rough):
    magnitude = 10.0 ** math.floor(math.log10(rough))
    return next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * 0.999)


def short(value):
    """A number with three digits that matter."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
