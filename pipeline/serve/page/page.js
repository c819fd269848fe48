/** The page: two slots for videos, what is known of each, the players, the curve, and all of it in the address. */

import { about, example, keepToken, kept, Refused, score } from "./api.js";
import { Chart, element } from "./chart.js";
import { Stage } from "./compare.js";

const SLOTS = ["a", "b"];
const EXAMPLE = "example:"; // in the address, before an example's name
const METADATA_MS = 4000; // for the browser to say how long a file is; the service looks again
const find = (id) => document.getElementById(id);
const slots = {};
let service = null;

const stage = new Stage(find, (time) => chart.move(time), remember);
const chart = new Chart(find("chart"), find("said"), (time) => stage.seek(time));

/* --- the address ------------------------------------------------------------------------------------------------- */

function address() {
  return new URLSearchParams(window.location.hash.slice(1));
}

/** Everything that can be shown again: which answers, which view, where the wipe and the players stand. */
function remember() {
  if (!service) return;
  const state = new URLSearchParams();
  for (const slot of SLOTS) {
    const { answer, source } = slots[slot];
    if (answer) state.set(slot, source || answer.id);
  }
  if (slots.a.answer && slots.b.answer) {
    state.set("view", stage.chosen);
    if (stage.chosen === "wipe") state.set("wipe", find("wipe").value);
  }
  if (stage.time > 0) state.set("t", stage.time.toFixed(2));
  const text = state.toString();
  history.replaceState(null, "", text ? `#${text}` : window.location.pathname);
}

async function restore() {
  const state = address();
  stage.wanted = Number(state.get("t")) || 0;
  if (["side", "wipe", "a", "b"].includes(state.get("view"))) stage.view(state.get("view"));
  if (state.has("wipe")) stage.wipe(Math.min(Math.max(Number(state.get("wipe")) || 0, 0), 100));
  await Promise.all(SLOTS.map(async (slot) => {
    const source = state.get(slot);
    if (!source) return;
    const named = source.startsWith(EXAMPLE) && service.examples.find((one) => EXAMPLE + one.name === source);
    if (named) await tryExample(slot, named);
    else await recall(slot, source);
  }));
}

async function recall(slot, digest) {
  try {
    settle(slot, await kept(digest), null);
  } catch (error) {
    fail(slot, error);
  }
}

/* --- slots ------------------------------------------------------------------------------------------------------- */

function build(slot) {
  const root = find("slot").content.firstElementChild.cloneNode(true);
  const part = (selector) => root.querySelector(selector);
  root.classList.add(slot);
  part("h2").textContent = `Video ${slot.toUpperCase()}`;
  part("h2").id = `title-${slot}`;
  root.setAttribute("aria-labelledby", `title-${slot}`);
  part("input").addEventListener("change", (event) => {
    if (event.target.files.length) send(slot, event.target.files[0]);
    event.target.value = "";
  });
  part(".cancel").addEventListener("click", () => slots[slot].stop.abort());
  part(".remove").addEventListener("click", () => remove(slot));
  part(".download").addEventListener("click", () => download(slots[slot].answer));
  part(".limits").textContent = limitsInWords(service.limits);
  part(".examples").append("Try ", ...service.examples.map((one) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: one.title });
    button.addEventListener("click", () => tryExample(slot, one));
    return button;
  }));
  slots[slot] = { root, part, answer: null, file: null, source: "", stop: new AbortController() };
  find("slots").append(root);
}

function limitsInWords({ bytes, seconds, pixels }) {
  return `up to ${(bytes / 2 ** 20).toFixed(0)} MiB, ${seconds} s, ${(pixels / 1e6).toFixed(1)} megapixels; pictures too`;
}

/** Show one of a slot's parts: drop, busy or answer; the drop zone stays beside a problem. */
function show(slot, which) {
  const { part } = slots[slot];
  if (which === "busy" && !part(".busy").hidden) return; // nothing but its progress has changed
  for (const name of ["drop", "busy", "answer"]) part(`.${name}`).hidden = name !== which;
  if (which !== "drop") part(".problem").hidden = true;
  arrange();
}

