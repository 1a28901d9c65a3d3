"""Line charts as SVG, of {name: [(x, y), ...]}: axes, ticks, a line and a label for each name."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 800, 440, 80, 200, 40, 50
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d4f9e", "#b08900", "#444444")


class Axis:
    """Maps values to 0..1. A logarithmic one starts at the least value over 0."""

    def __init__(self, values, log, falling=False):
        self.log, self.falling = log, falling
        if log:
            values = [value for value in values if value > 0] or [1]
        self.low = min(values) if log else 0
        self.high = max(values)
        if self.low == self.high:
            self.high = self.low * 2 or 1

    def share(self, value):
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return 1 - share if self.falling else share

    def ticks(self):
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0 ** power for power in range(first, last + 1)]
        step = 10 ** math.floor(math.log10(self.high / 2))
        step *= next(factor for factor in (1, 2, 5, 10) if self.high / (step * factor) <= 6)
        return [step * i for i in range(int(self.high / step) + 1)]


def _text(x, y, text, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(text)}</text>'


def chart(title, series, x_label, y_label, log_x=False, log_y=False, falling_x=False):
    points = [point for line in series.values() for point in line] or [(0, 1)]
    xs, ys = Axis([x for x, _ in points], log_x, falling_x), Axis([y for _, y in points], log_y)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x, y):
        return LEFT + xs.share(x) * (right - LEFT), bottom - ys.share(y) * (bottom - TOP)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
             _text(LEFT, 24, title, "start", 'font-size="16"'),
             _text((LEFT + right) / 2, HEIGHT - 12, x_label), _text(8, TOP - 4, y_label, "start")]
    for tick in xs.ticks():
        x, _ = place(tick, ys.low)
        parts += [f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#ddd"/>', _text(x, bottom + 18, f"{tick:g}")]
    for tick in ys.ticks():
        _, y = place(xs.low, tick)
        parts += [f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>', _text(LEFT - 6, y + 4, f"{tick:g}", "end")]
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts += [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
                  _text(right + 12, TOP + 16 + 20 * i, name, "start", f'fill="{colour}"')]
    return "\n".join(parts) + "\n</svg>\n"
