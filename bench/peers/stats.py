"""What is said of a row: medians, intervals of paired ratios, verdicts."""
import math
import statistics


def interval(values):
    """An interval that holds the median of what values were drawn from with 90 % or more, where there are 5 values or
    more; below that their range, which holds it with less. By order statistics: no shape of distribution is assumed."""
    values = sorted(values)
    count = len(values)
    cut = 0
    while 2 * (cut + 1) < count:
        outside = 2 * sum(math.comb(count, k) for k in range(cut + 2)) / 2 ** count
        if outside > 0.1:
            break
        cut += 1
    return values[cut], values[count - 1 - cut]


def ratios(ours, theirs):
    """Of what was measured in the same round."""
    return [a / b for a, b in zip(ours, theirs) if b > 0]


class Verdict:
    """A list of measured values (ratios, or plain figures) held against a goal that they may not exceed, or with
    at_least fall short of. It passes when their interval reaches the goal."""

    def __init__(self, values, goal, at_least=False):
        self.values, self.goal, self.at_least = values, goal, at_least
        self.median = statistics.median(values)
        self.low, self.high = interval(values)

    @property
    def passed(self):
        return self.high >= self.goal if self.at_least else self.low <= self.goal

    @property
    def missed_by(self):
        """How far the median is from the goal, as a share of the goal; 0 where it is not."""
        gap = self.goal - self.median if self.at_least else self.median - self.goal
        return max(0.0, gap / self.goal) if self.goal else max(0.0, gap)

    def text(self):
        if self.passed:
            return "pass" if self.missed_by == 0 else "pass, within the spread"
        return f"short by {self.missed_by:.0%}" if self.goal else f"short by {self.missed_by:.2f}"
