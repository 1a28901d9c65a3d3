"""The rows of the comparison: what is done, against whom, and the goal of each."""
import statistics

import counting
from contenders import Cannot, Work
from stats import Verdict, ratios


def cpu(figures):
    return figures["cpu_us_per_req"]


def gb_per_cpu_s(figures):
    return figures["bytes"] / 1e3 / (figures["cpu_us_per_req"] * figures["requests"])


def p50(figures):
    return figures["p50_us"]


class Line:
    """One line of the table. interval is what measured says, as numbers; None where nothing was measured."""

    def __init__(self, work, goal, measured, verdict, passed=None, binds="", interval=None):
        self.work, self.goal, self.measured, self.verdict, self.passed, self.binds, self.interval = (
            work, goal, measured, verdict, passed, binds, interval)


def unmeasured(work, goal, why):
    return Line(work, goal, "-", f"not measured: {why}")


def judged(work, goal_text, values, goal, at_least=False, form="{:.2f}", binds=""):
    verdict = Verdict(values, goal, at_least)
    measured = f"{form.format(verdict.median)} ({form.format(verdict.low)} to {form.format(verdict.high)})"
    return Line(work, goal_text, measured, verdict.text(), verdict.passed, "" if verdict.passed else binds,
                (verdict.low, verdict.high))


class Paired:
    """The same work by several, interleaved; a goal is a ratio of tern's figure to another's."""

    def __init__(self, name, work, goals, server="nginx", metric=cpu, unit="us a request", others=(), at_least=False,
                 ours=()):
        self.name, self.work, self.goals, self.server = name, work, goals, server
        self.metric, self.unit, self.others, self.at_least = metric, unit, others, at_least
        self.ours = ours  # options of load that only tern has

    def _goal_text(self, peer, goal):
        return f"{'>=' if self.at_least else '<='} {goal:g} x {peer}"

    def run(self, rig):
        names = ["tern", *dict.fromkeys([peer for peer, _ in self.goals] + list(self.others))]
        work = {name: self.work for name in names}
        if self.ours:
            work["tern"] = self.work.scaled(1)
            work["tern"].extra = tuple(self.ours)
        figures = rig.interleave(self.name, names, lambda name: work[name], self.server, self.others)
        values = {name: [self.metric(f) for f in runs] for name, runs in figures.items()}
        rig.show(self.name, self.unit, values)
        rig.compared[self.name] = {
            peer: statistics.median(ratios(theirs, values["tern"]) if not self.at_least
                                    else ratios(values["tern"], theirs))
            for peer, theirs in values.items() if peer != "tern" and theirs and values.get("tern")}
        return [self._judge(rig, peer, goal, values, figures) for peer, goal in self.goals]

    def _judge(self, rig, peer, goal, values, figures):
        text = self._goal_text(peer, goal)
        if not values.get("tern") or not values.get(peer):
            return unmeasured(self.name, text, rig.why("tern" if not values.get("tern") else peer, self.name))
        pairs = ratios(values["tern"], values[peer])
        return judged(self.name, text, pairs, goal, self.at_least,
                      binds=self._binds(figures["tern"], figures[peer], peer))

    def _binds(self, ours, theirs, peer):
        split = [statistics.median(f[part] * 1e6 / f["requests"] for f in runs) for part in ("user_s", "sys_s")
                 for runs in (ours, theirs)]
        return "user {:.4g} us against {:.4g}, system {:.4g} against {:.4g} of {}".format(*split, peer)


class Counts:
    """Counted, not timed: one value each, and so no spread. Without a goal it is only told beside the peers'."""

    def __init__(self, name, goal_text, goal, count, works, server="nginx", form="{:.0f}", alike=None,
                 beside=("floor",)):
        self.name, self.goal_text, self.goal, self.count, self.works = name, goal_text, goal, count, works
        self.server, self.form, self.alike, self.beside = server, form, alike, beside

    def _tell_peers(self, rig, server, ours):
        values = {"tern": [ours]}
        for peer in self.beside:
            try:
                values[peer] = [self.count(rig.contender(peer), self.works[-1], server, rig.client_cores)]
            except Cannot as why:
                rig.note(str(why))
        rig.show(self.name, "a request", values)

    def run(self, rig):
        try:
            server, tern = rig.server(self.server), rig.contender("tern")
            # What is printed is judged: starting up varies by an allocation or two, which is thousandths of a request.
            values = [float(self.form.format(self.count(tern, work, server, rig.client_cores))) for work in self.works]
        except Cannot as why:
            return [unmeasured(self.name, self.goal_text, why)]
        self._tell_peers(rig, server, values[-1])
        lines = []
        for work, value in zip(self.works, values):
            name = f"{self.name}, {work.concurrency} in flight" if len(self.works) > 1 else self.name
            if self.goal is not None:
                lines.append(judged(name, self.goal_text, [value], self.goal, form=self.form,
                                    binds='"Where the time goes" in docs/PERFORMANCE.md has the functions'))
                lines[-1].measured = self.form.format(value)
        if self.alike:
            spread = max(values) / min(values)
            lines.append(judged(f"{self.name}, most over least", f"<= {self.alike:g}", [spread], self.alike))
        return lines


