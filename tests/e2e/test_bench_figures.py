"""What the bench says of what it measured: intervals, verdicts, curves. No program runs here."""
import math
import os
import random
import statistics
import sys
import unittest
from xml.etree import ElementTree

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path[:0] = [BENCH, os.path.join(BENCH, "peers")]

from support import case
import plot
import stats


class Interval(unittest.TestCase):
    def test_few_values_give_their_range(self):
        self.assertEqual(stats.interval([3]), (3, 3))
        self.assertEqual(stats.interval([4, 1, 3]), (1, 4))

    def test_outliers_are_cut_where_there_are_enough(self):
        self.assertEqual(stats.interval([1, 2, 3, 4, 5, 6, 7]), (1, 7))
        self.assertEqual(stats.interval([0, 2, 3, 4, 5, 6, 7, 99]), (2, 7))

    def test_it_holds_the_median_as_often_as_it_says(self):
        draw = random.Random(1)
        for count in (5, 7, 9, 15):
            held = 0
            for _ in range(2000):
                low, high = stats.interval([draw.expovariate(1) for _ in range(count)])
                held += low <= math.log(2) <= high  # the median of the exponential distribution
            self.assertGreater(held / 2000, 0.88, count)


class Verdicts(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        self.assertEqual(stats.ratios([2, 6, 1], [1, 2, 0]), [2, 3])

    def test_at_most(self):
        for values, goal, passed, text in (
                ([0.9, 1.0, 1.1], 1.1, True, "pass"),
                ([1.0, 1.2, 1.3], 1.1, True, "pass, within the spread"),
                ([1.2, 1.32, 1.4], 1.1, False, "short by 20%"),
                ([0], 0, True, "pass"),
                ([2], 0, False, "short by 2.00")):
            verdict = stats.Verdict(values, goal)
            self.assertEqual((verdict.passed, verdict.text()), (passed, text), values)
            self.assertEqual(verdict.median, statistics.median(values))

    def test_at_least(self):
        for values, passed, text in (
                ([0.9, 1.0, 1.1], True, "pass"),
                ([0.7, 0.9, 0.97], True, "pass, within the spread"),
                ([0.4, 0.485, 0.5], False, "short by 50%")):
            verdict = stats.Verdict(values, 0.97, at_least=True)
            self.assertEqual((verdict.passed, verdict.text()), (passed, text), values)


class Charts(unittest.TestCase):
    def points(self, **options):
        text = plot.chart("a < b", {"one & two": [(1, 10), (10, 100), (100, 20)]}, "x", "y", **options)
        tree = ElementTree.fromstring(text)
        lines = [element for element in tree.iter() if element.tag.endswith("polyline")]
        self.assertEqual(len(lines), 1)
        return [tuple(map(float, point.split(","))) for point in lines[0].get("points").split()]

    def test_a_curve_stays_inside_and_keeps_its_order(self):
        for options in ({}, {"log_x": True}, {"log_y": True}, {"log_x": True, "log_y": True}):
            points = self.points(**options)
            self.assertEqual([x for x, _ in points], sorted(x for x, _ in points))
            self.assertLess(points[1][1], points[2][1])  # y grows downwards
            self.assertLess(points[2][1], points[0][1])
            for x, y in points:
                self.assertTrue(plot.LEFT <= x <= plot.WIDTH - plot.RIGHT
                                and plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM)

    def test_a_logarithmic_axis_gives_each_decade_the_same_room(self):
        (a, _), (b, _), (c, _) = self.points(log_x=True)
        self.assertAlmostEqual(b - a, c - b, delta=0.2)

    def test_a_falling_axis_runs_from_the_right(self):
        (a, _), (b, _), (c, _) = self.points(log_x=True, falling_x=True)
        self.assertGreater(a, b)
        self.assertGreater(b, c)


if __name__ == "__main__":
    case.main()
