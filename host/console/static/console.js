"use strict";
// What all pages share: elements, plots, the state that the server tells, and requests to it.
const topics = {};
const panels = [];
const shown = { frames: 0 };

function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
function fill(node, ...children) { node.replaceChildren(...children.filter((c) => c != null)); }
function floats(value) {
  const text = atob(value.f32), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  return new Float32Array(bytes.buffer);
}
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const digits = (value, places = 4) =>
  value === null || value === undefined || Number.isNaN(value) ? "–" : Number(value).toPrecision(places);
const figure = (label, value) => el("div", { class: "figure" }, el("span", {}, label), el("span", {}, value));
const mark = (good, words) => el("span", { class: good ? "good" : "bad" }, (good ? "✓ " : "✕ ") + words);

// A panel is a card that is drawn again when one of its topics has changed.
function panel(parent, title, names, draw, wide = false) {
  const body = el("div");
  const card = el("section", { class: wide ? "card wide" : "card", "aria-label": title }, el("h3", {}, title), body);
  parent.append(card);
  const made = { names, draw: () => draw(body, ...names.map((name) => topics[name])), card, stale: true };
  panels.push(made);
  return made;
}
let due = false;
function drawSoon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    shown.frames += 1;
    for (const each of panels) if (each.stale) { each.stale = false; each.draw(); }
  });
}
function told(changes) {
  Object.assign(topics, changes);
  for (const each of panels) if (each.names.some((name) => name in changes)) each.stale = true;
  drawSoon();
}

// Plots over x; the colours are read when they are drawn, so that the theme may change.
function linePlot(body, { xlabel, ylabel, colours, height = 190, styles = [], yrange, xrange }) {
  const holder = el("div", { class: "plot" });
  body.append(holder);
  const ink = () => css("--faint"), line = () => css("--line");
  const axis = (label, size) => ({ label, size, stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, labelSize: 18, labelFont: "12px system-ui, sans-serif", font: "11px system-ui, sans-serif" });
  const series = colours.map((name, k) => ({
    stroke: () => css(name), width: styles[k] === "dash" ? 1 : 1.5, dash: styles[k] === "dash" ? [6, 4] : undefined,
    points: styles[k] === "points" ? { show: true, size: 6, stroke: () => css(name), fill: () => css(name) } : { show: false },
    paths: styles[k] === "points" ? () => null : undefined, spanGaps: true,
  }));
  const width = () => Math.max(200, holder.clientWidth || 320);
  const made = new uPlot({
    width: width(), height, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false, range: xrange }, y: { range: yrange } },
    axes: [axis(xlabel, 34), { ...axis(ylabel, 58), space: 22 }], series: [{}, ...series],
  }, [[0, 1], ...colours.map(() => [null, null])], holder);
  new ResizeObserver(() => made.setSize({ width: width(), height })).observe(holder);
  themed.push(() => made.redraw(false));
  return made;
}
const themed = [];
const holes = (values) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));

// Dots or lines on a canvas, in a square of ±size.
function canvasPlot(body, label) {
  const canvas = el("canvas", { class: "dots", role: "img", "aria-label": label });
  body.append(canvas);
  const again = { draw: null };
  const prepare = () => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    return [pen, canvas.clientWidth, canvas.clientHeight];
  };
  const made = (draw) => { again.draw = draw; draw(...prepare()); };
  const redraw = () => again.draw && again.draw(...prepare());
  new ResizeObserver(redraw).observe(canvas);
  themed.push(redraw);
  return made;
}
function cross(pen, width, height, size, unit) {
  pen.strokeStyle = css("--line"); pen.lineWidth = 1;
  pen.strokeRect(0.5, 0.5, width - 1, height - 1);
  pen.beginPath(); pen.moveTo(width / 2, 0); pen.lineTo(width / 2, height); pen.moveTo(0, height / 2); pen.lineTo(width, height / 2); pen.stroke();
  pen.fillStyle = css("--faint"); pen.font = "11px system-ui, sans-serif";
  pen.fillText(`±${size.toPrecision(2)} ${unit}`, 6, 14);
}
function reach(values) {
  let most = 0;
  for (const value of values) if (Math.abs(value) > most) most = Math.abs(value);
  return most === 0 ? 1 : 1.1 * most;
}

const answer = () => document.getElementById("answer");
function say(text, good) { answer().textContent = text; answer().className = good ? "good" : "bad"; }
async function ask(request) {
  try {
    const reply = await fetch("/act", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
    const said = await reply.json();
    say(said.error || said.said, reply.ok);
    return reply.ok;
  } catch (error) {
    say("The console's process does not answer.", false);
    return false;
  }
}
