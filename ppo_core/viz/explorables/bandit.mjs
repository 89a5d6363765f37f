// A bandit with four arms and a softmax policy: one guess, its push on the logits, and the exact gradient beside it.
import { choice, fixed, frame, html, leftAxis, linear, preset, slider, svg, ticks } from "./common.mjs";

// --- the mathematics, tested against NumPy and torch ---------------------------------------------------------------

export const NOISE = 1; // standard deviation of a reward around its arm's mean
export const KEPT = 400; // rounds that the lowest chart shows

export function softmax(logits) {
  const top = Math.max(...logits);
  const weights = logits.map((z) => Math.exp(z - top));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / sum);
}

// One-hot minus probabilities.
export const score = (probs, arm) => probs.map((p, k) => (k === arm ? 1 : 0) - p);

export const meanReward = (probs, rewards) => probs.reduce((sum, p, k) => sum + p * rewards[k], 0);

// dJ / dlogit k = π(k) (Q(k) − J)
export function exactGradient(probs, rewards) {
  const mean = meanReward(probs, rewards);
  return probs.map((p, k) => p * (rewards[k] - mean));
}

// The push of one guess: (r − b) times its score.
export const push = (probs, arm, reward, baseline) => score(probs, arm).map((s) => (reward - baseline) * s);

// How far a push lies from the exact gradient, as the root of the mean square, all knobs together; exact, not sampled.
export function spread(probs, rewards, baseline, noise = NOISE) {
  const length = (vector) => vector.reduce((sum, x) => sum + x * x, 0);
  const second = probs.reduce((sum, p, arm) => sum + p * ((rewards[arm] - baseline) ** 2 + noise ** 2) * length(score(probs, arm)), 0);
  return Math.sqrt(Math.max(0, second - length(exactGradient(probs, rewards))));
}

// A number in [0, 1) that depends on its two arguments alone, so that a run can be repeated.
export function uniform(seed, counter) {
  let h = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(counter + 1, 0x85ebca6b)) >>> 0;
  for (const [shift, factor] of [[16, 0x7feb352d], [15, 0x846ca68b]]) h = Math.imul(h ^ (h >>> shift), factor) >>> 0;
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

// The luck of a round: `u` chooses the arm, `normal` is the noise of its reward.
export function luck(seed, round) {
  const [u, v, w] = [0, 1, 2].map((i) => uniform(seed, 3 * round + i));
  return { u, normal: Math.sqrt(-2 * Math.log(1 - v)) * Math.cos(2 * Math.PI * w) };
}

// The guess of the next round: which arm, what it pays, what is subtracted, and what it would do to the logits.
export function guess(run, { rewards, baseline, seed }) {
  const probs = softmax(run.logits), { u, normal } = luck(seed, run.round);
  let arm = 0, sum = probs[0];
  while (u >= sum && arm < probs.length - 1) sum += probs[++arm];
  while (probs[arm] === 0) arm--; // rounding must not draw an arm of probability 0
  const reward = rewards[arm] + NOISE * normal, subtracted = baseline === "mean" ? run.average : 0;
  return { probs, arm, reward, subtracted, push: push(probs, arm, reward, subtracted) };
}

export const fresh = (arms = 4) => ({ round: 0, logits: Array(arms).fill(0), average: 0, history: [] });

// `rounds` rounds later. A run is plain data: the round, the logits, the mean of all rewards so far, and the mean rewards J.
export function reinforce(run, settings, rounds = 1) {
  let { round, logits, average, history } = run;
  history = [...history];
  for (let i = 0; i < rounds; i++) {
    const { probs, reward, push: change } = guess({ round, logits, average }, settings);
    history.push(meanReward(probs, settings.rewards));
    logits = logits.map((z, k) => z + settings.rate * change[k]);
    round += 1;
    average += (reward - average) / round;
  }
  return { round, logits, average, history: history.slice(-KEPT) };
}

// --- the picture -------------------------------------------------------------------------------------------------

const ARMS = [0, 1, 2, 3];
const RATES = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
const BASELINES = [["none", "none"], ["mean", "mean of the rewards so far"]];
const LEFT = 38, RIGHT = 8;
const TOP_SIZES = [0.5, 1, 2, 3, 4, 6, 8, 10, 15, 20];

