#!/usr/bin/python3
"""httpx's AsyncClient: one client, a task for each request in flight. Takes load's command line."""
import argparse
import asyncio
import json
import resource
import ssl
import time

import httpx


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-c", type=int, default=1)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--cacert")
    parser.add_argument("--http1.1", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def work(client, url, state):
    while state["left"] > 0:
        state["left"] -= 1
        start = time.perf_counter()
        response = await client.get(url)
        state["bytes"] += len(response.content)
        if response.status_code < 400:
            state["latencies"].append(time.perf_counter() - start)


async def main():
    options = arguments()
    limits = httpx.Limits(max_connections=options.c, max_keepalive_connections=options.c)
    verify = ssl.create_default_context(cafile=options.cacert) if options.cacert else True
    state = {"left": options.n, "bytes": 0, "latencies": []}
    async with httpx.AsyncClient(limits=limits, verify=verify, trust_env=False) as client:
        usage, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        await asyncio.gather(*(work(client, options.url, state) for _ in range(options.c)))
        wall = time.perf_counter() - begun
    end = resource.getrusage(resource.RUSAGE_SELF)
    user, system = end.ru_utime - usage.ru_utime, end.ru_stime - usage.ru_stime
    latencies = sorted(state["latencies"])
    p50, p99, p999 = (latencies[int(share * (len(latencies) - 1))] * 1e6 for share in (0.5, 0.99, 0.999))
    print(json.dumps({
        "name": "httpx", "requests": options.n, "errors": options.n - len(latencies), "bytes": state["bytes"],
        "wall_s": wall, "user_s": user, "sys_s": system, "cpu_us_per_req": (user + system) * 1e6 / options.n,
        "p50_us": p50, "p99_us": p99, "p999_us": p999, "maxrss_kb": end.ru_maxrss, "connections_opened": options.c}))


asyncio.run(main())