class IdleMemory:
    def __init__(self, name, work, goal_kb):
        self.name, self.work, self.goal_kb = name, work, goal_kb

    def run(self, rig):
        goal, name = f"<= {self.goal_kb:g} KB", self.name.format(rig.idle)
        work = self.work.scaled(1)
        work.extra = ("--idle", str(rig.idle))
        try:
            values = [rig.contender("tern").run(work, rig.server("nginx"), rig.client_cores)["idle_kb"]
                      for _ in range(1 if work.tls else 3)]
        except Cannot as why:
            return [unmeasured(name, goal, why)]
        return [judged(name, goal, values, self.goal_kb)]


class IdleBeside:
    """tern against itself, with and without idle connections."""

    def __init__(self, name, work):
        self.name, self.work = name, work

    def run(self, rig):
        works = {"none": self.work, "idle": self.work.scaled(1)}
        works["idle"].extra = ("--idle", str(rig.idle))
        figures = {"none": [], "idle": []}
        name = self.name.format(rig.idle)
        try:
            for _ in range(rig.rounds):
                for which, work in works.items():
                    figures[which].append(rig.contender("tern").run(work, rig.server("nginx"), rig.client_cores))
        except Cannot as why:
            return [unmeasured(name, "<= 1.03 x", why)]
        lines = []
        for what, field, goal in (("CPU", "cpu_us_per_req", 1.03), ("p99.9", "p999_us", 1.2)):
            pairs = ratios(*([f[field] for f in figures[which]] for which in ("idle", "none")))
            lines.append(judged(f"{name}: {what}", f"<= {goal:g} x without", pairs, goal))
        return lines


class Threads:
    """Two engines on two threads against one. Their throughput takes a core for each and as many for the server; where
    there are fewer, what a request costs tells whether they share anything that costs."""

    def __init__(self, name, work):
        self.name, self.one = name, work
        self.two = work.scaled(1)  # as many in flight
        self.two.concurrency, self.two.extra = work.concurrency // 2, ("--threads", "2")

    def run(self, rig):
        goal = ">= 1.9 x throughput"
        try:
            if len(rig.cores) < 4:
                return [self._cost(rig, goal)]
            server = rig.server("nginx", cores=rig.cores[2:])
            values = ratios(*self._rounds(rig, server, rig.cores[:2], "requests_per_s"))
        except Cannot as why:
            return [unmeasured(self.name, goal, why)]
        return [judged(self.name, goal, values, 1.9, at_least=True)]

    def _rounds(self, rig, server, cores, field):
        """What two had in each round, and what one had."""
        tern = rig.contender("tern")
        runs = [[tern.run(work, server, cores)[field] for work in (self.two, self.one)] for _ in range(rig.rounds)]
        return zip(*runs)

    def _cost(self, rig, goal):
        server = rig.server("nginx")
        cost = Verdict(ratios(*self._rounds(rig, server, rig.cores, "cpu_us_per_req")), 1)
        futexes = counting.system_calls(rig.contender("tern"), self.two, server, rig.cores, only="futex")
        return Line(self.name, goal,
                    f"CPU {cost.median:.2f} ({cost.low:.2f} to {cost.high:.2f}) x, {futexes:.2f} futex calls a request",
                    f"throughput takes four cores, two for the server; here are {len(rig.cores)}")


class ColdStart:
    def __init__(self, name):
        self.name = name

    def run(self, rig):
        try:
            values = [rig.contender("tern").run(Work(requests=1), rig.server("nginx"),
                                                rig.client_cores)["first_us"] / 1e3
                      for _ in range(5 * rig.rounds)]
        except Cannot as why:
            return [unmeasured(self.name, "<= 1 ms", why)]
        return [judged(self.name, "<= 1 ms", values, 1)]


class OpenLoop:
    """All at the same rate, 70 % of what the slowest of them reaches in a closed loop, so that none is overrun."""

    def __init__(self, name, work, peers):
        self.name, self.work, self.peers = name, work, peers

    def run(self, rig):
        names = ["tern", *self.peers]
        rates = []
        for name in names:
            try:
                done = rig.contender(name).run(self.work, rig.server("nginx"), rig.client_cores)
                rates.append(done["requests"] / done["wall_s"])
            except Cannot as why:
                rig.note(str(why))
        if not rates:
            return [unmeasured(self.name, "< every peer's", "no client ran")]
        work = self.work.scaled(1)
        work.rate = 0.7 * min(rates)
        name = f"{self.name}, {work.rate:.0f} a second"
        figures = rig.interleave(name, names, lambda _: work, "nginx")
        values = {peer: [f["p999_us"] for f in runs] for peer, runs in figures.items()}
        rig.show(name, "us, p99.9", values)
        return [judged(name, f"< 1 x {peer}", ratios(values["tern"], values[peer]), 1)
                if values.get("tern") and values.get(peer) else unmeasured(name, f"< 1 x {peer}", rig.why(peer, name))
                for peer in self.peers]


