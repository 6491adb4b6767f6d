"use strict";
(() => {
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const NAMES = ["kappa", "tau", "scale"];
const R = D.readings;
const state = {reading: R.kappa ? "kappa" : "tau", at: {}, block: 0, level: 0, sd: 0};

// ---- numbers and words -------------------------------------------------------------------------------------------
const value = (name, i) => R[name].stops[i] === "inf" ? Infinity : R[name].stops[i];
const number = (x, places) => x === null || x === undefined ? "–" : Math.abs(x) >= 1e7 ? x.toExponential(3)
  : x.toFixed(places).replace(/^-(0(\.0*)?)$/, "$1");
const brief = x => x === Infinity ? "∞" : x !== 0 && (x < 1e-4 || x >= 1e6) ? x.toExponential().replace("+", "") : String(+x.toPrecision(4));
const spoken = x => x === Infinity ? "infinity" : brief(x);
const levelName = (b, j) => `${b.group} ${b.levels[j]}`;
const sdName = s => s.group === "residual" && s.term === "" ? "residual" : D.sds.filter(o => o.group === s.group).length < 2 ? s.group : `${s.group}: ${s.term}`;
const sdsOf = g => D.sds.map((s, k) => k).filter(k => D.sds[k].group === g || k === D.sds.length - 1);

/** What is shown at the chosen slider's stop: nothing here is interpolated, every number was computed beforehand. */
function now() {
  const name = state.reading, r = R[name], i = state.at[name], b = D.blocks[state.block], own = r.blocks[state.block];
  const sds = D.sds.map((s, k) => {
    const last = k === D.sds.length - 1, free = name === "scale" && r.sds[k];
    if (free) return {mid: r.sds[k][i].median, lb: r.sds[k][i].lb, ub: r.sds[k][i].ub, curve: r.sds[k][i]};
    const tau = name === "tau" && !last ? value("tau", i) : 1;
    return {mid: s.reml === 0 ? 0 : tau === Infinity ? null : s.reml * tau};
  });
  return {name, i, x: value(name, i), b, estimate: own.estimate[i], sd: own.sd[i],
    curves: name === "scale" ? r.curves[state.block][i] : null,
    mean: b.fixed === null ? 0 : r.fixed[b.fixed][i], fixed: r.fixed.map(f => f[i]), fixedSd: r.fixed_sd.map(f => f[i]), sds};
}

function words(name, i) {
  const x = value(name, i);
  if (name === "kappa") return x === 0 ? "kappa 0, no prior" : `kappa ${spoken(x)}, prior sd of each fixed effect ${x === Infinity ? "0" : brief(+(1 / Math.sqrt(x)).toPrecision(3))}`;
  if (name === "tau") return `tau ${spoken(x)}` + (x === 0 ? ", complete pooling" : x === 1 ? ", the REML estimates" : x === Infinity ? ", no pooling" : "");
  return `prior scale ${spoken(x)}`;
}

function sentence(n) {
  const b = n.b, p = b.places, j = state.level;
  const head = n.name === "kappa" ? `kappa ${spoken(n.x)}` : n.name === "tau" ? `tau ${spoken(n.x)}` : `prior scale ${spoken(n.x)}`;
  const fixed = b.fixed === null ? [] : [`${b.term === "Intercept" ? (D.fixed.length > 1 ? "intercept" : "mean") : "fixed effect of " + b.term} ${number(n.mean, p)}`];
  const k = b.sd, s = D.sds[k], of = n.sds[k];
  const spread = n.name === "kappa" ? [] : [`sd of ${sdName(s)} ${of.mid === null ? "infinite" : number(of.mid, s.places)}`
    + (n.name === "scale" ? ` (median)` : "")];
  const raw = b.raw[j] === null ? "" : `, alone ${number(b.raw[j], p)}`;
  const rest = n.i !== R[n.name].rest ? "" : n.name === "kappa" ? " No prior: these are the BLUE and the BLUPs."
    : n.name === "tau" ? " These are the REML BLUPs." : "";
  return `${head}: ${[...fixed, ...spread, `${levelName(b, j)} ${number(n.estimate[j], p)}${raw}`].join("; ")}.${rest}`;
}

// ---- drawing -----------------------------------------------------------------------------------------------------
function make(tag, attributes, parent, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, v] of Object.entries(attributes)) e.setAttribute(key, v);
  if (text !== undefined) e.textContent = text;
  if (parent) parent.appendChild(e);
  return e;
}

