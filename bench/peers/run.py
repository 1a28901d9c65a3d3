#!/usr/bin/env python3
"""tern beside its peers: the same work, interleaved in one run. ./run bench peers starts this.

Each round runs every client once, in an order that moves from round to round; a ratio is of two figures of the same
round. The client has one core, the server another. What cannot run is left out, with a word."""
import argparse
import json
import os
import re
import statistics
import sys
import time

import agree
import contenders
import picture
import rows
import servers
from contenders import Cannot

SERVERS = {"nginx": servers.Nginx, "h2o": servers.H2o, "origin": servers.Origin}


class Rig:
    def __init__(self, build, rounds, idle, share):
        self.rounds, self.idle, self.share = rounds, idle, share
        self.cores = sorted(os.sched_getaffinity(0))
        self.client_cores = self.cores[:1] if len(self.cores) > 1 else []
        self.server_cores = self.cores[1:2]
        self.compared = {}  # {row: {peer: what it costs as a multiple of tern}}
        self.raw, self.shown, self._absent, self._servers, self._noted = {}, [], {}, {}, set()
        self._contenders = {}
        for kind in contenders.ALL:
            try:
                kind(build).present()
                self._contenders[kind.name] = kind(build)
            except Cannot as why:
                self._absent[kind.name] = str(why)
                self.note(f"left out: {why}")
        if not self.client_cores:
            self.note("there is one core: client and server share it, and the figures say little")

    def note(self, text):
        if text not in self._noted:
            self._noted.add(text)
            print(f"bench: {text}", file=sys.stderr)

    def contender(self, name):
        if name not in self._contenders:
            raise Cannot(self._absent.get(name, f"no client {name}"))
        return self._contenders[name]

    def server(self, name, cores=None):
        """Started when first asked for, and left running."""
        cores = self.server_cores if cores is None else cores
        key = (name, tuple(cores))
        if key not in self._servers:
            try:
                self._servers[key] = SERVERS[name](cores).start()
            except Exception as why:  # it is not there, or does not start: unittest's skip among them
                self._servers[key] = Cannot(" ".join(f"no server {name}: {why}".split()))
        if isinstance(self._servers[key], Cannot):
            raise self._servers[key]
        return self._servers[key]

    def why(self, name, row):
        return self._absent.get((row, name)) or self._absent.get(name) or f"{name} did not run"

    def interleave(self, row, names, work_of, server_name, seldom=()):
        """{name: figures of each round}; who fails is left out from then on. Those of seldom, who are only told of, run
        in every third round."""
        figures = {name: [] for name in names}
        try:
            server = self.server(server_name)
        except Cannot as why:
            self._absent.update({(row, name): str(why) for name in names})
            return figures
        for round_ in range(-1, self.rounds):  # the first is not counted: all there is to warm is warm after it
            order = [name for name in figures if name not in seldom or round_ % 3 == 0]
            turn = round_ % len(order) if order else 0
            for name in order[turn:] + order[:turn]:
                try:
                    contender = self.contender(name)
                    work = work_of(name)
                    if not contender.can(work):
                        raise Cannot(f"{name} cannot do this")
                    done = contender.run(work.scaled(self.share if round_ >= 0 else self.share / 10), server,
                                         self.client_cores)
                except Cannot as why:
                    self._absent.setdefault((row, name), str(why))
                    if name in self._contenders:
                        self.note(f"{row}: {why}")
                    del figures[name]
                    continue
                if round_ >= 0:
                    figures[name].append(done)
        self.raw[row] = figures
        return figures

    def show(self, row, unit, values):
        medians = ", ".join(f"{name} {statistics.median(v):.4g}" for name, v in values.items() if v)
        self.shown.append((row, unit, medians))
        print(f"  {medians} ({unit})", file=sys.stderr, flush=True)


def print_table(lines, out=sys.stdout):
    cells = [("work", "goal", "measured", "verdict")]
    cells += [(line.work, line.goal, line.measured, line.verdict + (f"; {line.binds}" if line.binds else ""))
              for line in lines]
    widths = [max(len(row[i]) for row in cells) for i in range(3)]
    for row in cells:
        print("| " + " | ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[3]]) + " |", file=out)
        if row is cells[0]:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|---|", file=out)


def print_shown(rig):
    print("\nSide by side, medians:\n\n| work | unit | |\n|---|---|---|")
    for row in rig.shown:
        print("| " + " | ".join(row) + " |")


def save(path, rig, lines):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"rounds": rig.rounds, "lines": [vars(line) for line in lines], "shown": rig.shown, "runs": rig.raw},
                  file, indent=1)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(prog="./run bench peers", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a look in two or three minutes: few rounds, little work")
    parser.add_argument("--rounds", type=int, help="how often each client runs each work (7; quick: 3)")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only the rows whose name matches")
    parser.add_argument("--list", action="store_true", help="the names of the rows")
    parser.add_argument("--json", metavar="FILE", help="every figure of every run")
    parser.add_argument("--svg", metavar="FILE", help="draw what each client costs, as a multiple of tern")
    parser.add_argument("--agree", nargs="+", metavar="FILE", help="run nothing: say which figures of saved runs agree")
    parser.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.agree:
        agree.show(options.agree)
        return
    wanted = [row for row in rows.all_rows() if re.search(options.rows, row.name)]
    if options.list:
        print("\n".join(row.name for row in wanted))
        return
    rig = Rig(options.build, options.rounds or (3 if options.quick else 7), 1000 if options.quick else 10000,
              0.2 if options.quick else 1)
    lines = []
    begun = time.monotonic()
    try:
        for i, row in enumerate(wanted):
            print(f"[{i + 1}/{len(wanted)}, {time.monotonic() - begun:.0f} s] {row.name}", file=sys.stderr, flush=True)
            lines += row.run(rig)
    except KeyboardInterrupt:
        rig.note("interrupted: this is what was measured until then")
    print_table(lines)
    print_shown(rig)
    if options.json:
        save(options.json, rig, lines)
    if options.svg:
        picture.save(options.svg, rig.compared)


if __name__ == "__main__":
    main()
