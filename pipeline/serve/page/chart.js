/** The quality over time of one or two videos: scores with their intervals, the worst stretches, and a cursor to move. */

const SPACE = "http://www.w3.org/2000/svg";
const MARGIN = { left: 38, right: 8, top: 10, bottom: 24 };

/** An SVG element with attributes. */
export function element(name, attributes = {}, text = "") {
  const one = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (text) one.textContent = text;
  return one;
}

function ticks(low, high, about) {
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) found.push(Number(value.toFixed(6)));
  return found;
}

/** The seconds in runs without a gap, so that no line is drawn over what was not judged. */
function runs(seconds) {
  const found = [];
  let last = null;
  for (const second of seconds) {
    if (second.score === null) { last = null; continue; }
    if (!last || Math.abs(last.start_s + last.length_s - second.start_s) > 0.01) found.push([]);
    found.at(-1).push(second);
    last = second;
  }
  return found;
}

/** What is known of a moment, in words. */
export function said(name, second) {
  if (!second) return `${name}: not judged`;
  const when = `${second.start_s.toFixed(0)} to ${(second.start_s + second.length_s).toFixed(0)} s`;
  if (second.score === null) return `${name}, ${when}: no score (${second.error || "failed"})`;
  const reason = second.reason ? `: ${second.reason}` : "";
  return `${name}, ${when}: ${second.score.toFixed(1)} (${second.low.toFixed(1)} to ${second.high.toFixed(1)})${reason}`;
}

export function secondAt(curve, time) {
  return curve.seconds.find((one) => time >= one.start_s && time < one.start_s + one.length_s) || null;
}

export class Chart {
  /**
   * @param {HTMLElement} place  a slider to assistive technology
   * @param {HTMLElement} line  shows what the cursor is on
   * @param {(time: number) => void} seek
   */
  constructor(place, line, seek) {
    this.place = place;
    this.line = line;
    this.seek = seek;
    this.curves = {};
    this.time = 0;
    place.addEventListener("keydown", (event) => this.key(event));
    place.addEventListener("pointerdown", (event) => this.point(event));
    place.addEventListener("pointermove", (event) => {
      if (event.buttons) this.point(event);
      else this.tell(this.timeAt(event));
    });
    place.addEventListener("pointerleave", () => this.tell(this.time));
    new ResizeObserver(() => this.draw()).observe(place);
  }

  /** @param {{a?: object, b?: object}} curves */
  show(curves) {
    this.curves = curves;
    this.draw();
  }

  get shown() {
    return Object.entries(this.curves).filter(([, curve]) => curve);
  }

  get length() {
    return Math.max(0, ...this.shown.map(([, { seconds }]) => seconds.at(-1).start_s + seconds.at(-1).length_s));
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!this.shown.length || !width) return;
    const scored = this.shown.flatMap(([, { seconds }]) => seconds.filter((one) => one.score !== null));
    const low = Math.min(...scored.map((one) => one.low)), high = Math.max(...scored.map((one) => one.high));
    const pad = Math.max(2, 0.06 * (high - low));
    const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
    this.x = (time) => MARGIN.left + ((right - MARGIN.left) * time) / this.length;
    this.y = (score) => bottom - ((bottom - MARGIN.top) * (score - low + pad)) / (high - low + 2 * pad);
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const value of ticks(low - pad, high + pad, 5)) {
      svg.append(element("line", { class: "grid", x1: MARGIN.left, x2: right, y1: this.y(value), y2: this.y(value) }));
      svg.append(element("text", { x: MARGIN.left - 6, y: this.y(value) + 4, "text-anchor": "end" }, String(value)));
    }
    for (const value of ticks(0, this.length, Math.max(2, Math.min(10, width / 80)))) {
      svg.append(element("text", { x: this.x(value), y: height - 6, "text-anchor": value ? "middle" : "start" }, `${value} s`));
    }
    for (const [, curve] of this.shown) {
      for (const { start_s: start, end_s: end } of curve.worst) {
        svg.append(element("rect", { class: "low", x: this.x(start), width: this.x(end) - this.x(start), y: MARGIN.top, height: bottom - MARGIN.top }));
      }
    }
    for (const [slot, curve] of this.shown) this.drawCurve(svg, slot, curve);
    this.cursor = element("line", { class: "cursor", y1: MARGIN.top, y2: bottom });
    svg.append(this.cursor);
    this.place.replaceChildren(svg);
    this.place.setAttribute("aria-valuemax", this.length.toFixed(1));
    this.move(this.time);
  }

  drawCurve(svg, slot, curve) {
    for (const run of runs(curve.seconds)) {
      // every second is a step as wide as it lasts
      const steps = (key) => run.flatMap((one) => [[one.start_s, one[key]], [one.start_s + one.length_s, one[key]]]);
      const path = (points) => points.map(([time, score]) => `${this.x(time).toFixed(1)},${this.y(score).toFixed(1)}`).join(" L");
      svg.append(element("path", { class: `band ${slot}`, d: `M${path([...steps("high"), ...steps("low").reverse()])} Z` }));
      svg.append(element("path", { class: `score ${slot}`, d: `M${path(steps("score"))}` }));
    }
  }

  /** The cursor follows the players. */
  move(time) {
    this.time = Math.min(Math.max(time, 0), this.length);
    if (!this.cursor || !this.x) return;
    this.cursor.setAttribute("x1", this.x(this.time));
    this.cursor.setAttribute("x2", this.x(this.time));
    this.place.setAttribute("aria-valuenow", this.time.toFixed(1));
    this.tell(this.time);
    this.place.setAttribute("aria-valuetext", this.line.textContent);
  }

  tell(time) {
    const inside = Math.min(time, this.length - 1e-6);
    this.line.textContent = this.shown.map(([slot, curve]) => said(slot.toUpperCase(), secondAt(curve, inside))).join(" · ");
  }

  timeAt(event) {
    const { left } = this.place.getBoundingClientRect();
    const share = (event.clientX - left - MARGIN.left) / (this.place.clientWidth - MARGIN.left - MARGIN.right);
    return Math.min(Math.max(share, 0), 1) * this.length;
  }

  point(event) {
    this.go(this.timeAt(event));
  }

  key(event) {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const to = { Home: 0, End: this.length }[event.key];
    if (to === undefined && !(event.key in steps)) return;
    event.preventDefault();
    this.go(to ?? this.time + steps[event.key]);
  }

  go(time) {
    this.move(time);
    this.seek(this.time);
  }
}
