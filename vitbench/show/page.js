"use strict";
// Everything that came from a report reaches the page as textContent, or through plain().
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const plain = (s) => String(s).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const number = (v, digits) => (v === null || v === undefined ? "" : v.toFixed(digits));
const has = (v) => v !== null && v !== undefined;
const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const byName = new Intl.Collator("en", { numeric: true }).compare; // b8 before b32
const state = { sort: "case", down: false, trend: 0, run: D.newest < 0 ? D.runs.length - 1 : D.newest };

function el(tag, text, cls) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
}
function fill(node, children) { node.replaceChildren(...children); }
function table(node, caption, heads, rows, wordy) {
  const head = el("tr"), body = el("tbody");
  heads.forEach((h, i) => {
    const th = el("th", h, wordy.includes(i) ? "words" : "");
    th.scope = "col"; head.append(th);
  });
  for (const row of rows) {
    const tr = el("tr");
    row.forEach((c, i) => {
      const cell = el(i ? "td" : "th", c instanceof Node ? "" : c, wordy.includes(i) ? "words" : "");
      if (!i) cell.scope = "row";
      if (c instanceof Node) cell.append(c);
      tr.append(cell);
    });
    body.append(tr);
  }
  const thead = el("thead"); thead.append(head);
  fill(node, [el("caption", caption), thead, body]);
}
function thumbnail(address, name) {
  if (!address.startsWith("data:image/jpeg;base64,")) return "none";
  const image = el("img"); image.src = address; image.alt = name; image.width = image.height = 64;
  return image;
}
function options(select, values, chosen) {
  fill(select, values.map(([v, t]) => { const o = el("option", t); o.value = v; return o; }));
  select.value = chosen;
}

const COLUMNS = [...D.columns]; // key in a case, heading, decimals (null: words)
if (new Set(D.cases.map((r) => r.machine)).size > 1) COLUMNS.push(["machine", "machine", null]);
const column = (name) => COLUMNS.find((c) => c[0] === name);
const named = (r) => plain(r.case) + (column("machine") ? "<br>" + plain(r.machine) : "");

const FILTERS = [["model", "model"], ["variant", "variant"], ["device", "device"], ["host", "machine"]]; // select, key in a case
const passes = (r) => FILTERS.every(([id, key]) => $(id).value === "" || r[key] === $(id).value);

function shown() {
  const rows = D.cases.filter(passes);
  const get = (r) => (r[state.sort] === "" ? null : r[state.sort]);
  return rows.sort((a, b) => {
    const x = get(a), y = get(b);
    if (!has(x) || !has(y)) return has(x) ? -1 : has(y) ? 1 : 0; // What is not there stands last.
    const order = typeof x === "number" ? x - y : byName(x, y);
    return (state.down ? -order : order) || byName(a.case, b.case);
  });
}
function overview() {
  const rows = shown(), node = $("overview"), head = el("tr"), body = el("tbody");
  for (const [name, label, digits] of COLUMNS) {
    const th = el("th", undefined, digits === null ? "words" : "");
    th.scope = "col";
    const on = state.sort === name;
    th.setAttribute("aria-sort", on ? (state.down ? "descending" : "ascending") : "none");
    const b = el("button", label + (on ? (state.down ? " \u25bc" : " \u25b2") : ""));
    b.type = "button"; b.dataset.sort = name;
    b.onclick = () => {
      state.down = state.sort === name && !state.down; state.sort = name; overview();
      $("overview").querySelector(`button[data-sort="${name}"]`).focus();
    };
    th.append(b); head.append(th);
  }
  for (const r of rows) {
    const tr = el("tr");
    if (r.trend === state.trend) tr.setAttribute("aria-current", "true");
    for (const [name, , digits] of COLUMNS) {
      const v = r[name];
      const td = el(name === "case" ? "th" : "td", digits === null ? (has(v) ? v : "") : number(v, digits));
      if (digits === null) td.classList.add("words");
      if (name === "machine") td.classList.add("long");
      if (name === "state" && v) td.classList.add(v);
      if (name === "change" && has(v)) {
        td.textContent = (v > 0 ? "+" : "\u2212") + Math.abs(v).toFixed(1) + (v > 0 ? " slower" : " faster") +
          (r.gradual ? ", gradually" : "");
        td.classList.add(v > 0 ? "slower" : "faster");
      }
      if (name === "case") {
        td.textContent = ""; td.scope = "row";
        const b = el("button", v); b.type = "button";
        b.onclick = () => { choose(r.trend); $("h-trend").scrollIntoView(); $("case").focus({ preventScroll: true }); };
        td.append(b);
      }
      tr.append(td);
    }
    body.append(tr);
  }
  const thead = el("thead"); thead.append(head);
  fill(node, [el("caption", "Newest figures of each case" + (column("machine") ? " and machine" : "") + ". Press a heading to sort, a case for its trend."), thead, body]);
  $("count").textContent = `${rows.length} of ${count(D.cases.length, column("machine") ? "row" : "case")}`;
}