const MARKS = {
  raw: (x, y, p, size = 5) => make("circle", {class: "raw", cx: x, cy: y, r: size}, p),
  blup: (x, y, p, size = 3.2) => make("rect", {class: "blup", x: x - size, y: y - size, width: 2 * size, height: 2 * size}, p),
  bayes: (x, y, p, size = 3.4) => make("circle", {class: "bayes", cx: x, cy: y, r: size}, p),
  now: (x, y, p, size = 5.5) => make("path", {class: "now", d: `M0 ${-size}L${size} 0L0 ${size}L${-size} 0Z`, transform: `translate(${x.toFixed(3)} ${y})`}, p),
};

/** Round numbers between two ends. */
function ticks(low, high, most) {
  const step = [1, 2, 5, 10].map(m => m * 10 ** Math.floor(Math.log10((high - low) / most))).find(s => (high - low) / s <= most);
  const out = [];
  for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + 1e-9 * step; t += step) out.push(+t.toPrecision(10));
  return out;
}

function frame(svg, height, left, low, high) {
  const width = Math.max(svg.clientWidth || svg.parentNode.clientWidth, 240), right = 14, bottom = 24;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  const inner = width - left - right, at = v => left + (v - low) / (high - low) * inner;
  Object.assign(svg.dataset, {low, high, left, inner});
  const axis = make("g", {}, svg), base = height - bottom;
  make("line", {class: "axis", x1: left, x2: width - right, y1: base, y2: base}, axis);
  for (const t of ticks(low, high, Math.max(2, Math.floor(inner / 70)))) {
    make("line", {class: "grid", x1: at(t), x2: at(t), y1: 4, y2: base}, axis);
    make("text", {x: at(t), y: height - 8, "text-anchor": "middle"}, axis, brief1(t));
  }
  return {svg, width, at, base, left, end: width - right, inside: v => v !== null && v >= low && v <= high};
}
const brief1 = t => t < 0 ? "−" + brief(-t) : brief(t);

/** All estimates of some levels that tau and the prior scale can show, and the marks: the axis that holds them stays. */
function reach(b, levels) {
  const paths = ["tau", "scale"].filter(k => R[k]).flatMap(k => R[k].blocks[state.block].estimate);
  const all = [b.raw, b.reml, b.own, ...paths].flatMap(row => levels.map(j => row[j]));
  return all.filter(x => x !== null);
}
function range(values, share) {
  const low = Math.min(...values), high = Math.max(...values), pad = share * (high - low || Math.abs(high) || 1);
  return [low - pad, high + pad];
}
/** A number that lies beyond the axis, written at its end. */
function beyond(f, v, y, text, parent = f.svg) {
  const low = v < +f.svg.dataset.low;
  make("text", {class: "strong", "data-beyond": low ? "low" : "high", x: low ? f.left + 2 : f.end - 2, y, "text-anchor": low ? "start" : "end"}, parent, low ? `◀ ${text}` : `${text} ▶`);
}

