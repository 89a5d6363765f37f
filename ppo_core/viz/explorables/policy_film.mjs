// Moments of one training run: an episode at each, what the policy would do elsewhere, and where it is on the learning curve.
import { bottomAxis, clamp, fixed, frame, html, leftAxis, linear, slider, svg, ticks } from "./common.mjs";

// --- reading the data, tested against ppo_core and Gymnasium -------------------------------------------------------

export const STEP_SECONDS = 0.02; // of CartPole

// "5 -2 0" -> [0.005, 0.003, 0.003]: thousandths, each as its difference from the one before
export function unpack(text) {
  let sum = 0;
  return text.split(" ").map((difference) => (sum += Number(difference)) / 1000);
}

// CartPole moves each position by its speed of now, so the speed of a step is the difference to the next one.
export function speedAt(positions, step) {
  const from = clamp(step, 0, positions.length - 2);
  return (positions[from + 1] - positions[from]) / STEP_SECONDS;
}

// The row of the map that is nearest to (angle, speed); what lies outside the map belongs to its edge.
export function nearestCell([lowAngle, highAngle, angles], [lowSpeed, highSpeed, speeds], angle, speed) {
  const place = (low, high, count, value) => Math.round(clamp((value - low) / (high - low), 0, 1) * (count - 1));
  return place(lowSpeed, highSpeed, speeds, speed) * angles + place(lowAngle, highAngle, angles, angle);
}

// --- the picture -------------------------------------------------------------------------------------------------

const TRACK = 2.4; // CartPole ends an episode beyond it
const ENDINGS = {
  cut: "the time limit cuts it",
  fallen: "the pole leans too far",
  "off the track": "the cart leaves the track",
};
const EVERY = 25; // a ghost of the pole for each half second

