// Generalized advantage estimation on one rollout of one environment: drag γ and λ, pick a step and a critic.
import { bottomAxis, brief, choice, clamp, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against ppo_core --------------------------------------------------------------------

// δ_t = r_t + γ (1 − terminated_t) V(o_{t+1}) − V(o_t)
export function deltas({ rewards, values, next_values, terminated }, gamma) {
  return rewards.map((reward, t) => reward + (terminated[t] ? 0 : gamma * next_values[t]) - values[t]);
}

// A_t = δ_t + γλ (1 − done_t) A_{t+1}
export function advantages(rollout, gamma, gaeLambda) {
  const result = deltas(rollout, gamma);
  for (let t = result.length - 2; t >= 0; t--) {
    if (!rollout.terminated[t] && !rollout.truncated[t]) result[t] += gamma * gaeLambda * result[t + 1];
  }
  return result;
}

// What δ_k counts in A_t: (γλ)^(k − t) from t up to the end of its episode, and 0 everywhere else.
export function weights({ rewards, terminated, truncated }, gamma, gaeLambda, t) {
  const result = rewards.map(() => 0);
  let weight = 1;
  for (let k = t; k < result.length; k++) {
    result[k] = weight;
    if (terminated[k] || truncated[k]) break;
    weight *= gamma * gaeLambda;
  }
  return result;
}

// V of a Markov reward process, V = r + γ P V: after `sweeps` sweeps from zero (Infinity: the exact solution).
export function processValues({ transitions, rewards }, gamma, sweeps = Infinity) {
  const size = rewards.length;
  if (Number.isFinite(sweeps)) {
    let values = rewards.map(() => 0);
    for (let i = 0; i < sweeps; i++) values = rewards.map((r, s) => r + gamma * transitions[s].reduce((sum, p, other) => sum + p * values[other], 0));
    return values;
  }
  // Gauss–Jordan elimination on (I − γP) V = r
  const rows = rewards.map((r, s) => [...transitions[s].map((p, other) => (s === other ? 1 : 0) - gamma * p), r]);
  for (let pivot = 0; pivot < size; pivot++) {
    const best = rows.reduce((at, row, i) => (i >= pivot && Math.abs(row[pivot]) > Math.abs(rows[at][pivot]) ? i : at), pivot);
    [rows[pivot], rows[best]] = [rows[best], rows[pivot]];
    rows.forEach((row, i) => {
      if (i === pivot) return;
      const factor = row[pivot] / rows[pivot][pivot];
      for (let j = pivot; j <= size; j++) row[j] -= factor * rows[pivot][j];
    });
  }
  return rows.map((row, i) => row[size] / row[i]);
}

const SWEEPS = { untrained: 0, "half-trained": 6, exact: Infinity };

// The rollout with the chosen critic's values. Without a process behind it there is one critic: the given one.
export function withCritic(rollout, process, critic, gamma) {
  if (!process) return rollout;
  const table = processValues(process, gamma, SWEEPS[critic]);
  const look = (state) => (state < table.length ? table[state] : 0); // the state past the last is the end: nothing follows
  return { ...rollout, values: process.states.map(look), next_values: process.next_states.map(look) };
}

// --- the picture -------------------------------------------------------------------------------------------------

const MARGIN = { left: 38, right: 10 };

function range(...lists) {
  const all = [0, ...lists.flat()].filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = (high - low || 1) * 0.08;
  return [low < 0 ? low - pad : 0, high > 0 ? high + pad : 0];
}

// A new rollout from Python is a new picture; everything else only redraws.
export function render({ model, el }) {
  let stop = build({ model, el });
  const rebuild = () => {
    stop();
    stop = build({ model, el });
  };
  for (const name of ["change:rollout", "change:process"]) model.on(name, rebuild);
  return () => {
    stop();
    for (const name of ["change:rollout", "change:process"]) model.off(name, rebuild);
  };
}

function build({ model, el }) {
  const rollout = model.get("rollout");
  const process = model.get("process");
  const length = rollout.rewards.length;
  const ends = (t) => rollout.terminated[t] || rollout.truncated[t];
  const lastOfEpisode = (t) => {
    while (t < length - 1 && !ends(t)) t += 1;
    return t;
  };
  const pick = (t) => {
    model.set("step", t);
    model.save_changes();
  };

  function draw(picture, width) {
    const gamma = model.get("gamma"), gaeLambda = model.get("gae_lambda"), step = clamp(model.get("step"), 0, length - 1);
    const now = withCritic(rollout, process, model.get("critic"), gamma);
    const delta = deltas(now, gamma), advantage = advantages(now, gamma, gaeLambda), weight = weights(now, gamma, gaeLambda, step);
    const truth = process ? deltas(withCritic(rollout, process, "exact", gamma), gamma) : null; // its transitions are deterministic
    const column = (width - MARGIN.left - MARGIN.right) / length;
    const left = (t) => MARGIN.left + t * column;
    const bar = Math.max(3, column * 0.55);
    const last = lastOfEpisode(step);
    const right = width - MARGIN.right;
    const parts = [];

    // one panel: title, grid, then what `inside` draws with its scale
    let top = 16;
    const panel = (title, height, domain, inside) => {
      const scale = linear(domain, [top + 20 + height, top + 20]);
      parts.push(svg("text", { x: 2, y: top + 12, "font-weight": 600 }, title));
      parts.push(leftAxis(scale, ticks(domain[0], domain[1], height > 60 ? 4 : 2), { from: MARGIN.left, to: right }));
      parts.push(inside(scale));
      top += height + 34;
    };
    const bars = (numbers, scale, look) => numbers.map((number, t) => svg("rect", {
      x: left(t) + (column - bar) / 2, width: bar, y: Math.min(scale(0), scale(number)), height: Math.abs(scale(number) - scale(0)), ...look(t, number),
    }));

    panel("reward r (bars) and the critic's V (line)", 76, range(now.rewards, now.values, now.next_values), (scale) => {
      const marks = bars(now.rewards, scale, () => ({ fill: "var(--muted)" }));
      for (let from = 0; from < length; from = lastOfEpisode(from) + 1) {
        const to = lastOfEpisode(from);
        const points = now.values.slice(from, to + 1).map((v, i) => [left(from + i), v]).concat(now.terminated[to] ? [] : [[left(to + 1), now.next_values[to]]]);
        marks.push(svg("polyline", { points: points.map(([x, v]) => `${x},${scale(v)}`).join(" "), fill: "none", stroke: "var(--violet)", "stroke-width": 2 }));
        marks.push(points.map(([x, v], i) => svg("circle", { cx: x, cy: scale(v), r: 3, fill: i + from > to ? "var(--paper)" : "var(--violet)", stroke: "var(--violet)", "stroke-width": 1.5 })));
      }
      return marks;
    });
    const colour = (number) => (number < 0 ? "var(--amber)" : "var(--teal)");
    const spread = [0, 0.25, 0.5, 0.75, 1].map((l) => advantages(now, gamma, l));
    const common = range(delta, ...spread, truth || []);
    const counted = (t) => t >= step && t <= last;
    panel("TD errors δ", 66, common, (scale) => bars(delta, scale, (t, x) => ({ fill: colour(x), "fill-opacity": counted(t) ? 1 : 0.35 })));
    panel(`weight of each δ in A at t = ${step}: (γλ)ˡ`, 46, [0, 1.08], (scale) => bars(weight, scale, () => ({ fill: "var(--ink)", "fill-opacity": 0.75 })));
    panel(truth ? "advantages A (bars); exact ones (rings)" : "advantages A", 84, common, (scale) => [
      bars(advantage, scale, (t, x) => ({ fill: colour(x), "fill-opacity": t === step ? 1 : 0.6, stroke: t === step ? "var(--ink)" : "none", "stroke-width": 2 })),
      truth && truth.map((x, t) => svg("circle", { cx: left(t) + column / 2, cy: scale(x), r: 4, fill: "none", stroke: "var(--ink)", "stroke-width": 1.5 })),
    ]);

    // behind everything: the chosen column, one band for each episode, and how it ended
    const height = top + 20;
    const back = [], fronts = [];
    for (let from = 0, odd = false; from < length; from = lastOfEpisode(from) + 1, odd = !odd) {
      const to = lastOfEpisode(from);
      if (odd) back.push(svg("rect", { x: left(from), y: 14, width: column * (to - from + 1), height: top - 34, fill: "var(--band)" }));
      const ending = now.terminated[to] ? ["terminated", "term."] : now.truncated[to] ? ["truncated", "trunc."] : ["goes on", "…"];
      const how = ending[column * (to - from + 1) < 60 ? 1 : 0]; // a short episode has no room for the word
      const x = left(to + 1);
      if (ends(to)) fronts.push(svg("line", { x1: x, x2: x, y1: 14, y2: top - 20, stroke: "var(--ink)", "stroke-width": 1.5, "stroke-dasharray": now.terminated[to] ? null : "5 4" }));
      fronts.push(svg("text", { x: Math.min(x, right) - 3, y: 10, "text-anchor": "end", "font-size": 11 }, how));
    }
    back.push(svg("rect", { x: left(step), y: 14, width: column, height: top - 34, fill: "var(--teal)", "fill-opacity": 0.13 }));
    const every = Math.ceil(22 / column);
    const shown = now.rewards.map((_, t) => t).filter((t) => t % every === 0);
    parts.push(bottomAxis((t) => left(t) + column / 2, shown, { y: top - 17, title: { x: (MARGIN.left + right) / 2, text: "step t" } }));
    const targets = now.rewards.map((_, t) => svg("rect", { x: left(t), y: 14, width: column, height: top - 34, fill: "transparent", cursor: "pointer", onclick: () => pick(t) }));
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, back, parts, fronts, targets));

    const how = now.terminated[last] ? `the episode terminates at t = ${last}` : now.truncated[last] ? `the episode is truncated at t = ${last}` : `the rollout ends at t = ${last}`;
    // the terms of the sum that count most, in the order of time
    const terms = weight.map((w, k) => ({ k, term: Math.abs(w * delta[k]) })).filter(({ term }) => term > 0.0005);
    const shownTerms = terms.sort((a, b) => b.term - a.term).slice(0, 3).sort((a, b) => a.k - b.k);
    const sum = shownTerms.map(({ k }) => `${fixed(weight[k])}·${delta[k] < 0 ? `(${fixed(delta[k])})` : fixed(delta[k])}`).join(" + ") + (terms.length > 3 ? " + …" : "");
    const limit = gaeLambda === 0 ? "λ = 0, the TD error: A is the step's own δ, and all else is left to the critic."
      : gaeLambda === 1 ? "λ = 1, Monte Carlo: A is every discounted reward to come, minus V; the critic speaks only once more, where an episode is cut."
      : `γλ = ${fixed(gamma * gaeLambda, 3)}: each step further counts that much less${gamma * gaeLambda > 0 ? `, half after ${brief(Math.log(0.5) / Math.log(gamma * gaeLambda))} steps` : ""}.`;
    const lines = [limit, `A at t = ${step} is ${sum ? sum + " = " : ""}${fixed(advantage[step], 3)}: ${last - step + 1} δ can count, and ${how}.`];
    return {
      label: `Four charts over ${length} steps: rewards and values, TD errors, weights, advantages. ${lines[1]}`,
      readout: lines,
      table: [
        ["t", "r", "V(o)", "V(next)", "end", "δ", `weight in A at ${step}`, "A", ...(truth ? ["exact A"] : [])],
        ...now.rewards.map((r, t) => [t, fixed(r), fixed(now.values[t]), fixed(now.next_values[t]), now.terminated[t] ? "terminated" : now.truncated[t] ? "truncated" : "", fixed(delta[t]), fixed(weight[t]), fixed(advantage[t]), ...(truth ? [fixed(truth[t])] : [])]),
      ],
    };
  }

  const critics = [["untrained", "untrained: 0 everywhere"], ["half-trained", "half-trained"], ["exact", "exact"]];
  return frame({ model, el }, {
    watch: ["gamma", "gae_lambda", "step", "critic"],
    controls: [
      slider(model, "gae_lambda", { label: "λ", min: 0, max: 1, step: 0.01, format: (x) => fixed(x) }),
      slider(model, "gamma", { label: "discount γ", min: 0, max: 1, step: 0.01, format: (x) => fixed(x) }),
      slider(model, "step", { label: "look at step t", min: 0, max: length - 1, format: (t) => `t = ${t}` }),
      process && choice(model, "critic", { label: "critic", options: critics }),
      html("div", { class: "explorable-buttons" }, preset(model, "λ = 0: TD error", { gae_lambda: 0 }), preset(model, "λ = 1: Monte Carlo", { gae_lambda: 1 })),
    ],
    draw,
  });
}

export default { render };