function drawShrinkage(n) {
  const b = n.b, J = b.levels.length, step = J <= 12 ? 34 : J <= 24 ? 24 : 18, svg = $("shrinkage"), top = 22;
  const most = Math.max(6, Math.floor((svg.clientWidth || svg.parentNode.clientWidth) * 0.3 / 7));
  const names = b.levels.map(l => l.length > most ? l.slice(0, most - 1) + "…" : l);
  const left = 14 + 7.2 * Math.max(...names.map(l => l.length));
  const bars = b.levels.flatMap((_, j) => b.reml[j] !== null && b.reml_sd[j] > 0 ? [b.reml[j] - b.reml_sd[j], b.reml[j] + b.reml_sd[j]] : []);
  const ends = range([...reach(b, b.levels.map((_, j) => j)), ...bars], 0.1);
  const f = frame(svg, top + J * step + 28, left, ...ends), off = Math.min(9, step / 2.8);
  const clamp = v => Math.min(Math.max(v, f.left), f.end);
  const mean = (v, kind) => v !== null && f.inside(v) && make("line", {class: `line ${kind}`, "data-mean": kind, x1: f.at(v), x2: f.at(v), y1: 4, y2: f.base}, f.svg);
  if (b.fixed !== null) mean(D.fixed[b.fixed].reml, "blup");
  b.levels.forEach((level, j) => {
    const y = top + (j + 0.5) * step, g = make("g", {"data-level": level}, f.svg);
    if (j === state.level) make("rect", {class: "band", x: 0, y: y - step / 2, width: f.width, height: step}, g);
    make("text", {x: left - 8, y: y + 4, "text-anchor": "end", class: j === state.level ? "strong" : ""}, g, names[j]);
    const e = n.estimate[j], sd = n.sd[j];
    if (sd !== null && e !== null) make("line", {class: "bar", x1: clamp(f.at(e - sd)), x2: clamp(f.at(e + sd)), y1: y, y2: y}, g);
    if (b.raw[j] !== null && e !== null) make("line", {class: "move", x1: f.at(b.raw[j]), x2: clamp(f.at(e)), y1: y, y2: y}, g);
    if (b.raw[j] !== null) MARKS.raw(f.at(b.raw[j]), y, g);
    if (b.reml[j] !== null) MARKS.blup(f.at(b.reml[j]), y - off, g);
    if (b.own[j] !== null) MARKS.bayes(f.at(b.own[j]), y + off, g);
    if (f.inside(e)) MARKS.now(f.at(e), y, g); else if (e !== null) beyond(f, e, y + 4, number(e, b.places), g);
  });
  if (b.fixed !== null) {
    mean(n.mean, "now");
    if (!f.inside(n.mean)) beyond(f, n.mean, 15, `fixed effect ${number(n.mean, b.places)}`);
  }
  f.svg.setAttribute("aria-label", `Shrinkage plot of ${b.levels.length} levels of ${b.group}. ${sentence(n)} The table below has all numbers.`);
}

function curve(f, xs, heights, kind, area) {
  const top = 10, points = xs.map((x, i) => [f.at(x), f.base - heights[i] * (f.base - top)]).filter(p => p[0] >= f.left - 1 && p[0] <= f.end + 1);
  if (points.length < 2) return;
  const path = "M" + points.map(p => p.map(v => v.toFixed(2)).join(" ")).join("L");
  if (area) make("path", {class: "area", d: `${path}L${points.at(-1)[0].toFixed(2)} ${f.base}L${points[0][0].toFixed(2)} ${f.base}Z`}, f.svg);
  make("path", {class: `line ${kind}`, "data-curve": kind, d: path}, f.svg);
}
const steps = (low, high, n) => Array.from({length: n}, (_, i) => low + (high - low) * i / (n - 1));
const bell = (m, s) => { const xs = steps(m - 4 * s, m + 4 * s, 81); return [xs, xs.map(x => Math.exp(-0.5 * ((x - m) / s) ** 2))]; };
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const heights = text => Array.from({length: text.length / 2}, (_, i) => (64 * LETTERS.indexOf(text[2 * i]) + LETTERS.indexOf(text[2 * i + 1])) / 4095);
/** The density of a mean: 33 points over four sds on either side, 31 more around the highest of them. */
const mixture = ([peak, text], m, s) => [[...steps(-4, 4, 33), ...steps(-0.625, 0.625, 31).map(x => peak + x)].sort((a, b) => a - b).map(x => m + s * x), heights(text)];
function spike(f, x, kind) {
  if (!f.inside(x)) return;
  make("line", {class: `line ${kind}`, "data-spike": kind, x1: f.at(x), x2: f.at(x), y1: 10, y2: f.base}, f.svg);
}