export function render({ model, el }) {
  const data = model.get("data");
  const films = data.moments.map((moment) => ({ ...moment, x: unpack(moment.position), theta: unpack(moment.angle), push: unpack(moment.push_right), at: unpack(moment.push_right_at) }));
  const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
  const film = () => films[clamp(model.get("moment"), 0, films.length - 1)];
  const length = () => film().actions.length;
  let map = { key: null, node: null }; // hundreds of cells, drawn again only when they change

  function actionMap(one, from, top, size) {
    const key = `${one.steps} ${from} ${top} ${size}`;
    if (map.key === key) return map.node;
    const [low, high, columns] = data.angles, [slow, fast, rows] = data.speeds;
    const cell = size / columns, tall = size / rows;
    const x = linear([low, high], [from + cell / 2, from + size - cell / 2]), y = linear([slow, fast], [top + size - tall / 2, top + tall / 2]);
    const cells = one.push.map((p, i) => svg("rect", {
      x: from + (i % columns) * cell, y: top + size - (Math.floor(i / columns) + 1) * tall, width: cell, height: tall, "shape-rendering": "crispEdges",
      fill: p > 0.5 ? "var(--teal)" : "var(--amber)", "fill-opacity": Math.abs(2 * p - 1).toFixed(2) }));
    const keys = [["left", 0], ["", 0.25], ["", 0.5], ["", 0.75], ["right", 1]];
    const node = svg("g", {},
      svg("rect", { x: from, y: top, width: size, height: size, fill: "none", stroke: "var(--edge)" }), cells,
      leftAxis(y, [-2, -1, 0, 1, 2], { from, to: from, format: (v) => fixed(v, 0) }),
      bottomAxis(x, [-0.2, -0.1, 0, 0.1, 0.2], { y: top + size, format: (v) => fixed(v, 1), title: { x: from + size / 2, text: "angle (rad); upwards: turning speed (rad/s)" } }),
      keys.map(([, p], i) => svg("rect", { x: from + 34 + i * 15, y: top + size + 40, width: 15, height: 12, fill: p > 0.5 ? "var(--teal)" : "var(--amber)", "fill-opacity": Math.abs(2 * p - 1), stroke: "var(--edge)" })),
      svg("text", { x: from, y: top + size + 50 }, "left"), svg("text", { x: from + 34 + 75 + 6, y: top + size + 50 }, "right (cart in the middle, at rest)"));
    map = { key, node, x, y };
    return node;
  }

  function draw(picture, width) {
    const one = film(), last = one.actions.length, step = clamp(model.get("step"), 0, last);
    if (Number(time.querySelector("input").max) !== last) time.setRange({ max: last });
    const wide = width >= 620, parts = [];
    const title = (text, x, y) => parts.push(svg("text", { x, y, "font-weight": 600 }, text));

    // the cart, as large as the track allows
    const unit = Math.min((width - 20) / 5.5, 120), ground = 30 + 1.25 * unit;
    const x = linear([-2.75, 2.75], [width / 2 - 2.75 * unit, width / 2 + 2.75 * unit]);
    const pivot = ground - 0.2 * unit, over = step === last && one.ending !== "cut";
    const pole = (i, attributes) => svg("line", { x1: x(one.x[i]), y1: pivot, x2: x(one.x[i]) + unit * Math.sin(one.theta[i]), y2: pivot - unit * Math.cos(one.theta[i]), "stroke-linecap": "round", ...attributes });
    title("The episode; faint: every half second of it", 0, 14);
    parts.push(svg("line", { x1: x(-TRACK), x2: x(TRACK), y1: ground, y2: ground, stroke: "var(--muted)", "stroke-width": 2 }));
    for (const end of [-TRACK, TRACK]) parts.push(svg("line", { x1: x(end), x2: x(end), y1: ground - 8, y2: ground + 8, stroke: "var(--muted)", "stroke-width": 2 }));
    for (let i = 0; i <= last; i += EVERY) parts.push(pole(i, { stroke: "var(--muted)", "stroke-width": 2, opacity: 0.3 }));
    const half = 0.22 * unit, cart = x(one.x[step]);
    parts.push(svg("rect", { x: cart - half, y: ground - 0.27 * unit, width: 2 * half, height: 0.19 * unit, rx: 3, fill: "var(--teal)" }));
    for (const side of [-0.6, 0.6]) parts.push(svg("circle", { cx: cart + side * half, cy: ground - 0.05 * unit, r: 0.05 * unit, fill: "var(--teal)" }));
    parts.push(pole(step, { stroke: over ? "var(--bad)" : "var(--amber)", "stroke-width": Math.max(0.07 * unit, 4) }));
    if (step < last) {
      const to = one.actions[step] === "1" ? 1 : -1, tail = cart + to * (half + 5), tip = tail + to * 20;
      parts.push(svg("path", { d: `M${tail} ${ground - 0.17 * unit}H${tip}m${-to * 7} -5l${to * 7} 5l${-to * 7} 5`, fill: "none", stroke: "var(--ink)", "stroke-width": 2 }));
    }

    // the map of actions
    const below = ground + 44, size = Math.floor(wide ? Math.min(width * 0.42, 300) - 28 : Math.min(width - 34, 300));
    title("Probability of a push to the right", 0, below - 14);
    parts.push(actionMap(one, 28, below, size));
    const angle = one.theta[step], turning = speedAt(one.theta, step);
    const inside = (value, [low, high]) => clamp(value, low, high);
    parts.push(svg("circle", { cx: map.x(inside(angle, data.angles)), cy: map.y(inside(turning, data.speeds)), r: 6, fill: "var(--ink)", stroke: "var(--paper)", "stroke-width": 2 }));

    // the learning curve
    const from = wide ? 28 + size + 76 : 40, right = width - 14, top = wide ? below : below + size + 100, tall = wide ? size : 130;
    title("Return while learning", from - (wide ? 34 : 40), wide ? below - 14 : top - 14);
    const end = data.batch_size * data.curve.length;
    const sx = linear([0, end], [from, right]), sy = linear([0, 500], [top + tall, top + (wide ? 8 : 0)]);
    parts.push(leftAxis(sy, [0, 250, 500], { from, to: right, format: (v) => fixed(v, 0) }));
    parts.push(svg("line", { x1: sx(one.steps), x2: sx(one.steps), y1: top, y2: top + tall, stroke: "var(--amber)", "stroke-width": 2 }));
    const points = data.curve.map((value, i) => [sx(data.batch_size * (i + 1)), value]).filter(([, value]) => value !== null);
    parts.push(svg("path", { d: points.map(([a, value], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${sy(value).toFixed(1)}`).join(""), fill: "none", stroke: "var(--teal)", "stroke-width": 2 }));
    for (const other of films) {
      const me = other === one;
      parts.push(svg("circle", { cx: sx(other.steps), cy: sy(other.mean_return), r: me ? 6 : 4, fill: me ? "var(--amber)" : "var(--paper)", stroke: me ? "var(--paper)" : "var(--amber)", "stroke-width": 2 }));
    }
    parts.push(bottomAxis(sx, ticks(0, end, 4), { y: top + tall, format: (v) => fixed(v / 1000, 0), title: { x: (from + right) / 2, text: "thousand steps; circles: most probable actions" } }));

    const height = Math.max(below + size + 60, top + tall + 40);
    picture.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, parts));

    const learning = data.curve[Math.round(one.steps / data.batch_size) - 1];
    const p = one.push[nearestCell(data.angles, data.speeds, angle, turning)];
    const lines = [
      `After ${one.steps.toLocaleString("en")} steps of training this episode lasts ${last} steps: ${ENDINGS[one.ending]}. Mean return of twenty such episodes ${fixed(one.mean_return, 1)}${learning ? `; while learning, with sampled actions, ${fixed(learning, 1)}` : ""}.`,
      `Step ${step}: cart at ${fixed(one.x[step])}, pole at ${fixed(angle)} rad, ${step < last ? `push to the ${one.actions[step] === "1" ? "right" : "left"}` : "the end"}. With the cart at rest in the middle the push would go to the right with probability ${fixed(p)}.`,
    ];
    return {
      label: `A cart and its pole, a map of the policy's actions, and the learning curve with a mark. ${lines.join(" ")}`,
      readout: lines,
      table: [["training steps", "this episode", "its end", "mean of 20", `right at ${fixed(data.positions[0], 0)}`, "at 0", `at ${fixed(data.positions[1], 0)}`], ...films.map((f) => [f.steps.toLocaleString("en"), `${f.actions.length} steps`, ENDINGS[f.ending], fixed(f.mean_return, 1), ...[f.at[0], f.at[(f.at.length - 1) / 2], f.at.at(-1)].map((p) => fixed(p))])],
    };
  }

  // --- the player: at the speed of the task while it plays, and silent, until it stops
  let playing = null;
  const speak = (on) => el.querySelector(".explorable-readout")?.setAttribute("aria-live", on ? "polite" : "off");
  const button = html("button", { type: "button", onclick: () => (still ? jump() : playing === null ? play() : stop()) }, still ? "Ten steps on" : "Play");
  function jump() {
    model.set("step", model.get("step") >= length() ? 0 : Math.min(model.get("step") + 10, length()));
    model.save_changes();
  }
  function stop() {
    if (playing === null) return;
    cancelAnimationFrame(playing);
    playing = null;
    button.textContent = "Play";
    speak(true);
    model.save_changes();
  }
  function play() {
    const first = model.get("step") >= length() ? 0 : model.get("step");
    let began = null;
    speak(false);
    button.textContent = "Pause";
    const tick = (now) => {
      if (!el.isConnected) return stop();
      began ??= now;
      const step = Math.min(first + Math.floor((now - began) / 1000 / STEP_SECONDS), length());
      ours = true;
      model.set("step", step);
      ours = false;
      if (step >= length()) return stop();
      playing = requestAnimationFrame(tick);
    };
    playing = requestAnimationFrame(tick);
  }
  let ours = false; // whether the player moves the slider, or somebody else, who stops it
  const time = slider(model, "step", { label: "step of the episode", min: 0, max: length(), format: (i) => `${Math.min(i, length())} of ${length()}` });
  const end = frame({ model, el }, {
    watch: ["moment", "step"],
    controls: [
      slider(model, "moment", { label: "trained for", min: 0, max: films.length - 1, format: (i) => `${films[clamp(i, 0, films.length - 1)].steps.toLocaleString("en")} steps` }),
      time,
      html("div", { class: "explorable-buttons" }, button),
    ],
    draw,
  });
  const rewind = () => {
    stop();
    model.set("step", 0);
    model.save_changes();
    time.setRange({ max: length() });
  };
  const halt = () => ours || stop();
  model.on("change:moment", rewind);
  model.on("change:step", halt);
  return () => {
    stop();
    model.off("change:moment", rewind);
    model.off("change:step", halt);
    end();
  };
}

export default { render };
