// undici: one Pool, its connections kept, a promise chain for each request in flight. Takes load's command line.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

const { Pool } = createRequire(process.env.TERN_UNDICI + "/")("undici");

const options = { c: 1, n: 10000 };
const url = new URL(process.argv[2]);
for (let i = 3; i < process.argv.length; i++) {
  const name = process.argv[i].replace(/^-+/, "");
  if (["c", "n", "cacert"].includes(name)) options[name] = process.argv[++i];
  else if (!["http1.1", "json"].includes(name)) throw new Error(`not for undici: --${name}`);
}
const concurrency = Number(options.c);
const requests = Number(options.n);
const pool = new Pool(url.origin, {
  connections: concurrency,
  pipelining: 1,
  connect: options.cacert ? { ca: readFileSync(options.cacert) } : {},
});
let opened = 0;
pool.on("connect", () => opened++);

const WARM_UP = 5000; // requests before the measurement: the compiler's time is not the client's
const latencies = new Float64Array(Math.max(requests, WARM_UP));
let next, good, bytes, last;

async function work() {
  while (next < last) {
    next++;
    const start = performance.now();
    const { statusCode, body } = await pool.request({ path: url.pathname, method: "GET" });
    for await (const piece of body) bytes += piece.length;
    if (statusCode < 400) latencies[good++] = performance.now() - start;
  }
}

async function load(count) {
  [next, good, bytes, last] = [0, 0, 0, count];
  await Promise.all(Array.from({ length: concurrency }, work));
}

await load(WARM_UP);
const usage = process.cpuUsage();
const begun = performance.now();
await load(requests);
const wall = (performance.now() - begun) / 1e3;
const { user, system } = process.cpuUsage(usage);
const sorted = latencies.subarray(0, good).sort();
const at = (share) => Math.round(sorted[Math.floor(share * (good - 1))] * 1e4) / 10;
console.log(JSON.stringify({
  name: "undici", requests, errors: requests - good, bytes, wall_s: wall, user_s: user / 1e6, sys_s: system / 1e6,
  cpu_us_per_req: (user + system) / requests, p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999),
  maxrss_kb: process.resourceUsage().maxRSS, connections_opened: opened,
}));
await pool.close();