function drawLevel(n) {
  const b = n.b, j = state.level, e = n.estimate[j], sd = n.sd[j], marks = [];
  const wide = (m, s) => m === null || s === null ? [] : [m - 4 * s, m + 4 * s];
  const ends = [...wide(b.reml[j], b.reml_sd[j]), ...wide(b.own[j], b.own_sd[j]), ...reach(b, [j])];
  const f = frame($("density-level"), 190, 14, ...range(ends, 0.03));
  if (b.reml_sd[j] > 0) curve(f, ...bell(b.reml[j], b.reml_sd[j]), "blup"); else spike(f, b.reml[j], "blup");
  if (b.curves) curve(f, ...mixture(b.curves[j], b.own[j], b.own_sd[j]), "bayes");
  if (n.curves) curve(f, ...mixture(n.curves[j], e, sd), "now", true);
  else if (sd > 0) curve(f, ...bell(e, sd), "now", true);
  else if (e !== null && sd === 0) spike(f, e, "now");
  if (e !== null && !f.inside(e)) beyond(f, e, 20, number(e, b.places));
  if (b.raw[j] !== null && f.inside(b.raw[j])) MARKS.raw(f.at(b.raw[j]), f.base, f.svg);
  $("head-level").textContent = `${b.component === "b" ? "Random effect" : b.term === "Intercept" ? "Mean" : b.term} of ${levelName(b, j)}`;
  f.svg.setAttribute("aria-label", `Density of ${levelName(b, j)}: now ${number(e, b.places)} with sd ${number(sd, b.places)}; REML BLUP ${number(b.reml[j], b.places)}`
    + (b.own[j] === null ? "." : `; posterior under the model's own prior ${number(b.own[j], b.places)}.`));
}

function drawSd(n) {
  const k = state.sd, s = D.sds[k], of = n.sds[k], scale = R.scale && R.scale.sds[k] ? R.scale.sds[k] : null;
  const high = Math.max(s.reml * 1.6, s.own ? s.own.ub * 1.15 : 0, scale ? scale[R.scale.rest].ub * 1.15 : 0) || 1;
  const f = frame($("density-sd"), 190, 14, 0, high), c = s.own;
  if (c) curve(f, steps(...c.ends, 65), heights(c.curve), "bayes");
  spike(f, s.reml, "blup");
  let off = "";
  if (of.curve) {
    curve(f, steps(...of.curve.ends, 65), heights(of.curve.curve), "now", true);
    if (k < D.sds.length - 1) {
      const width = n.x / R.scale.spread[k], xs = steps(0, high, 121);
      curve(f, xs, xs.map(x => Math.exp(-0.5 * (x / width) ** 2)), "raw");
    }
  } else {
    spike(f, of.mid, "now");
    if (!f.inside(of.mid)) off = of.mid === null ? " It is infinite now." : ` It is ${number(of.mid, s.places)} now, beyond the axis.`;
    else MARKS.now(f.at(of.mid), 12, f.svg);
  }
  const name = k === D.sds.length - 1 ? "Residual sd" : `Sd of ${sdName(s)}`;
  $("head-sd").textContent = name;
  const shown = of.curve ? `median ${number(of.mid, s.places)}, ${100 * D.ciProb} % interval ${number(of.lb, s.places)} to ${number(of.ub, s.places)}` : of.mid === null ? "infinite" : number(of.mid, s.places);
  f.svg.setAttribute("aria-label", `${name}: now ${shown}; REML ${number(s.reml, s.places)}` + (c ? `; posterior median under the model's own prior ${number(c.median, s.places)}.` : "."));
  $("caption-sd").textContent = (of.curve
    ? `Shaded: posterior at this prior scale; dotted: the prior${k < D.sds.length - 1 ? ` HalfNormal(${brief(n.x / R.scale.spread[k])})` : " is flat"}.`
    : "Diamond: the value that is plugged in; a point has no density.") + off
    + ` Dashed: REML.${c ? " Solid: posterior under the model's own prior." : ""} Each curve is drawn relative to its own highest point.`;
}

