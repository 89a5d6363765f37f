// Opens pages of the built book in headless Chromium with the network cut off, and says what is wrong with them.
//
//   node tests/browser/pages.mjs book/_build/html                     every page; exit code 1 if anything is wrong
//        --only 05_gae      pages whose path contains this
//        --shots DIR        a picture of each page at 1280 and 390 px, light and dark  (--full: of its whole length)
//        --stdin            read one JSON line {"page": ...} after the other, answer each with a JSON line (for pytest)
//
// Each page is loaded at 1280 and at 390 px, from a local server and from file://, seen in light and in dark.
// Chromium: /usr/bin/chromium, or what the variable CHROMIUM names.
import { createServer } from "node:http";
import { mkdir, readFile, readdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname, join, relative, resolve, sep } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = { 1280: 900, 390: 844 };
const NOT_PAGES = new Set(["_static", "_sources", "_images", "_downloads"]);
const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
  ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif", ".ico": "image/x-icon",
  ".mp4": "video/mp4", ".woff": "font/woff", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
};

// --- the command line

const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : null);
const root = resolve(args[0] ?? "book/_build/html");
const shots = option("--shots");

async function allPages(folder = root) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!NOT_PAGES.has(entry.name)) found.push(...(await allPages(path)));
    } else if (entry.name.endsWith(".html")) found.push(relative(root, path).split(sep).join("/"));
  }
  return found.sort();
}

// --- the book on a local server

const server = createServer(async (request, response) => {
  try {
    const path = join(root, decodeURIComponent(new URL(request.url, "http://book").pathname));
    const file = (await stat(path)).isDirectory() ? join(path, "index.html") : path;
    const body = await readFile(file);
    const headers = { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "accept-ranges": "bytes" };
    const part = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? ""); // a film is read in parts
    if (!part) return response.writeHead(200, headers).end(body);
    const [start, end] = [Number(part[1]), Math.min(Number(part[2] || Infinity), body.length - 1)];
    response.writeHead(206, { ...headers, "content-range": `bytes ${start}-${end}/${body.length}` }).end(body.subarray(start, end + 1));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const bases = { server: `http://127.0.0.1:${server.address().port}/`, file: pathToFileURL(root + sep).href };

// --- the browser: no name resolves, and whatever is not on this machine goes to a proxy that does not exist

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  proxy: { server: "http://127.0.0.1:9", bypass: "127.0.0.1" },
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});
const contexts = {};
for (const [width, height] of Object.entries(WIDTHS)) {
  for (const mode of Object.keys(bases)) {
    contexts[`${mode} ${width}`] = await browser.newContext({
      viewport: { width: Number(width), height }, colorScheme: "light", reducedMotion: "reduce", serviceWorkers: "block",
    });
  }
}

// --- one page

/** What is wrong with a page. `loads` chooses some of its four loads, `patience` is how long an explorable may take to start. */
async function check(page, { pictures = shots, full = args.includes("--full"), loads = null, patience = 8000 } = {}) {
  const findings = new Map(); // what -> the places where it was seen
  const seen = { images: [], explorables: 0, controls: 0, maths: 0, loads: 0 };
  for (const mode of Object.keys(bases)) {
    for (const width of Object.keys(WIDTHS)) {
      if (loads && !loads.includes(`${mode} ${width}`)) continue;
      const report = (what, theme = "") => {
        const place = [mode, width, theme].filter(Boolean).join(" ");
        findings.set(what, [...(findings.get(what) ?? []), place]);
      };
      const tab = await contexts[`${mode} ${width}`].newPage();
      try {
        await visit(tab, bases[mode], page, mode === "server", patience, report, seen, async (theme) => {
          if (!pictures || mode === "file") return;
          await mkdir(pictures, { recursive: true });
          const name = `${page.replace(/\.html$/, "").replaceAll("/", "__")}.${width}.${theme}.png`;
          await tab.screenshot({ path: join(pictures, name), fullPage: full });
        });
      } catch (error) {
        report(`the check itself failed: ${String(error).split("\n")[0]}`);
      } finally {
        await tab.close();
      }
      seen.loads += 1;
    }
  }
  return { page, findings: [...findings].map(([what, where]) => `${what} [${where.join(", ")}]`), ...seen };
}