function look(title, x, y) {
  const ink = dark.matches ? "#e6e7ea" : "#1b1b1f", line = dark.matches ? "#3b414a" : "#dde1e6";
  const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
  return {
    title: { text: title, font: { size: 14 } }, font: { color: ink }, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 55, r: 15, t: 40, b: 45 },
    xaxis: { ...axis, title: { text: x } }, yaxis: { ...axis, title: { text: y } },
    legend: { orientation: "h", y: -0.25 }, hoverlabel: { namelength: -1 },
  };
}
const accent = () => (dark.matches ? "#7cc4ee" : "#0b5c8a");
const grey = () => (dark.matches ? "#8b93a0" : "#79808c");
const bad = () => (dark.matches ? "#ff9d92" : "#a3261b");
// A chart is drawn when it comes near the screen, and again there only after it has changed.
const waiting = new Map(), near = new Set();
function draw(id, traces, layout) {
  waiting.set(id, [traces, layout]);
  if (near.has(id)) paint(id);
}
function paint(id) {
  if (!window.Plotly || !waiting.has(id) || $(id).hidden) return;
  const [traces, layout] = waiting.get(id);
  waiting.delete(id);
  Plotly.react(id, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}
const watcher = new IntersectionObserver((entries) => {
  for (const e of entries) {
    if (!e.isIntersecting) { near.delete(e.target.id); continue; }
    near.add(e.target.id); paint(e.target.id);
  }
}, { rootMargin: "25% 0px" });
// Without the model where all share it; else from the end, where names differ.
const models = new Set(D.cases.map((r) => r.model));
function short(name) {
  const s = models.size === 1 && name.split("/").length === 4 ? name.slice(name.indexOf("/") + 1) : name;
  const room = innerWidth < 640 ? 22 : 40;
  return s.length > room ? "\u2026" + s.slice(1 - room) : s;
}
function rowsAxis(layout, names) {
  Object.assign(layout.yaxis, { tickvals: names.map((_, i) => i), ticktext: names.map((n) => plain(short(n))),
    range: [names.length - 0.4, -0.6], tickfont: { size: innerWidth < 640 ? 9 : 11 }, zeroline: false });
  layout.margin.t = 10;
}

function trend() {
  const t = D.trends[state.trend];
  $("trend").hidden = !t;
  if (!t) { $("trend-words").textContent = "There is no timed case."; return; }
  const unit = t.unit;
  const x = t.runs.map((r) => D.runs[r].date), y = t.y;
  const error = t.low.some(has) ? {
    type: "data", symmetric: false, thickness: 1, width: 2, color: grey(),
    array: t.high.map((h, i) => (has(h) ? h - y[i] : 0)), arrayminus: t.low.map((l, i) => (has(l) ? y[i] - l : 0)),
  } : undefined;
  const layout = look("", "date, UTC", unit);
  // A step is a line, a gradual change the stretch over which it went.
  layout.shapes = t.events.map((e) => ({
    type: e.until > e.run ? "rect" : "line", xref: "x", yref: "paper", x0: D.runs[e.run].date,
    x1: D.runs[e.until].date, y0: 0, y1: 1, fillcolor: bad(), opacity: e.until > e.run ? 0.2 : 1,
    line: { color: bad(), width: 2, dash: e.stands ? "solid" : "dot" },
  }));
  layout.annotations = t.events.map((e, i) => ({
    x: D.runs[e.run].date, y: 1, yref: "paper", yanchor: "bottom", text: String(i + 1), showarrow: false,
    font: { color: bad() },
  }));
  layout.xaxis.type = "date";
  draw("trend", [{ x, y, error_y: error, mode: "lines+markers", line: { color: accent(), width: 1 },
    marker: { color: accent(), size: 6 }, text: t.runs.map((r) => plain(D.runs[r].commit || D.runs[r].file)),
    hovertemplate: "%{x}: %{y:.3f}<br>%{text}<extra></extra>", type: "scatter", name: "in order" },
  ...(t.older.length ? [{ x: t.older.map(([r]) => D.runs[r].date), y: t.older.map(([, v]) => v), mode: "markers",
    marker: { color: grey(), symbol: "circle-open", size: 6 }, text: t.older.map(([r]) => plain(D.runs[r].commit)),
    hovertemplate: "%{x}: %{y:.3f}<br>%{text}<extra></extra>", type: "scatter", name: "older commit, measured later" }] : [])], layout);
  $("trend-words").textContent = `${t.name}: ${unit}, ${count(t.runs.length, "run")}` +
    (t.low.some(has) ? ", with the 95 % interval within each run" : "") +
    `; ${count(t.events.length, "change")}, numbered in the chart.` +
    (t.older.length ? ` ${count(t.older.length, "run")} of older commits, measured later: no part of the changes.` : "") +
    (t.runs.length < 13 ? " With fewer than 13 runs no change can be told." : "");
  fill($("trend-events"), t.events.map((e, i) => el("li", `${i + 1}: ${e.words}`)));
  const figures = [...t.runs.map((r, i) => [r, "", y[i], t.low[i], t.high[i]]),
    ...t.older.map(([r, v]) => [r, " (older, measured later)", v])].sort((a, b) => b[0] - a[0]);
  table($("trend-table"), t.case, ["report, UTC", "commit", unit, "low", "high"], figures.map(([r, mark, ...v]) => [
    D.runs[r].date, D.runs[r].commit.slice(0, 8) + mark, number(v[0], 4), number(v[1], 4), number(v[2], 4),
  ]), [0, 1]);
}
function choose(index) {
  state.trend = index; $("case").value = index; trend(); overview();
}
// Ticks at every digit over less than a decade, else at 1, 2 and 5, or at the powers of ten. Where
// not two of them lie among the values Plotly labels so short a piece as it labels a linear axis.
function logarithmic(axis, values) {
  const above = values.filter((v) => v > 0), [least, most] = [Math.min(...above), Math.max(...above)];
  axis.type = "log";
  const decades = Math.log10(most / least);
  const digits = decades < 0.8 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : decades < 3 ? [1, 2, 5] : [1], ticks = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most) + 1; power++)
    ticks.push(...digits.map((digit) => Number(`${digit}e${power}`)));
  if (least < most && ticks.filter((tick) => least <= tick && tick <= most).length < 2) return;
  Object.assign(axis, { tickvals: ticks, ticktext: ticks.map(String) });
}