// ---- tables ------------------------------------------------------------------------------------------------------
function fill(table, heads, rows, chosen) {
  const head = table.createTHead(), tr = document.createElement("tr"), body = document.createElement("tbody");
  head.replaceChildren(tr);
  for (const h of heads) { const th = document.createElement("th"); th.scope = "col"; th.textContent = h; tr.appendChild(th); }
  for (const old of [...table.tBodies]) old.remove();
  rows.forEach((cells, i) => {
    const row = body.insertRow();
    if (i === chosen) row.className = "chosen";
    cells.forEach((text, c) => {
      const cell = document.createElement(c ? "td" : "th");
      if (!c) cell.scope = "row";
      if (heads[c] === "now") cell.className = "now";
      cell.textContent = text;
      row.appendChild(cell);
    });
  });
  table.appendChild(body);
}

function drawTables(n) {
  const b = n.b, p = b.places, own = b.own.some(x => x !== null), f = x => number(x, p);
  const moved = j => b.raw[j] === null || n.estimate[j] === null ? null : n.estimate[j] - b.raw[j];
  fill($("levels"), ["level", "n", "alone", "now", "± sd", "moved", "BLUP (REML)", ...(own ? ["posterior mean, own prior"] : [])],
    b.levels.map((l, j) => [levelName(b, j), String(b.n[j]), f(b.raw[j]), f(n.estimate[j]), f(n.sd[j]), f(moved(j)), f(b.reml[j]), ...(own ? [f(b.own[j])] : [])]), state.level);
  const interval = s => `${number(s.lb, s.places)} to ${number(s.ub, s.places)}`;
  const rows = D.fixed.map((x, k) => [x.term, number(n.fixed[k], x.places), "sd " + number(n.fixedSd[k], x.places), number(x.reml, x.places),
    ...(own ? [number(x.own, x.places)] : [])]);
  D.sds.forEach((s, k) => { const of = n.sds[k]; rows.push([k === D.sds.length - 1 ? "residual sd" : `sd of ${sdName(s)}`,
    of.mid === null ? "∞" : number(of.mid, s.places), of.curve ? interval({...of, places: s.places}) : "plugged in", number(s.reml, s.places),
    ...(own ? [s.own ? number(s.own.median, s.places) : "known"] : [])]); });
  fill($("parameters"), ["", "now", "uncertainty", "REML", ...(own ? ["posterior, own prior"] : [])], rows, -1);
  $("parameters").tHead.rows[0].cells[0].textContent = "quantity";
}

// ---- everything together -----------------------------------------------------------------------------------------
function captions(n) {
  const kind = n.name === "scale" ? "posterior sd" : n.name === "kappa" && n.x > 0 ? "posterior sd at these variances" : "root of the prediction-error variance";
  const what = n.b.component === "b" ? `the random effect of ${n.b.term}; this coefficient has no fixed effect of its own` : n.b.term === "Intercept" ? "the mean of the level, fixed plus random intercept" : `the level's own coefficient of ${n.b.term}, fixed plus random`;
  $("caption-shrinkage").textContent = `Rows from the highest to the lowest raw value; ${what}. Bar: estimate ± one sd (${kind}).`
    + (n.b.fixed === null ? "" : " Vertical lines: the fixed effect, now and at REML (dashed).") + " ◀ ▶: beyond the axis, which stays while the sliders are moved.";
  $("caption-level").textContent = (n.name === "scale" ? "Shaded: posterior at this prior scale, a mixture of normal densities." : "Shaded: normal, since the variances are plugged in.")
    + " Dashed: BLUP with its prediction error, at REML." + (n.b.curves ? " Solid: posterior under the model's own prior." : "") + " Circle: the level alone. Each curve is drawn relative to its own highest point.";
  $("caption-levels").textContent = `alone: least squares of the level's own rows; moved: now minus alone; ± sd: ${kind}. A dash: not determined.`;
  const far = n.name === "scale" ? ` Integrals with a stated error of at most ${+(100 * R.scale.error).toPrecision(1)} % of a posterior sd.` : "";
  $("caption-parameters").textContent = `sds in the posterior: median and ${100 * D.ciProb} % equal-tailed interval. Every number was computed exactly at this stop, nothing is interpolated; numbers in the file are rounded to ${D.more} decimals more than shown.${far}`;
}

