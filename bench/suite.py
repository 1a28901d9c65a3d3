#!/usr/bin/env python3
"""What tern costs, work by work, against the bundled origin. ./run bench starts this.

The client has one core, the origin another, where there are two. Figures are medians of the rounds."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import plot

BODY = "/bytes/128"
H1, H2C, H2 = "--http1.1", "--http2-prior-knowledge", "--http2"

# name, path, options; n is the number of requests of a full run. "tls" among the options asks over TLS.
WORKS = [
    ("HTTP/1.1, one at a time", BODY, 10000, ["-c", 1]),
    ("HTTP/1.1, 16 in flight", BODY, 50000, ["-c", 16]),
    ("HTTP/1.1, 16 in flight, every policy", BODY, 50000, ["-c", 16, "--policies"]),
    ("HTTP/1.1, 256 in flight", BODY, 50000, ["-c", 256]),
    ("HTTP/1.1, open loop, 10,000/s", BODY, 20000, ["-c", 64, "--rate", 10000]),
    ("h2c, 64 streams", BODY, 100000, ["-c", 64, H2C]),
    ("h2c, 64 streams, every policy", BODY, 100000, ["-c", 64, H2C, "--policies"]),
    ("h2c, open loop, 10,000/s", BODY, 20000, ["-c", 64, "--rate", 10000, H2C]),
    ("TLS HTTP/1.1, 16 in flight", BODY, 50000, ["-c", 16, H1, "tls"]),
    ("TLS h2, 64 streams", BODY, 100000, ["-c", 64, H2, "tls"]),
    ("new connection each", BODY, 5000, ["-c", 4, "--close"]),
    ("new connection each, TLS resumed", BODY, 500, ["-c", 4, "--close", H1, "tls"]),
    ("new connection each, TLS full", BODY, 250, ["-c", 4, "--close", "--no-resumption", H1, "tls"]),
    ("100 MiB, HTTP/1.1", "/bytes/104857600", 10, ["-c", 1]),
    ("100 MiB, h2c", "/bytes/104857600", 10, ["-c", 1, H2C]),
    ("100 MiB, TLS HTTP/1.1", "/bytes/104857600", 5, ["-c", 1, H1, "tls"]),
    ("upload of 64 KiB, HTTP/1.1", "/upload", 10000, ["-c", 4, "--upload", 65536]),
    ("upload of 64 KiB, h2c", "/upload", 10000, ["-c", 4, "--upload", 65536, H2C]),
    ("every 10th cancelled, HTTP/1.1", BODY, 20000, ["-c", 16, "--cancel-every", 10]),
    ("every 10th cancelled, h2c", BODY, 20000, ["-c", 16, "--cancel-every", 10, H2C]),
    ("8 paused readers beside, h2c", BODY, 50000, ["-c", 16, "--paused", 8, H2C]),
    ("a slow origin, 20 ms, HTTP/1.1", "/delay/20/bytes/128", 5000, ["-c", 64]),
    ("a slow origin, 20 ms, h2c", "/delay/20/bytes/128", 5000, ["-c", 64, H2C]),
]
CONCURRENCY = (1, 4, 16, 64, 256)
IDLE = (0, 100, 1000, 10000)

COLUMNS = [("us CPU", "cpu_us_per_req", "{:.2f}"), ("requests/s", "requests_per_s", "{:.0f}"),
           ("p50 us", "p50_us", "{:.0f}"), ("p99 us", "p99_us", "{:.0f}"), ("p99.9 us", "p999_us", "{:.0f}"),
           ("allocations", "allocs_per_req", "{:.2f}"), ("peak KB", "maxrss_kb", "{:.0f}")]


class Bench:
    def __init__(self, build, rounds, share):
        self.load, self.rounds, self.share = os.path.join(build, "bench/load"), rounds, share
        cores = sorted(os.sched_getaffinity(0))
        self.client, self.server = (["taskset", "-c", str(cores[0])], ["taskset", "-c", str(cores[1])]) if len(
            cores) > 1 else ([], [])
        self.ca = tempfile.NamedTemporaryFile(suffix=".pem")
        # It ends with its standard input, and so with this process.
        self.origin = subprocess.Popen(
            [*self.server, os.environ["TERN_ORIGIN"], "--streams", "256", "--cert-out", self.ca.name,
             "--exit-with-stdin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.http, self.https = (self.origin.stdout.readline().strip() for _ in range(2))
        self.https = self.https.replace("127.0.0.1", "localhost")

    def once(self, path, requests, options):
        tls = "tls" in options
        front = self.https if tls else self.http
        options = [str(o) for o in options if o != "tls"] + (["--cacert", self.ca.name] if tls else [])
        if "--paused" in options:
            options += ["--paused-url", front + "/bytes/100000000"]
        warm = [] if "--close" in options else ["--warm-up", str(min(requests, 1000))]
        command = [*self.client, self.load, front + path, "-n", str(requests), *warm, *options, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: failed: {' '.join(command)}")
        return json.loads(done.stdout)

    def figures(self, path, requests, options):
        """The median of each figure; the curve is of the round with the median p99."""
        runs = [self.once(path, max(1, int(requests * self.share)), options) for _ in range(self.rounds)]
        runs.sort(key=lambda run: run["p99_us"])
        middle = dict(runs[len(runs) // 2])
        for name, value in middle.items():
            if isinstance(value, (int, float)):
                middle[name] = statistics.median(run[name] for run in runs)
        return middle


def table(results):
    rows = [["work"] + [title for title, _, _ in COLUMNS]]
    rows += [[name] + [form.format(figures[field]) for _, field, form in COLUMNS] for name, figures in results.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("| " + " | ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) + " |")
        if row is rows[0]:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def draw(folder, results, by_concurrency, by_idle):
    os.makedirs(folder, exist_ok=True)
    # The last tick of the axis stands for 99.99 %: what is left to 100 % falls by ten from one to the next.
    latency = {name: [(100 - percent, us) for percent, us in figures["percentiles_us"] if percent < 100]
               for name, figures in results.items() if name in ("HTTP/1.1, 16 in flight", "h2c, 64 streams",
                                                                "TLS h2, 64 streams", "HTTP/1.1, open loop, 10,000/s")}
    charts = {
        "latency": plot.chart("Latency by percentile", latency, "per cent of requests that took longer", "us",
                              log_x=True, log_y=True, falling_x=True),
        "throughput": plot.chart("Throughput by concurrency", {
            name: [(c, f["requests_per_s"]) for c, f in points.items()] for name, points in by_concurrency.items()},
            "in flight", "requests/s", log_x=True),
        "idle": plot.chart("Cost by idle connections beside", {
            "HTTP/1.1, 16 in flight": [(idle, f["cpu_us_per_req"]) for idle, f in by_idle.items()]},
            "idle connections", "us CPU a request"),
    }
    for name, text in charts.items():
        with open(os.path.join(folder, name + ".svg"), "w", encoding="utf-8") as file:
            file.write(text)


def main():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of a tenth of the work")
    parser.add_argument("--json", action="store_true", help="print the figures instead of the table")
    parser.add_argument("--svg", metavar="FOLDER", help="draw the curves, too")
    parser.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    options = parser.parse_args()
    bench = Bench(options.build, 1 if options.quick else 3, 0.1 if options.quick else 1)
    results, by_concurrency, by_idle = {}, {}, {}
    for i, (name, path, requests, args) in enumerate(WORKS):
        print(f"[{i + 1}/{len(WORKS)}] {name}", file=sys.stderr, flush=True)
        results[name] = bench.figures(path, requests, args)
    if options.svg:
        for name, extra in (("HTTP/1.1", []), ("h2c", [H2C])):
            by_concurrency[name] = {c: bench.figures(BODY, 20000, ["-c", c, *extra]) for c in CONCURRENCY}
        by_idle = {n: bench.figures(BODY, 20000, ["-c", 16, *(["--idle", n] if n else [])]) for n in IDLE}
        draw(options.svg, results, by_concurrency, by_idle)
    if options.json:
        print(json.dumps(results))
    else:
        table(results)


if __name__ == "__main__":
    main()