async function visit(tab, base, page, withAxe, patience, report, seen, picture) {
  const local = (url) => url.startsWith(base) || /^(data|blob|about):/.test(url);
  tab.on("request", (request) => local(request.url()) || report(`asks for ${request.url()}, outside the book`));
  tab.on("websocket", (socket) => report(`opens a socket to ${socket.url()}`));
  tab.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "";
    if (local(request.url()) && why !== "net::ERR_ABORTED") report(`could not load ${request.url().slice(base.length)} (${why})`);
  });
  tab.on("response", (answer) => answer.status() >= 400 && report(`could not load ${answer.url().slice(base.length)} (${answer.status()})`));
  tab.on("console", (message) => message.type() === "error" && report(`console error: ${message.text().slice(0, 300)}`));
  tab.on("pageerror", (error) => report(`script error: ${String(error).slice(0, 300)}`));

  await tab.emulateMedia({ colorScheme: "light" });
  await tab.goto(base + page, { waitUntil: "load", timeout: 30_000 });
  await typeset(tab);
  await throughThePage(tab);
  const explorables = await tab.locator(LIVE).count();
  for (let i = 0; i < explorables; i++) {
    const { moved, faults } = await moveByKeyboard(tab, i, patience);
    seen.controls += moved;
    for (const fault of faults) report(fault);
  }

  const state = await tab.evaluate(inspect);
  seen.explorables = explorables;
  seen.maths = state.maths;
  for (const image of state.images) {
    if (!seen.images.some((other) => other.src === image.src && other.alt === image.alt)) seen.images.push(image);
  }
  for (const fault of state.faults) report(fault);

  for (const theme of ["light", "dark"]) {
    if (theme === "dark") {
      const themed = await tab.evaluate(() => "theme" in document.documentElement.dataset);
      await tab.emulateMedia({ colorScheme: "dark" });
      const follows = () => document.documentElement.dataset.theme === "dark";
      if (themed) await tab.waitForFunction(follows, null, { timeout: 3000 }).catch(() => report("does not follow the dark mode"));
      await tab.waitForTimeout(150);
    }
    for (const fault of await tab.evaluate(tooWide)) report(fault, theme);
    if (withAxe) for (const fault of await accessibility(tab, theme)) report(fault, theme);
    await picture(theme);
  }
}

/** Wait until MathJax, if the page has loaded it, has set every formula, or as long as that can reasonably take. */
async function typeset(tab) {
  await tab.evaluate(() => Promise.race([window.MathJax?.startup?.promise, new Promise((end) => setTimeout(end, 20_000))]));
}

/** Scroll to the end and back, so that what loads late is loaded. */
async function throughThePage(tab) {
  await tab.evaluate(async () => {
    const frame = () => new Promise((next) => requestAnimationFrame(next));
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
      scrollTo({ top: y, behavior: "instant" });
      await frame();
    }
    const late = [...document.images].filter((image) => image.loading === "lazy" && !image.complete);
    const loaded = late.map((image) => new Promise((end) => (image.onload = image.onerror = end)));
    await Promise.race([Promise.all(loaded), new Promise((end) => setTimeout(end, 3000))]);
    scrollTo({ top: 0, behavior: "instant" });
    await frame();
  });
  await tab.waitForTimeout(50);
}

/** Runs in the page: maths, images and leftovers. */
function inspect() {
  const faults = [];
  const brief = (text) => JSON.stringify(text.trim().replace(/\s+/g, " ").slice(0, 60));
  const maths = [...document.querySelectorAll(".math")].filter((element) => !element.querySelector(".math"));
  const raw = maths.filter((element) => !element.querySelector("mjx-container, math"));
  if (raw.length) faults.push(`${raw.length} of ${maths.length} formulas are not typeset, e.g. ${brief(raw[0].textContent)}`);
  const wrong = [...document.querySelectorAll("mjx-merror, [data-mml-node=merror], [data-mjx-error]")];
  if (wrong.length) faults.push(`a formula has an error: ${brief(wrong[0].closest(".math, mjx-container")?.textContent || wrong[0].textContent)}`);
  const unknown = [...document.querySelectorAll("mjx-container mtext[mathcolor=red]")];
  const painted = document.querySelectorAll("mjx-container svg [data-mml-node=mtext][fill=red]").length;
  if (painted || unknown.length) faults.push(`a formula uses a command that MathJax does not know: ${unknown[0]?.textContent ?? painted}`);
  for (const element of document.querySelectorAll("article p, article li, article td, article dd, article h1, article h2, article h3")) {
    if (element.closest("pre, code, .math, mjx-container, .explorable")) continue;
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join(" ");
    if (/\$\$|\\\(|\\\[|\\begin\{/.test(own)) faults.push(`raw maths in the text: ${brief(own)}`);
  }
  const images = [...document.images, ...document.querySelectorAll("canvas, video, svg[role=img]")]
    .filter((image) => !image.closest("mjx-container") && !image.matches("[aria-hidden=true], [role=presentation], [aria-hidden=true] *"))
    .filter((image) => !(image.getAttribute("alt") === "" && image.closest("a, button")?.textContent.trim())) // words beside it
    .filter((image) => image.tagName !== "svg" || image.checkVisibility()) // icons of buttons that this width does not show
    .filter((image) => !image.matches(".toggler")) // the - and + of Sphinx's module index
    .map((image) => {
      const kind = image.tagName.toLowerCase();
      const title = kind === "svg" ? image.querySelector("title")?.textContent : null;
      const named = document.getElementById(image.getAttribute("aria-labelledby"))?.textContent;
      const alt = (kind === "img" ? image.getAttribute("alt") : null) ?? image.getAttribute("aria-label") ?? named ?? title ?? image.getAttribute("title") ?? "";
      const broken = kind === "img" && image.complete && !image.naturalWidth;
      return { kind, src: (image.getAttribute("src") ?? "").slice(0, 120), alt, broken };
    });
  for (const image of images) if (image.broken) faults.push(`a broken image: ${image.src}`);
  const views = document.querySelectorAll("script[type='application/vnd.jupyter.widget-view+json']").length;
  if (views) faults.push(`${views} widget(s) that need a kernel`);
  return { faults, images, maths: maths.length };
}

/** Runs in the page: whether it scrolls sideways, and what makes it so. */
function tooWide() {
  const screen = document.documentElement.clientWidth;
  const excess = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - screen;
  if (excess <= 0) return [];
  const clipped = (element) => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).overflowX !== "visible") return true;
    }
    return false;
  };
  const wide = [...document.body.querySelectorAll("*")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && box.right + scrollX > screen + 0.5 && !clipped(element);
  });
  const deepest = wide.filter((element) => !wide.some((other) => other !== element && element.contains(other)));
  const names = deepest.slice(0, 3).map((e) => `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ""}${e.className && e.className.trim ? `.${e.className.trim().split(/\s+/).join(".")}` : ""}`);
  return [`is ${excess} px wider than the screen because of ${names.join(", ") || "its body"}`];
}