function update() {
  const n = now();
  for (const name of NAMES.filter(k => R[k])) {
    const input = $(name), i = state.at[name];
    input.value = i;
    input.setAttribute("aria-valuetext", words(name, i));
    $(`value-${name}`).textContent = brief(value(name, i));
    $(`pick-${name}`).checked = name === n.name;
    $(`card-${name}`).classList.toggle("shown", name === n.name);
  }
  for (const name of NAMES) for (const part of ["equation", "about"]) $(`${part}-${name}`).hidden = name !== n.name;
  $("about-spread").hidden = n.name !== "scale" || R.scale.spread.every(s => s === 1);
  $("say").textContent = sentence(n);
  drawShrinkage(n); drawLevel(n); drawSd(n); drawTables(n); captions(n);
}

function options(select, names, chosen) {
  select.replaceChildren(...names.map(([v, text]) => { const o = document.createElement("option"); o.value = v; o.textContent = text; return o; }));
  select.value = chosen;
}

function chooseBlock(i) {
  const b = D.blocks[i];
  state.block = i; state.level = 0; state.sd = b.sd;
  options($("level"), b.levels.map((l, j) => [j, levelName(b, j)]), 0);
  options($("sd"), sdsOf(b.group).map(k => [k, sdName(D.sds[k])]), b.sd);
  const item = (kind, text) => { const li = document.createElement("li"), svg = make("svg", {viewBox: "0 0 22 14", "aria-hidden": "true"}, li); MARKS[kind](11, 7, svg); li.append(text); return li; };
  $("legend-shrinkage").replaceChildren(item("now", "now, where the slider stands"), item("raw", "each level alone (raw)"), item("blup", "BLUP (REML)"),
    ...(b.own.some(x => x !== null) ? [item("bayes", "posterior mean, the model's own prior")] : []));
}

function reset() {
  for (const name of NAMES.filter(k => R[k])) state.at[name] = R[name].rest;
  state.reading = R.kappa ? "kappa" : "tau";
  update();
}

$("model").textContent = D.sentences.join(" ");
$("note-list").replaceChildren(...D.notes.map(t => { const li = document.createElement("li"); li.textContent = t; return li; }));
$("notes").hidden = !D.notes.length;
if (R.scale) $("about-spread").textContent = "Scale of each sd’s prior: " + R.scale.spread.map((s, k) => `s / ${brief(s)} for ${sdName(D.sds[k])}`).join(", ") + " (the spread of its column).";
for (const name of NAMES) {
  if (!R[name]) {
    $(name).disabled = $(`pick-${name}`).disabled = true;
    $(`value-${name}`).textContent = "cannot be shown. " + (D.refused[name] || "");
    continue;
  }
  $(name).max = R[name].stops.length - 1;
  $(name).addEventListener("input", e => { state.reading = name; state.at[name] = +e.target.value; update(); });
  $(`pick-${name}`).addEventListener("change", () => { state.reading = name; update(); });
}
options($("block"), D.blocks.map((b, i) => [i, `${b.group}: ${b.term}`]), 0);
$("choice-block").hidden = D.blocks.length < 2;
$("block").addEventListener("change", e => { chooseBlock(+e.target.value); update(); });
$("level").addEventListener("change", e => { state.level = +e.target.value; update(); });
$("sd").addEventListener("change", e => { state.sd = +e.target.value; update(); });
$("reset").addEventListener("click", reset);
let width = window.innerWidth;
window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; update(); } });
chooseBlock(0);
reset();
})();