function pareto() {
  const all = shown(), rows = all.filter((r) => has(r.median) && has(r.agreement));
  const why = [...new Set(all.map((r) => r.undrawn).filter(Boolean))];
  const none = why.map((words) => `${all.filter((r) => r.undrawn === words).length} of ${count(all.length, "case")} not drawn: ${words}.`);
  $("pareto-none").textContent = all.length ? none.join(" ") : "No case passes the filters above.";
  $("pareto").hidden = !rows.length;
  if (!rows.length) return;
  const trace = (found, name, symbol, color) => ({
    x: found.map((r) => r.median), y: found.map((r) => r.agreement), name,
    text: found.map(named),
    mode: "markers", type: "scatter", marker: { symbol, color, line: { width: 1, color },
      size: found.map((r) => Math.max(8, 2 * Math.sqrt(r.size || 1))) },
    hovertemplate: "%{text}<br>%{x:.2f} ms, %{y:.1f} %<extra></extra>",
  });
  const layout = look("", "latency, ms (logarithmic)", "agreement with fp32, %");
  logarithmic(layout.xaxis, rows.map((r) => r.median));
  layout.margin.t = 10;
  const marks = [[true, "front", "circle", accent()], [false, "not on the front", "circle-open", grey()],
    [null, "not in the newest report", "x-thin-open", grey()]];
  draw("pareto", marks.map(([on, ...look]) => trace(rows.filter((r) => r.front === on), ...look))
    .filter((each, i) => i < 2 || each.x.length), layout);
}