def all_rows():
    h1 = [Paired(f"HTTP/1.1 warm, {c} in flight: CPU", Work(concurrency=c, requests=30000),
                 [("floor", 1.10), ("wrk", 1.0), ("libcurl", 0.3)], others=("go", "evhttp", "undici", "httpx"))
          for c in (16, 64, 256)]
    one = [Paired("one at a time: p50", Work(requests=6000), [("floor", 1.02)], metric=p50, unit="us, p50",
                  others=("libcurl", "go", "evhttp")),
           Paired("one at a time, spinning: p50", Work(requests=6000), [("libcurl", 0.35)], metric=p50, unit="us, p50",
                  ours=("--spin", "1000"))]
    counts = [Counts("HTTP/1.1 warm: instructions", "<= 6000", 6000, counting.instructions,
                     [Work(concurrency=c) for c in (1, 16, 256)], alike=1.05, beside=("floor", "libcurl")),
              Counts("HTTP/1.1 warm, 16 in flight: system calls", "<= 2.2", 2.2, counting.system_calls,
                     [Work(concurrency=16)], form="{:.2f}", beside=("floor", "libcurl")),
              Counts("HTTP/1.1 warm, 16 in flight: heap allocations", "0", 0, counting.allocations,
                     [Work(concurrency=16)], form="{:.2f}", beside=("floor", "libcurl")),
              Counts("h2c warm, 64 streams: heap allocations", "0", 0, counting.allocations,
                     [Work(concurrency=64, http2=True)], server="origin", form="{:.2f}"),
              Counts("h2c warm, 64 streams: instructions", "none", None, counting.instructions,
                     [Work(concurrency=64, http2=True)], server="origin")]
    h2 = [Paired(f"{'h2' if tls else 'h2c'}, {c} streams, {server}: CPU",
                 Work(concurrency=c, requests=60000, http2=True, tls=tls),
                 [("floor", 1.15), ("h2load", 1.0), ("libcurl", 0.15)], server=server, others=("go",))
          for tls, c, server in ((False, 64, "origin"), (False, 100, "origin"), (True, 64, "origin"),
                                 (True, 100, "origin"), (False, 64, "h2o"))]
    tls = [Paired("TLS 1.3 HTTP/1.1 warm, 16 in flight: CPU", Work(concurrency=16, requests=30000, tls=True),
                  [("floor", 1.08)], others=("libcurl", "go", "wrk", "undici"))]
    bulk = [Paired(f"bulk, {text}: bytes for CPU", Work(path="bulk", requests=12, http2=h2, tls=tls),
                   [(peer, goal)], metric=gb_per_cpu_s, unit="GB a CPU second", others=others, at_least=True)
            for text, h2, tls, peer, goal, others in (
                ("HTTP/1.1", False, False, "floor", 0.97, ("libcurl", "go")),
                ("h2c", True, False, "floor", 0.92, ("libcurl", "go")),
                ("TLS 1.3 HTTP/1.1", False, True, "libcurl", 1.2, ("floor", "go")),
                ("TLS 1.3 h2", True, True, "libcurl", 1.2, ("floor", "go")))]
    fresh = [Paired("new connection, plaintext: CPU", Work(concurrency=4, requests=4000, fresh=True), [("floor", 1.15)],
                    others=("libcurl", "go")),
             *(Paired(f"new connection, TLS 1.3 {text}: CPU",
                      Work(concurrency=4, requests=200, tls=True, chain=chain, fresh=True, resume=resume),
                      [("libcurl", goal)], others=("floor", "go"))
               for text, chain, resume, goal in (("resumed", "ec", True, 0.6), ("full, RSA chain", "rsa", False, 0.7),
                                                 ("full, P-256 chain", "ec", False, 1.0)))]
    idle = [IdleMemory("memory of an idle connection, plaintext, {} open", Work(requests=100), 0.6),
            IdleMemory("memory of an idle connection, TLS 1.3, {} open", Work(requests=100, tls=True), 28),
            IdleBeside("HTTP/1.1 warm with {} idle beside", Work(concurrency=16, requests=30000))]
    rest = [Threads("engines on 2 threads against 1", Work(concurrency=32, requests=60000)),
            ColdStart("cold start: engine, client, first answer"),
            OpenLoop("open loop: p99.9", Work(concurrency=16, requests=20000), ("libcurl", "go"))]
    return [*h1, *counts, *one, *h2, *tls, *bulk, *fresh, *idle, *rest]
