// Where the time of a step goes, with N environments in one process or shared out over worker processes.
import { bottomAxis, brief, fixed, frame, html, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the model of a step, tested against Python ------------------------------------------------------------------

// Environment i belongs to one worker; sizes differ by one at most: share(5, 2) -> [[0, 1, 2], [3, 4]]
export function share(numEnvs, numWorkers) {
  const size = Math.floor(numEnvs / numWorkers), larger = numEnvs % numWorkers;
  let next = 0;
  return Array.from({ length: numWorkers }, (_, w) => Array.from({ length: size + (w < larger ? 1 : 0) }, () => next++));
}

// A step with workers: each first waits for its message (`overhead`), then steps its environments one after the other;
// at most `cores` workers run at once, the others queue; the step ends when the last worker has ended.
// durations [steps][N] -> { time, busy, blocks: [{ worker, env, step, start, end }] }; one unit of time throughout.
export function simulateWorkers(durations, numWorkers, cores, overhead) {
  const shares = share(durations[0].length, numWorkers);
  const blocks = [];
  let now = 0, busy = 0;
  durations.forEach((row, step) => {
    const free = Array.from({ length: Math.min(cores, numWorkers) }, () => now + overhead);
    let end = now + overhead;
    shares.forEach((envs, worker) => {
      const core = free.indexOf(Math.min(...free));
      for (const env of envs) {
        blocks.push({ worker, env, step, start: free[core], end: free[core] + row[env] });
        free[core] += row[env];
        busy += row[env];
      }
      end = Math.max(end, free[core]);
    });
    now = end;
  });
  return { time: now, busy, blocks };
}

// All environments in this process, one after the other, with no message to send.
export const simulateSerial = (durations) => simulateWorkers(durations, 1, 1, 0);

// A uniform number in (0, 1) for each (step, env): the same one whatever else is moved, so that the picture keeps still.
function uniform(a, b, salt) {
  let h = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (((h ^ (h >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}

// Step times: log-normal with the given mean and spread (standard deviation / mean); environment 0 is `slow` times slower.
export function stepTimes(numSteps, numEnvs, mean, spread, slow) {
  const variance = Math.log(1 + spread * spread);
  return Array.from({ length: numSteps }, (_, step) => Array.from({ length: numEnvs }, (_, env) => {
    const normal = Math.sqrt(-2 * Math.log(uniform(step, env, 0))) * Math.cos(2 * Math.PI * uniform(step, env, 1));
    return mean * Math.exp(Math.sqrt(variance) * normal - variance / 2) * (env === 0 ? slow : 1);
  }));
}

// What the read-out says: environment steps per second with and without workers, and the share of the cores' time spent waiting.
export function compare({ num_envs, num_workers, cores, mean_ms, spread, slow, overhead_ms }, numSteps = 400) {
  const durations = stepTimes(numSteps, num_envs, mean_ms, spread, slow);
  const serial = simulateSerial(durations), parallel = simulateWorkers(durations, num_workers, cores, overhead_ms);
  const lanes = Math.min(num_workers, cores);
  return {
    serialRate: (1000 * num_envs * numSteps) / serial.time,
    parallelRate: (1000 * num_envs * numSteps) / parallel.time,
    speedup: serial.time / parallel.time,
    lanes,
    idle: 1 - parallel.busy / (parallel.time * lanes),
    overheadShare: (overhead_ms * numSteps) / parallel.time,
  };
}

// --- the picture -------------------------------------------------------------------------------------------------

const TIMES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];
const OVERHEADS = [0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const milliseconds = (ms) => (ms > 0 && ms < 1 ? `${brief(ms * 1000)} µs` : `${brief(ms)} ms`);
const SHOWN_STEPS = 5;

export function render({ model, el }) {
  const settings = () => {
    const names = ["num_envs", "num_workers", "cores", "mean_ms", "spread", "slow", "overhead_ms"];
    const chosen = Object.fromEntries(names.map((name) => [name, model.get(name)]));
    return { ...chosen, num_workers: Math.min(chosen.num_workers, chosen.num_envs) }; // a worker without an environment has nothing to do
  };

  const hatch = `hatch-${Math.random().toString(36).slice(2)}`; // an id of its own, for a page with two of these

  function draw(picture, width) {
    const s = settings();
    const durations = stepTimes(SHOWN_STEPS, s.num_envs, s.mean_ms, s.spread, s.slow);
    const serial = simulateSerial(durations), parallel = simulateWorkers(durations, s.num_workers, s.cores, s.overhead_ms);
    const result = compare(s);
    const left = width < 480 ? 30 : 74, right = width - 12;
    const longest = Math.max(serial.time, parallel.time);
    const x = linear([0, longest], [left, right]);
    const parts = [svg("defs", {}, svg("pattern", { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { width: 6, height: 6, fill: "var(--band)" }), svg("line", { x1: 0, x2: 0, y1: 0, y2: 6, stroke: "var(--muted)", "stroke-width": 2.5 })))];
    let top = 0;

    const chart = (title, lanes, laneHeight, run, overhead) => {
      parts.push(svg("text", { x: 0, y: top + 14, "font-weight": 600 }, title));
      top += 24;
      const bottom = top + lanes * laneHeight;
      parts.push(svg("rect", { x: x(0), y: top, width: x(run.time) - x(0), height: bottom - top, fill: "var(--band)" }));
      for (let lane = 0; lane < lanes; lane++) {
        if (lanes > 1 && (laneHeight >= 12 || lane % 2 === 0)) {
          parts.push(svg("text", { x: left - 6, y: top + (lane + 0.5) * laneHeight, dy: "0.35em", "text-anchor": "end", "font-size": 11 }, width < 480 ? lane : `worker ${lane}`));
        }
      }
      for (const { worker, env, start, end } of run.blocks) {
        parts.push(svg("rect", {
          x: x(start), y: top + worker * laneHeight + 1, width: Math.max(0.4, x(end) - x(start)), height: laneHeight - 2,
          fill: env === 0 && s.slow > 1 ? "var(--amber)" : "var(--teal)", stroke: "var(--paper)", "stroke-width": x(end) - x(start) > 4 ? 0.8 : 0,
        }));
      }
      // a step ends where its last block ends; before the next one the message travels
      const ends = Array.from({ length: SHOWN_STEPS }, (_, step) => Math.max(...run.blocks.filter((block) => block.step === step).map((block) => block.end)));
      [0, ...ends].forEach((at, step) => {
        if (overhead > 0 && step < SHOWN_STEPS) parts.push(svg("rect", { x: x(at), y: top, width: x(at + overhead) - x(at), height: bottom - top, fill: `url(#${hatch})` }));
        parts.push(svg("line", { x1: x(at), x2: x(at), y1: top - 3, y2: bottom + 3, stroke: "var(--ink)", "stroke-width": 1 }));
      });
      top = bottom + 14;
    };

    chart(`one process, ${SHOWN_STEPS} steps: ${milliseconds(serial.time)}`, 1, 24, serial, 0);
    chart(`${s.num_workers} ${s.num_workers === 1 ? "worker" : "workers"}, the same steps: ${milliseconds(parallel.time)}`, s.num_workers, s.num_workers > 8 ? 11 : 18, parallel, s.overhead_ms);
    const unit = longest < 1 ? 1000 : 1;
    parts.push(bottomAxis(x, ticks(0, longest, width < 480 ? 4 : 8), { y: top - 8, format: (t) => brief(t * unit), title: { x: (left + right) / 2, text: unit === 1 ? "milliseconds" : "microseconds" } }));
    const height = top + 28;
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const verdict = result.speedup >= 1.05
      ? `Workers win: ${fixed(result.speedup, 1)} times as many steps per second as one process, with ${result.lanes} at work at a time.`
      : result.speedup > 0.95 ? "It makes no difference: one process is as fast, and simpler."
      : `Processes lose: one process is ${fixed(1 / result.speedup, 1)} times as fast.`;
    const reasons = [];
    if (result.overheadShare > 0.3) reasons.push(`${Math.round(100 * result.overheadShare)} % of a step is spent on sending messages and waking up`);
    if (model.get("num_workers") > s.num_envs) reasons.push(`${model.get("num_workers") - s.num_envs} more workers would have no environment`);
    if (s.num_workers > s.cores) reasons.push(`only ${s.cores} of ${s.num_workers} workers can run at a time, on ${s.cores} ${s.cores === 1 ? "core" : "cores"}`);
    if (s.slow > 1 && s.num_workers > 1 && result.idle > 0.2) reasons.push("everyone waits for the worker that holds the slow environment");
    else if (result.idle - result.overheadShare > 0.2 && s.num_workers > 1) reasons.push("everyone waits for the last worker of each step");
    const lines = [
      verdict + (reasons.length ? ` ${result.speedup >= 1.05 ? "What holds them back" : "Why"}: ${reasons.join("; ")}.` : ""),
      `${brief(result.parallelRate)} environment steps per second with workers, ${brief(result.serialRate)} without; the cores in use wait ${Math.round(100 * result.idle)} % of the time.`,
    ];
    return {
      label: `Two Gantt charts of ${SHOWN_STEPS} steps of ${s.num_envs} environments: one process, and ${s.num_workers} workers. ${lines.join(" ")}`,
      readout: lines,
      table: [
        ["how", "time of a step", "environment steps per second", "waiting"],
        ["one process", milliseconds((1000 * s.num_envs) / result.serialRate), brief(result.serialRate), "0 %"],
        [`${s.num_workers} workers`, milliseconds((1000 * s.num_envs) / result.parallelRate), brief(result.parallelRate), `${Math.round(100 * result.idle)} %`],
      ],
    };
  }

  return frame({ model, el }, {
    watch: ["num_envs", "num_workers", "cores", "mean_ms", "spread", "slow", "overhead_ms"],
    controls: [
      slider(model, "num_workers", { label: "workers", min: 1, max: 16 }),
      slider(model, "num_envs", { label: "environments", min: 1, max: 32 }),
      slider(model, "cores", { label: "processor cores", min: 1, max: 16 }),
      slider(model, "mean_ms", { label: "mean time of a step", values: TIMES, format: milliseconds }),
      slider(model, "overhead_ms", { label: "overhead per step", values: OVERHEADS, format: milliseconds }),
      slider(model, "spread", { label: "spread of step times", min: 0, max: 1, step: 0.05, format: (x) => `${Math.round(100 * x)} %` }),
      slider(model, "slow", { label: "environment 0 is slower", min: 1, max: 10, step: 0.5, format: (x) => `${x} ×` }),
      html("div", { class: "explorable-buttons" },
        preset(model, "like CartPole", { mean_ms: 0.02, spread: 0.2, slow: 1 }),
        preset(model, "like a physics simulator", { mean_ms: 1, spread: 0.2, slow: 1 }),
        preset(model, "one slow environment", { mean_ms: 5, spread: 0.1, slow: 6 })),
    ],
    draw,
  });
}

export default { render };