function arrange() {
  const second = Boolean(slots.a.answer || slots.b.answer) || !slots.b.part(".busy").hidden;
  slots.b.root.hidden = !second;
  find("slots").classList.toggle("two", second);
  const answers = SLOTS.map((slot) => slots[slot].answer);
  find("watch").hidden = !answers.some(Boolean);
  const curves = Object.fromEntries(SLOTS.map((slot) => [slot, (slots[slot].answer || {}).curve || null]));
  find("course").hidden = !SLOTS.some((slot) => curves[slot] && curves[slot].seconds.some((one) => one.length_s > 0));
  if (!find("course").hidden) showCourse(curves);
  showDifference(...answers);
}

function fail(slot, error) {
  show(slot, "drop");
  if (error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) { askToken(); return; }
  const place = slots[slot].part(".problem");
  place.textContent = error.message;
  place.hidden = false;
}

async function tryExample(slot, one) {
  try {
    busy(slot, { state: "example" });
    await send(slot, await example(one), EXAMPLE + one.name);
  } catch (error) {
    fail(slot, error);
  }
}

/** What a browser says of a file, or nothing where it cannot read it. */
function measured(file) {
  return new Promise((resolve) => {
    if (!file.type.startsWith("video/")) { resolve(null); return; }
    const video = Object.assign(document.createElement("video"), { preload: "metadata", muted: true });
    const done = (facts) => { clearTimeout(late); URL.revokeObjectURL(video.src); resolve(facts); };
    const late = setTimeout(() => done(null), METADATA_MS);
    video.addEventListener("loadedmetadata", () => done({ seconds: video.duration, pixels: video.videoWidth * video.videoHeight }));
    video.addEventListener("error", () => done(null));
    video.src = URL.createObjectURL(file);
  });
}

/** Why a file need not be sent at all; the service would refuse it. */
async function tooMuch(file) {
  const { bytes, seconds, pixels } = service.limits;
  if (file.size > bytes) return `The file has ${(file.size / 2 ** 20).toFixed(0)} MiB; the limit is ${(bytes / 2 ** 20).toFixed(0)} MiB.`;
  const facts = await measured(file);
  if (facts && Number.isFinite(facts.seconds) && facts.seconds > seconds + 1) return `The video lasts ${facts.seconds.toFixed(0)} s; the limit is ${seconds} s.`;
  if (facts && facts.pixels > pixels) return `Its pictures have ${(facts.pixels / 1e6).toFixed(1)} megapixels; the limit is ${(pixels / 1e6).toFixed(1)}.`;
  return "";
}

async function send(slot, file, source = "") {
  const one = slots[slot];
  one.stop.abort();
  one.stop = new AbortController();
  const { signal } = one.stop;
  try {
    busy(slot, { state: "sending", done: 0, total: file.size });
    const why = await tooMuch(file);
    if (why) throw new Error(why);
    const answer = await score(file, (event) => busy(slot, event), signal);
    if (!signal.aborted) settle(slot, answer, file, source);
  } catch (error) {
    if (!signal.aborted || error.name === "AbortError") fail(slot, error);
  }
}

function busy(slot, event) {
  show(slot, "busy");
  const { part } = slots[slot];
  const bar = part("progress");
  if (event.total) bar.value = event.done / event.total;
  else bar.removeAttribute("value");
  const text = {
    example: () => ["Making the example", ""],
    sending: () => ["Sending", `: ${Math.round((100 * event.done) / (event.total || 1))} %`],
    waiting: () => ["Waiting for its turn", event.before ? `: ${event.before} before this one` : ""],
    running: () => [`${event.stage[0].toUpperCase()}${event.stage.slice(1)}`, `: ${event.done} of ${event.total}`],
  }[event.state]();
  // the first is read out when it changes; the second changes too often for that
  [".state", ".count"].forEach((name, place) => {
    if (part(name).textContent !== text[place]) part(name).textContent = text[place];
  });
}

