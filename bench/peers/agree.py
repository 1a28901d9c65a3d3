"""Whether runs of the comparison agree: each line's intervals, of all runs, have a value in common. What is counted has
one value a run and no spread of its own; it may differ by 2 %."""
import json

COUNTED = 1.02


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["lines"]


def agree(intervals):
    highest_low, lowest_high = max(low for low, _ in intervals), min(high for _, high in intervals)
    if all(low == high for low, high in intervals):
        return highest_low <= COUNTED * lowest_high
    return highest_low <= lowest_high


def name(line):
    """Of the row and its goal, without the rate that an open loop got in that run."""
    return line["work"].split(", ")[0] if "a second" in line["work"] else line["work"], line["goal"]


def compare(paths):
    """[(work, goal, what each run measured, whether they agree)] of the lines that all runs measured."""
    runs = [{name(line): line for line in load(path) if line["interval"]} for path in paths]
    lines = []
    for key in runs[0]:
        if all(key in run for run in runs):
            found = [run[key] for run in runs]
            lines.append((*key, [line["measured"] for line in found], agree([line["interval"] for line in found])))
    return lines


def show(paths):
    lines = compare(paths)
    for work, goal, measured, agreed in lines:
        if not agreed:
            print(f"{work}, {goal}: " + ", ".join(measured))
    agreed = sum(line[-1] for line in lines)
    print(f"{agreed} of {len(lines)} figures agree within their spread in all {len(paths)} runs")