function rounds() {
  const run = D.runs[state.run], mine = D.rounds[state.run] || [];
  $("rounds").hidden = !run;
  if (!run) { $("rounds-words").textContent = "There is no report."; return; }
  const rows = mine.filter(([c]) => visible(c, run.machine));
  const layout = look("", "ms a call (logarithmic)", "");
  logarithmic(layout.xaxis, rows.flatMap(([, q]) => [q[1], q[7]]));
  layout.showlegend = false; rowsAxis(layout, rows.map(([c]) => D.names[c]));
  $("rounds").style.height = `${Math.max(14, 5 + 1.5 * rows.length)}rem`;
  const at = (k) => rows.map(([, q]) => q[k]);
  draw("rounds", [{
    type: "box", orientation: "h", y: rows.map((_, i) => i), name: "",
    lowerfence: at(1), q1: at(3), median: at(4), q3: at(5), upperfence: at(7),
    marker: { color: accent() }, line: { width: 1 },
  }], layout);
  $("rounds-words").textContent = `${run.file}, ${run.date} UTC: for the cases that are filtered above, boxes from the first to the third quartile of the rounds, whiskers from the 5th to the 95th percentile.` +
    (run.complete ? "" : " This run is INCOMPLETE.") +
    (D.runs.length > D.most ? ` Of older reports than the newest ${D.most} the rounds are in their files.` : "");
  table($("rounds-table"), run.file, ["case", ...D.quantiles.map((q) => `${q} %`)],
    rows.map(([c, q]) => [D.names[c], ...q.map((v) => number(v, 3))]), [0]);
  const facts = [["machine", run.machine], ["commit", run.commit + (run.dirty ? " with uncommitted changes" : "")],
    ...Object.entries(run.versions), ...Object.entries(run.variables)];
  const list = el("ul");
  for (const [k, v] of facts) list.append(el("li", `${k}: ${v}`));
  for (const [k, v] of Object.entries(run.missing)) list.append(el("li", `${k}: ${v}`));
  fill($("machine"), [list]);
}
// Of each window a heat map: instances up, threads along, and one of a runtime's own streams; a gap is an arrangement that
// was not tried.
function grid() {
  const g = D.load.grids[Number($("load-case").value)];
  if (!g) return;
  const alike = (c, d) => c[2] === d[2] && c[6] === d[6];
  const maps = g.cells.filter((c, i) => g.cells.findIndex((d) => alike(c, d)) === i).sort((c, d) => c[6] - d[6] || c[2] - d[2]);
  const along = (k) => [...new Set(g.cells.map((c) => c[k]))].sort((a, b) => a - b);
  const threads = along(0), lanes = along(1), most = Math.max(...g.cells.map((c) => c[3]));
  const layout = look("", "", ""), below = innerWidth < 640; // narrow: one below the other
  const axis = { ...layout.xaxis, showgrid: false, zeroline: false, type: "category" };
  const traces = maps.map((map, i) => {
    const n = i ? String(i + 1) : "", part = 1 / maps.length, whole = [0, 1];
    const across = [i * part + (i ? 0.06 : 0), (i + 1) * part], down = [1 - (i + 1) * part + 0.12, 1 - i * part];
    layout[`xaxis${n}`] = { ...axis, domain: below ? whole : across, anchor: `y${n}`, title: { text: `threads${map[6] ? " of each stream" : ""}, window ${map[2]} ms` } };
    layout[`yaxis${n}`] = { ...axis, domain: below && maps.length > 1 ? down : whole, anchor: `x${n}`, title: { text: i && !below ? "" : map[6] ? "streams" : "instances" } };
    const at = (y, x) => g.cells.find((c) => c[0] === x && c[1] === y && alike(c, map));
    const each = (f) => lanes.map((y) => threads.map((x) => f(at(y, x))));
    return {
      type: "heatmap", xaxis: `x${n}`, yaxis: `y${n}`, x: threads.map(String), y: lanes.map(String), zmin: 0, zmax: most || 1,
      z: each((c) => (c ? c[3] : null)), customdata: each((c) => (c ? c[4] : null)),
      text: each((c) => (c ? c[3].toFixed(1) + (c[5] ? ", best" : "") : "")), texttemplate: "%{text}",
      hovertemplate: "%{y} x %{x}: %{z:.1f} requests/s, Offline %{customdata:.1f} images/s<extra></extra>", hoverongaps: false,
      colorscale: [[0, dark.matches ? "#21252b" : "#f2f4f7"], [1, accent()]], xgap: 2, ygap: 2, showscale: i === maps.length - 1,
      colorbar: { title: { text: "requests/s", side: "right" }, thickness: 12 },
    };
  });
  layout.margin.t = 10;
  $("grid").style.height = below ? `${16 * maps.length}rem` : "";
  $("grid").hidden = !most;
  if (most) draw("grid", traces, layout);
  $("grid-words").textContent = !most ? `${g.case}: no arrangement keeps ${g.bound} ms at any rate, so there is no map of rates.` : `${g.case}: requests a second within ${g.bound} ms that a simulated queue carries, by instances, threads and batching window, and by the runtime's own streams where it has them. The best of them was run; a gap was not tried.`;
  table($("grid-table"), g.case, ["arrangement", "window ms", "simulated requests/s", "Offline images/s"],
    g.cells.map((c) => [`${c[1]}${c[6] ? " streams" : ""} x ${c[0]}${c[5] ? " (best)" : ""}`, number(c[2], 1), number(c[3], 1), number(c[4], 1)]), [0]);
}
function loaded() {
  const L = D.load;
  $("load-section").hidden = !L.rows.length;
  if (!L.rows.length) return;
  table($("load"), L.caption, L.heads, L.rows, L.words);
  fill($("load-lines"), L.lines.map((words) => el("li", words)));
  options($("load-case"), L.grids.map((g, i) => [i, g.case]), 0);
  $("load-case").onchange = grid;
}
function visible(c, machine) {
  const r = D.cases.find((x) => x.case === D.names[c]);
  return r && passes({ ...r, machine });
}