/** Serious and critical findings of axe; in the dark only of the rules that look at colours. */
async function accessibility(tab, theme) {
  if (!(await tab.evaluate(() => "axe" in window))) await tab.evaluate(AXE); // not as a script element: the policy of the page would refuse it
  return tab.evaluate(async (dark) => {
    // Code is thousands of coloured words of a few kinds: for colours, one block of code that shows a kind stands for all.
    const kinds = new Set();
    for (const block of document.querySelectorAll("div.highlight pre")) {
      const own = [...block.querySelectorAll("span[class]")].map((word) => word.className);
      block.toggleAttribute("data-seen", own.length > 0 && own.every((kind) => kinds.has(kind)));
      own.forEach((kind) => kinds.add(kind));
    }
    const colours = ["color-contrast", "link-in-text-block"];
    const seen = document.querySelector("[data-seen]") ? { exclude: ["[data-seen]"] } : {};
    const others = Object.fromEntries(colours.map((rule) => [rule, { enabled: false }]));
    const runs = [await axe.run({ include: ["html"], ...seen }, { resultTypes: ["violations"], runOnly: colours })];
    if (!dark) runs.push(await axe.run(document, { resultTypes: ["violations"], rules: others }));
    const violations = runs.flatMap((run) => run.violations);
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map((violation) => {
      const where = violation.nodes.slice(0, 3).map((node) => node.target.flat().join(" "));
      const detail = violation.nodes[0].any?.[0]?.data;
      const contrast = detail?.contrastRatio ? `, ${detail.fgColor} on ${detail.bgColor} is ${detail.contrastRatio}:1` : "";
      return `axe ${violation.id} (${violation.impact}): ${violation.help}; ${violation.nodes.length} place(s): ${where.join(" | ")}${contrast}`;
    });
  }, theme === "dark");
}

// --- explorables: reach every control with Tab, move it with the arrows, and see the picture or the read-out answer

const LIVE = ".explorable, .film[data-seconds]";
const CONTROLS = "input:not([type=hidden]), select, textarea, button";
const KEYS = {
  range: ["ArrowRight", "ArrowLeft"], number: ["ArrowUp", "ArrowDown"], "select-one": ["ArrowDown", "ArrowUp"],
  radio: ["ArrowRight", "ArrowLeft"], checkbox: ["Space"], button: ["Space"], submit: ["Space"],
};

const ENDS = { range: ["Home", "End"], "select-one": ["Home", "End"] }; // extreme values do nothing silly