export function render({ model, el }) {
  const settings = () => ({
    rewards: ARMS.map((arm) => model.get(`reward_${arm}`)),
    rate: model.get("learning_rate"),
    baseline: model.get("baseline"),
    seed: model.get("seed"),
  });
  const button = (text, onclick) => html("button", { type: "button", onclick: () => { onclick(); model.save_changes(); } }, text);
  const advance = (rounds) => model.set("run", reinforce(model.get("run"), settings(), rounds));

  function draw(picture, width) {
    const run = model.get("run"), now = settings(), { rewards } = now;
    const { probs, arm: pulled, reward, subtracted, push: sampled } = guess(run, now);
    const exact = exactGradient(probs, rewards), mean = meanReward(probs, rewards);
    const column = (width - LEFT - RIGHT) / ARMS.length;
    const middle = (arm) => LEFT + (arm + 0.5) * column;
    const range = { from: LEFT, to: width - RIGHT };
    const parts = [];
    const title = (y, text) => parts.push(svg("text", { x: 0, y, "font-weight": 600 }, text));
    const key = (x, y, colour, text) => parts.push(
      svg("path", { d: `M ${x + 5} ${y - 9} v 10 M ${x} ${y - 4} l 5 -6 l 5 6`, stroke: colour, "stroke-width": 2.5, fill: "none" }),
      svg("text", { x: x + 16, y, "font-size": 11 }, text));

    // the policy
    title(14, "The policy: how probable each arm is");
    const y = linear([0, 1], [122, 34]);
    parts.push(leftAxis(y, [0, 0.5, 1], range));
    for (const arm of ARMS) {
      const size = column * 0.46;
      parts.push(
        svg("rect", { x: middle(arm) - size / 2, width: size, y: y(probs[arm]), height: y(0) - y(probs[arm]), fill: "var(--teal)", opacity: arm === pulled ? 1 : 0.55 }),
        svg("text", { x: middle(arm), y: y(probs[arm]) - 5, "text-anchor": "middle", "font-size": 11 }, fixed(probs[arm])),
        svg("text", { x: middle(arm), y: 138, "text-anchor": "middle", "font-weight": arm === pulled ? 600 : 400 }, `arm ${arm}`),
        svg("text", { x: middle(arm), y: 153, "text-anchor": "middle", "font-size": 11, fill: "var(--muted)" }, arm === pulled ? `guess: ${fixed(reward, 1)}` : `pays ${fixed(rewards[arm], 1)}`));
    }

    // the arrows
    title(184, "The push on each logit");
    key(0, 203, "var(--teal)", "exact, the mean of all guesses");
    if (width > 430) key(210, 203, "var(--amber)", "this guess");
    else key(0, 220, "var(--amber)", "this guess");
    const from = width > 430 ? 224 : 240, to = from + 126;
    const largest = Math.max(...exact.map(Math.abs), ...sampled.map(Math.abs));
    const top = TOP_SIZES.find((size) => size >= largest) || largest;
    const force = linear([-top, top], [to, from]);
    parts.push(leftAxis(force, [-top, 0, top], { ...range, format: (x) => fixed(x, top < 1 ? 1 : 0) }));
    const arrow = (x, value, colour) => {
      const tip = force(value), zero = force(0), length = Math.abs(tip - zero), sign = value < 0 ? -1 : 1;
      const head = Math.min(9, length);
      parts.push(
        svg("line", { x1: x, x2: x, y1: zero, y2: tip + sign * head * 0.8, stroke: colour, "stroke-width": 4 }),
        length < 1.5 ? svg("line", { x1: x - 6, x2: x + 6, y1: zero, y2: zero, stroke: colour, "stroke-width": 3 })
          : svg("path", { d: `M ${x} ${tip} l -7 ${sign * head} h 14 z`, fill: colour }),
        svg("text", { x, y: value < 0 ? tip + 13 : tip - 4, "text-anchor": "middle", "font-size": 10.5 }, fixed(value, 2)));
    };
    for (const arm of ARMS) {
      const apart = Math.max(17, column * 0.14);
      arrow(middle(arm) - apart, exact[arm], "var(--teal)");
      arrow(middle(arm) + apart, sampled[arm], "var(--amber)");
      parts.push(svg("text", { x: middle(arm), y: to + 30, "text-anchor": "middle" }, `arm ${arm}`));
    }

    // the mean reward, round by round
    const low = to + 80, base = low + 76, best = Math.max(...rewards);
    title(low - 18, `Mean reward, the last ${KEPT} rounds`);
    const seen = [...run.history, mean];
    const bounds = [Math.min(...rewards, ...seen), Math.max(best, ...seen)];
    if (bounds[1] - bounds[0] < 1) bounds[1] = bounds[0] + 1;
    const height = linear(bounds, [base, low]), x = linear([0, KEPT], [LEFT, width - RIGHT]);
    parts.push(leftAxis(height, ticks(...bounds, 3), range),
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: height(best), y2: height(best), stroke: "var(--good)", "stroke-dasharray": "6 4", "stroke-width": 1.5 }),
      svg("text", { x: width - RIGHT, y: height(best) - 4, "text-anchor": "end", "font-size": 11 }, "best arm"),
      svg("polyline", { points: seen.map((value, i) => `${x(i)},${height(value)}`).join(" "), fill: "none", stroke: "var(--violet)", "stroke-width": 2 }),
      svg("circle", { cx: x(seen.length - 1), cy: height(mean), r: 4, fill: "var(--violet)" }));
    const total = base + 12;
    picture.replaceChildren(svg("svg", { width, height: total, viewBox: `0 0 ${width} ${total}` }, parts));

    const counts = now.baseline === "mean" ? `; minus the baseline ${fixed(subtracted)} it counts ${fixed(reward - subtracted)}` : "";
    const lines = [
      `Round ${run.round}: the guess is arm ${pulled}, with probability ${fixed(probs[pulled])}, and the reward is ${fixed(reward)}${counts}.`,
      `The exact gradient has length ${fixed(Math.hypot(...exact))}; one guess lies ${fixed(spread(probs, rewards, subtracted))} away from it, as a root mean square. Mean reward ${fixed(mean)}, best arm ${fixed(best)}.`,
    ];
    const words = ARMS.map((arm) => `arm ${arm}: probability ${fixed(probs[arm])}, exact ${fixed(exact[arm])}, this guess ${fixed(sampled[arm])}`).join("; ");
    return {
      label: `Three charts: the probability of each arm, the exact gradient beside the push of one guess, and the mean reward over the rounds. ${words}.`,
      readout: lines,
      table: [
        ["arm", "pays, in the mean", "probability", "logit", "exact gradient", "this guess"],
        ...ARMS.map((arm) => [String(arm), fixed(rewards[arm], 1), fixed(probs[arm], 3), fixed(run.logits[arm]), fixed(exact[arm], 3), fixed(sampled[arm], 3)]),
      ],
    };
  }

  return frame({ model, el }, {
    watch: [...ARMS.map((arm) => `reward_${arm}`), "learning_rate", "baseline", "seed", "run"],
    controls: [
      ...ARMS.map((arm) => slider(model, `reward_${arm}`, { label: `arm ${arm} pays`, min: -2, max: 8, step: 0.1, format: (r) => fixed(r, 1) })),
      slider(model, "learning_rate", { label: "learning rate", values: RATES }),
      choice(model, "baseline", { label: "baseline", options: BASELINES }),
      html("div", { class: "explorable-buttons" },
        button("reinforce this guess", () => advance(1)),
        button("20 rounds", () => advance(20)),
        button("200 rounds", () => advance(200)),
        button("start again", () => model.set("run", fresh())),
        button("other luck", () => { model.set("seed", (model.get("seed") + 1) % 1000); model.set("run", fresh()); }),
        preset(model, "rewards around 0", { reward_0: -0.5, reward_1: 0, reward_2: 1, reward_3: -0.5 }),
        preset(model, "rewards around 5", { reward_0: 4.5, reward_1: 5, reward_2: 6, reward_3: 4.5 })),
    ],
    draw,
  });
}

export default { render };