function roof() {
  const rows = shown().filter((r) => has(r.peak)).sort((a, b) => b.peak - a.peak);
  const layout = look("", "share of the measured peak, %", "");
  rowsAxis(layout, rows.map((r) => r.case));
  $("roof").style.height = `${Math.max(10, 5 + 1.4 * rows.length)}rem`;
  $("roof").hidden = !rows.length;
  $("roof-none").hidden = rows.length > 0;
  if (rows.length) {
    draw("roof", [{ type: "bar", orientation: "h", x: rows.map((r) => r.peak), y: rows.map((_, i) => i), text: rows.map(named), textposition: "none",
      marker: { color: accent() }, customdata: rows.map((r) => r.rate),
      hovertemplate: "%{text}: %{x:.0f} %, %{customdata:.0f} Gop/s<extra></extra>" }], layout);
  }
}

function all() { overview(); trend(); pareto(); grid(); rounds(); roof(); }
function read() {
  if (window.Plotly) return;
  const script = document.createElement("script");
  script.textContent = $("plotly").textContent;
  document.head.append(script);
}
// Reading Plotly takes longer than all else: the tables can be used before it is read.
function charts() {
  read(); near.forEach(paint);
  document.body.dataset.drawn = "true";
}
function start() {
  $("summary").textContent = D.summary;
  const several = D.damaged.length !== 1, notes = D.remarks.length;
  const boxes = [
    [`${count(D.damaged.length, "file")} could not be read and ${several ? "are" : "is"} left out:`, D.damaged],
    [`${count(notes, "note")} on what was read:`, D.remarks],
  ].filter(([, told]) => told.length).map(([words, told]) => {
    const box = el("div", words, "warn"), list = el("ul");
    list.append(...told.map((why) => el("li", why))); box.append(list);
    return box;
  });
  fill($("damaged"), boxes);
  const best = el("ul"); best.append(...D.best.map((b) => el("li", b)));
  fill($("best"), [D.best.length ? best : el("p", "Nothing to recommend.")]);
  const failed = el("ul"); failed.append(...D.failed.map((f) => el("li", f)));
  fill($("failed"), [failed]);
  $("failed-section").hidden = !D.failed.length;
  const changes = D.changes.map((c) => {
    const li = el("li"), b = el("button", c.case); b.type = "button";
    b.onclick = () => { choose(c.trend); $("h-trend").scrollIntoView(); $("case").focus({ preventScroll: true }); };
    li.append(b, el("span", `: ${c.words}`)); return li;
  });
  const list = el("ul"); list.append(...changes);
  fill($("changes"), changes.length ? [list] : [el("p", "No change that holds over all cases.")]);
  $("host").parentElement.hidden = !column("machine");
  for (const [id, key] of FILTERS) {
    const values = [...new Set(D.cases.map((r) => r[key]))].sort(byName);
    options($(id), [["", "all"], ...values.map((v) => [v, v])], "");
    $(id).onchange = () => { overview(); pareto(); rounds(); roof(); };
  }
  const series = D.trends.map((t, i) => [i, t.short]);
  options($("case"), series.sort((a, b) => byName(D.trends[a[0]].case, D.trends[b[0]].case)), state.trend);
  $("case").onchange = () => choose(Number($("case").value));
  options($("report"), D.runs.map((r, i) => [i, `${r.date} ${r.commit.slice(0, 8)} ${r.file}`]).slice(-D.most).reverse(), state.run);
  $("report").onchange = () => { state.run = Number($("report").value); rounds(); };
  table($("flips"), D.flips.caption, ["picture", "case", "image", "fp32 says", "case says", "margin of fp32", "margin of case"],
    D.flips.rows.map((r) => [thumbnail(r[6], r[1]), r[0], r[1], r[2], r[3], number(r[4], 3), number(r[5], 3)]), [1, 2, 3, 4]);
  $("flips-words").textContent = D.flips.words;
  table($("runs"), "Newest first.", ["date, UTC", "report", "commit", "machine", "versions", "cases"],
    D.runs.map((r, i) => [r.date, r.file + (r.complete ? "" : " (incomplete)") + (r.older ? " (of an older commit, measured later)" : ""), r.commit.slice(0, 8) + (r.dirty ? " *" : ""), r.machine,
      Object.entries(r.versions).map(([k, v]) => `${k} ${v}`).join(", "), String((D.rounds[i] || []).length)]).reverse(), [0, 1, 2, 3, 4]);
  loaded();
  const first = D.changes.length ? D.changes[0].trend : 0;
  state.trend = first; $("case").value = first;
  all();
  dark.addEventListener("change", all);
  for (const chart of document.querySelectorAll(".chart")) watcher.observe(chart);
  addEventListener("beforeprint", () => { read(); [...waiting.keys()].forEach(paint); });
  document.body.dataset.ready = "true";
  requestAnimationFrame(() => setTimeout(charts, 0));
}
start();