function settle(slot, answer, file, source = "") {
  Object.assign(slots[slot], { answer, file, source });
  fill(slot, answer);
  const absent = "The video itself is not kept. Drop the file again to play it.";
  stage.load(slot, answer.score.video, file, absent);
  show(slot, "answer");
  remember();
}

function remove(slot) {
  Object.assign(slots[slot], { answer: null, file: null, source: "" });
  stage.unload(slot);
  show(slot, "drop");
  remember();
  slots[slot].part("input").focus();
}

/* --- an answer --------------------------------------------------------------------------------------------------- */

function fill(slot, answer) {
  const { part } = slots[slot];
  const { score: row, curve } = answer;
  part(".name").textContent = row.video;
  part(".value").textContent = row.score.toFixed(1);
  part(".interval").textContent = `${row.low.toFixed(1)} to ${row.high.toFixed(1)} with ${Math.round(100 * row.interval)} %`;
  part(".range").textContent = `Range ${row.range.replace("..", " to ")}; ${row.better} is better.`;
  gauge(part(".gauge"), row);
  const note = row.note || (curve && curve.note) || "";
  part(".note").hidden = !note;
  part(".note").textContent = note;
  const facts = {
    seen: row.kind === "still" ? "a still picture" : `${row.seconds_seen.toFixed(1)} of ${row.seconds.toFixed(1)} s (${row.sampling})`,
    ...(curve && row.kind !== "still" ? { "curve of": curve.coverage } : {}),
    student: row.student,
    file: `${answer.id}${answer.kept ? ", scored before" : ""}`,
  };
  part("dl").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
}

/** The score and its interval on the scale; which grows where a score lies beyond the outer anchors. */
function gauge(svg, row) {
  const low = Math.min(0, row.low), high = Math.max(100, row.high);
  const place = (value) => `${(2 + (96 * (value - low)) / (high - low)).toFixed(2)}%`;
  const rail = { y1: 14, y2: 14 };
  svg.setAttribute("aria-label", `${row.score.toFixed(1)} on the scale from 0 to 100, probably between ${row.low.toFixed(1)} and ${row.high.toFixed(1)}`);
  svg.replaceChildren(
    element("line", { class: "rail", x1: place(low), x2: place(high), ...rail }),
    element("line", { class: "span", x1: place(row.low), x2: place(row.high), ...rail }),
    element("circle", { class: "dot", cx: place(row.score), cy: 14, r: 7 }),
    ...[0, 50, 100].map((value) => element("text", { x: place(value), y: 38, "text-anchor": "middle" }, String(value))),
  );
}

function showDifference(one, other) {
  find("difference").hidden = !(one && other);
  if (!one || !other) return;
  const gap = other.score.score - one.score.score;
  const apart = one.score.high < other.score.low || other.score.high < one.score.low;
  const sure = apart ? "Their intervals do not touch." : "Their intervals overlap.";
  const points = `${Math.abs(gap).toFixed(1)} points`;
  find("difference").firstElementChild.textContent = `Video B scores ${points} ${gap < 0 ? "less" : "more"} than video A. ${sure}`;
}