async function moveByKeyboard(tab, index, patience) {
  const box = tab.locator(LIVE).nth(index);
  const name = `explorable ${index + 1}`;
  const faults = [];
  try {
    await box.locator(CONTROLS).first().waitFor({ state: "visible", timeout: patience });
  } catch {
    return { moved: 0, faults: [`${name} did not start: it has no control`] };
  }
  await box.evaluate((element, controls) => {
    const before = document.createElement("span");
    before.tabIndex = -1;
    element.before(before);
    before.focus();
    before.addEventListener("blur", () => before.remove(), { once: true });
    for (const [n, control] of element.querySelectorAll(controls).entries()) control.dataset.testNumber = n;
  }, CONTROLS);
  const reached = new Set();
  let moved = 0;
  for (let step = 0; step < 60; step++) {
    await tab.keyboard.press("Tab");
    const control = await box.evaluate((element) => {
      const active = document.activeElement;
      if (!element.contains(active)) return null;
      const label = active.getAttribute("aria-label") || active.labels?.[0]?.textContent || active.textContent || active.name;
      const fixed = active.type === "range" && Number(active.min) >= Number(active.max);
      return { number: active.dataset.testNumber, type: active.type ?? "", fixed, label: (label ?? "").trim().replace(/\s+/g, " ").slice(0, 40) };
    });
    if (!control) break;
    if (control.number === undefined || reached.has(control.number)) continue;
    reached.add(control.number);
    const keys = KEYS[control.type];
    if (!keys || control.fixed || control.type === "button" || control.type === "submit") continue;
    if (await answers(tab, box, keys)) moved += 1;
    else faults.push(`${name}: "${control.label}" (${control.type}) moves nothing`);
    for (const end of ENDS[control.type] ?? []) {
      await tab.keyboard.press(end);
      await tab.waitForTimeout(60);
      const silly = await box.evaluate((element) => /\bNaN\b|\bundefined\b|\bInfinity\b|\[object /.exec(element.innerText + [...element.querySelectorAll("svg *")].map((part) => [...part.attributes].map((a) => a.value).join(" ")).join(" "))?.[0]);
      if (silly) faults.push(`${name}: "${control.label}" at its ${end === "Home" ? "lower" : "upper"} end shows ${silly}`);
    }
  }
  const unreached = await box.evaluate((element, { controls, numbers }) => {
    const radios = new Set();
    return [...element.querySelectorAll(controls)].filter((control) => {
      if (control.disabled || !control.checkVisibility()) return false;
      if (control.type === "radio") {
        if (radios.has(control.name)) return false;
        const group = [...element.querySelectorAll("input[type=radio]")].filter((other) => other.name === control.name);
        radios.add(control.name);
        return !group.some((other) => numbers.includes(other.dataset.testNumber));
      }
      return !numbers.includes(control.dataset.testNumber);
    }).map((control) => control.getAttribute("aria-label") || control.labels?.[0]?.textContent.trim() || control.textContent.trim());
  }, { controls: CONTROLS, numbers: [...reached] });
  for (const label of unreached) faults.push(`${name}: "${label}" cannot be reached with the Tab key`);
  if (!moved && !faults.length) {
    await box.locator("button").first().focus();
    if (await answers(tab, box, KEYS.button)) moved += 1;
    else faults.push(`${name}: no control changes anything`);
  }
  return { moved, faults };
}

/** Whether one of the keys, pressed up to three times, changes what the explorable shows beside its controls. */
async function answers(tab, box, keys) {
  const look = () => box.evaluate((element, controls) => {
    const copy = element.cloneNode(true);
    for (const part of copy.querySelectorAll(`${controls}, script, style`)) part.remove();
    const drawn = [...element.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
    const outputs = [...element.querySelectorAll("output")].map((output) => output.value);
    const films = [...element.querySelectorAll("video")].map((video) => video.currentTime);
    return [copy.innerHTML, ...drawn, ...outputs, ...films].join("\n");
  }, CONTROLS);
  const before = await look();
  for (const key of keys) {
    for (let press = 0; press < 3; press++) {
      await tab.keyboard.press(key);
      for (let wait = 0; wait < 10; wait++) {
        if ((await look()) !== before) return true;
        await tab.waitForTimeout(30);
      }
    }
  }
  return false;
}

// --- run

const close = async () => { await browser.close(); server.close(); };

if (args.includes("--stdin")) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { page, ...options } = JSON.parse(line);
    process.stdout.write(JSON.stringify(await check(page, options)) + "\n");
  }
  await close();
} else {
  let bad = 0;
  const pages = (await allPages()).filter((page) => page.includes(option("--only") ?? ""));
  for (const page of pages) {
    const start = Date.now();
    const result = await check(page);
    bad += result.findings.length;
    const { explorables, controls, maths, images } = result;
    console.log(`${result.findings.length ? "FAULTS" : "ok    "} ${page}  ${((Date.now() - start) / 1000).toFixed(1)} s, ${maths} formulas, ${images.length} images, ${explorables} explorables, ${controls} controls moved`);
    for (const finding of result.findings) console.log(`       ${finding}`);
  }
  console.log(`${pages.length} pages, ${bad} faults`);
  await close();
  process.exitCode = bad ? 1 : 0;
}