function download(answer) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(answer, null, 2)}\n`], { type: "application/json" }));
  link.download = `${answer.score.video.replace(/[^\p{L}\p{N}._-]+/gu, "_")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/* --- over time --------------------------------------------------------------------------------------------------- */

function showCourse(curves) {
  const named = SLOTS.filter((slot) => curves[slot]);
  find("legend").replaceChildren(...named.flatMap((slot, place) => {
    const median = ` median ${curves[slot].median.toFixed(1)}`;
    const name = Object.assign(document.createElement("b"), { className: slot, textContent: slot.toUpperCase() });
    return [place ? "; " : "", name, median];
  }), ". Bands: intervals; tinted: the worst stretches.");
  chart.show(curves);
  chart.move(stage.time);
  find("moments").replaceChildren(...named.flatMap((slot) => moments(slot, curves[slot])));
  table(curves, named);
}

/** Buttons that lead to the worst moments. */
function moments(slot, curve) {
  const name = slot.toUpperCase();
  const title = document.createElement("h3");
  title.textContent = curve.worst.length ? `Worst moments of ${name}` : `Lowest seconds of ${name}; no stretch stands out`;
  const list = document.createElement("ul");
  for (const moment of curve.moments) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const image = Object.assign(document.createElement("img"), { src: moment.picture, alt: "" });
    const text = Object.assign(document.createElement("b"), { textContent: `${moment.start_s.toFixed(0)} s: ${moment.score.toFixed(1)}` });
    const about = [moment.mark, moment.reason].filter(Boolean).join("; ");
    button.append(image, text, Object.assign(document.createElement("small"), { textContent: about }));
    button.addEventListener("click", () => { stage.seek(moment.start_s); chart.move(moment.start_s); });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  return curve.moments.length ? [title, list] : [title];
}

function table(curves, named) {
  const head = ["Video", "Second", "Score", "Low", "High", "Reason"];
  const cells = (row, kind) => {
    const line = document.createElement("tr");
    line.append(...row.map((text) => Object.assign(document.createElement(kind), { textContent: text })));
    return line;
  };
  const number = (value) => (value === null ? "–" : value.toFixed(1));
  const rows = named.flatMap((slot) => curves[slot].seconds.map((one) => cells(
    [slot.toUpperCase(), one.start_s.toFixed(0), number(one.score), number(one.low), number(one.high), one.error || one.reason], "td",
  )));
  const [top, body] = [document.createElement("thead"), document.createElement("tbody")];
  top.append(cells(head, "th"));
  for (const cell of top.rows[0].cells) cell.scope = "col";
  body.append(...rows);
  find("seconds").replaceChildren(top, body);
}

/* --- the page itself --------------------------------------------------------------------------------------------- */

function dropAnywhere() {
  const under = (event) => SLOTS.find((slot) => slots[slot] && slots[slot].root.contains(event.target)) || SLOTS.find((slot) => !slots[slot].answer) || "a";
  const mark = (slot) => SLOTS.forEach((one) => slots[one].root.classList.toggle("over", one === slot));
  document.addEventListener("dragover", (event) => { event.preventDefault(); mark(under(event)); });
  document.addEventListener("dragleave", () => mark(""));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark("");
    const files = [...event.dataTransfer.files];
    if (files.length > 1) SLOTS.forEach((slot, place) => send(slot, files[place]));
    else if (files.length) send(under(event), files[0]);
  });
}

function switchMode() {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const mode = () => root.dataset.mode || (system.matches ? "dark" : "light");
  const tell = () => find("mode").setAttribute("aria-pressed", String(mode() === "dark"));
  find("mode").addEventListener("click", () => { root.dataset.mode = mode() === "dark" ? "light" : "dark"; tell(); });
  system.addEventListener("change", tell);
  tell();
}

function askToken() {
  find("token").hidden = false;
  find("slots").hidden = true;
  find("token").elements.token.focus();
}

async function start() {
  const given = address().get("token");
  if (given) {
    keepToken(given);
    const rest = address();
    rest.delete("token");
    history.replaceState(null, "", rest.toString() ? `#${rest}` : window.location.pathname);
  }
  try {
    service = await about();
  } catch (error) {
    if (error.status === 401) { askToken(); return; }
    find("about").textContent = error.message;
    return;
  }
  find("token").hidden = true;
  find("slots").hidden = false;
  find("about").textContent = `No-reference score from 0 to 100, higher is better; student ${service.student.student}`;
  SLOTS.forEach(build);
  arrange();
  dropAnywhere();
  await restore();
}

find("token").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(new FormData(event.target).get("token"));
  start();
});
switchMode();
start();
