"use strict";
// Asks for the state once a second and draws it. Text from the run enters as text only, never as markup.
const STATES = ["done", "failed", "unstable", "timed out", "lost", "running", "waiting"];
const KINDS = {epistemic: "ignorance", aleatoric: "chance", numerical: "numerics"};
const GONE_AFTER = 15, SVG = "http://www.w3.org/2000/svg";
const at = id => document.getElementById(id);
let last = null, heard = 0, ages = {age: 0, silent: 0}, drawn = "";

function make(tag, css, text) {
  const node = document.createElement(tag);
  if (css) node.className = css;
  if (text !== undefined) node.textContent = text;
  return node;
}
function draw(tag, attributes, parent, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}
// the children of a list are kept from state to state, so that bars glide and nothing flickers
function keep(parent, keys, build, fill) {
  const there = new Map([...parent.children].map(node => [node.dataset.key, node]));
  keys.forEach(([key, item], k) => {
    let node = there.get(key);
    if (!node) { node = build(item); node.dataset.key = key; }
    there.delete(key);
    if (parent.children[k] !== node) parent.insertBefore(node, parent.children[k] || null);
    fill(node, item, k);
  });
  there.forEach(node => node.remove());
}
function write(node, text) { if (node.textContent !== text) node.textContent = text; }
function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor(s % 3600 / 60)).padStart(2, "0")} min`;
}
function about(seconds) {  // a guess has no more digits than it deserves
  if (seconds < 10) return "a few seconds";
  if (seconds < 90) return `${Math.round(seconds / 10) * 10} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(seconds < 36000 ? 1 : 0)} h`;
}
function short(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1e-3) return `${Number((seconds * 1e6).toPrecision(2))} µs`;
  if (seconds < 1) return `${Number((seconds * 1e3).toPrecision(2))} ms`;
  return seconds < 100 ? `${Number(seconds.toPrecision(2))} s` : `${Math.round(seconds / 60)} min`;
}
const many = n => n.toLocaleString("en").replaceAll(",", "\u2009");
const css = state => state === "running" ? "running-calls" : state.replace(" ", "-");
const total = states => Object.values(states).reduce((a, b) => a + b, 0);

// --- the head

function head(state) {
  const closing = state.closing, left = state.left === null || state.left === undefined ? null : state.left - ages.age;
  const silent = !closing && ages.silent > GONE_AFTER;
  document.body.className = [closing || (silent ? "" : "running"), silent ? "silent" : ""].join(" ").trim();
  const words = closing ? state.phase : silent ? `no news since ${new Date(Date.now() - 1000 * ages.silent).toLocaleTimeString()}` : state.phase;
  write(at("word"), words);
  write(at("title"), state.title);
  write(at("about"), state.about || "");
  const bits = [closing ? `after ${duration(state.elapsed)}` : `for ${duration(state.elapsed + ages.age)}`];
  if (state.members) bits.push(`${many(state.members[0])} of ${many(state.members[1])} members through`, `${many(state.rows[0])} of ${many(state.rows[1])} rows`);
  if (!closing && !silent && left !== null && left > 0 && state.phase === "running") bits.push(`about ${about(left)} left`);
  write(at("pace"), bits.join(" · "));
  const sums = {};
  for (const stage of state.stages) for (const [name, n] of Object.entries(stage.states)) sums[name] = (sums[name] || 0) + n;
  at("whole").hidden = !total(sums);
  bar(at("whole"), sums, "all calls of all stages");
  const done = total(sums) ? Math.floor(100 * (1 - ((sums.waiting || 0) + (sums.running || 0)) / total(sums))) : 0;
  document.title = `${closing ? state.phase : silent ? "no news" : `${done} %`} · ${state.title}`;
  at("end").hidden = !closing && !silent;
  write(at("said"), closing ? state.end : silent ? "The process of this run does not answer, or is gone. What was finished is kept in its folder." : "");
  keep(at("complaints"), (closing && state.complaints || []).map(line => [line, line]), line => make("li", "", line), () => {});
  write(at("next"), silent && !closing ? `uqmsm status ${state.run}` : state.next);
  write(at("status"), `uqmsm status ${state.run}`);
}
function bar(node, states, what) {
  const all = total(states) || 1;
  const shown = STATES.filter(name => name !== "waiting" && states[name]);
  keep(node, shown.map(name => [name, name]), name => make("i", css(name)), (part, name) => {
    requestAnimationFrame(() => { part.style.width = `${100 * states[name] / all}%`; });
  });
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", `${what}: ${STATES.filter(name => states[name]).map(name => `${states[name]} ${name}`).join(", ") || "nothing to run yet"}`);
}

// --- the answers

function answers(state) {
  keep(at("answers"), state.answers.map(one => [one.name, one]), one => {
    const node = make("article", "answer"), top = make("div", "top"), words = make("div");
    words.append(make("div", "what", one.words), make("div", "value"), make("ul", "parts"), make("p", "note"));
    top.append(words, make("div", "plot"));
    node.append(top, make("div", "ledger"));
    return node;
  }, (node, one) => answer(node, one, state));
  if (!state.answers.length && !at("answers").firstChild) at("answers").append(make("p", "value none", "No member is through the chain yet."));
}
function answer(node, one, state) {
  node.dataset.answer = one.name;
  for (const key of ["mean", "sd", "mean_se"]) node.dataset[key] = one[key];
  const value = node.querySelector(".value");
  value.classList.toggle("none", !one.said);
  write(value, one.said || "no answer yet");
  keep(node.querySelector(".parts"), one.parts.filter(part => part.sd !== null && (part.kind !== "interaction" || part.share > 0.02)).map(part => [part.kind, part]), part => {
    const item = make("li");
    item.append(make("span", `sw k-${part.kind}`), make("span", "", ""), make("b", "", ""), make("small", "", ""));
    return item;
  }, (item, part) => {
    item.dataset.sd = part.sd; item.dataset.share = part.share;
    write(item.children[1], `${part.words} `); item.children[2].style.fontWeight = 500;
    write(item.children[2], part.said_sd); write(item.children[3], `  ${part.said}`);
  });
  const sure = one.said_se ? `; the mean is known to ± ${one.said_se}` : "";
  const waits = one.parts.some(part => part.sd !== null) ? "" : one.ledger || one.used ? ". By kind after 8 complete rows" : "";
  write(node.querySelector(".note"), one.used ? `Mean ± standard deviation over ${many(one.used)} of ${many(one.of)} members${sure}${waits}.` : "");
  history(node.querySelector(".plot"), one);
  ledger(node.querySelector(".ledger"), one, state);
}
function history(node, one) {
  const points = one.history;
  node.hidden = points.length < 3;
  if (node.hidden || node.dataset.n === `${points.length} ${points.at(-1)}`) return;
  node.dataset.n = `${points.length} ${points.at(-1)}`;
  node.replaceChildren();
  const W = 340, H = 118, L = 4, R = 52, T = 8, B = 18, z = 1.645;
  const svg = draw("svg", {viewBox: `0 0 ${W} ${H}`, class: "run", role: "img"}, node);
  draw("title", {}, svg, `Running mean of ${one.words}: ${one.said}, after ${points.at(-1)[0]} rows`);
  const later = points.filter((p, k) => k >= points.length / 12);  // the first few rows would set the scale
  let low = Math.min(...later.map(p => p[1] - z * p[2])), high = Math.max(...later.map(p => p[1] + z * p[2]));
  if (!(high > low)) { low -= 1; high += 1; }
  const most = points.at(-1)[0];
  const x = n => L + (W - L - R) * n / most, y = v => T + (H - T - B) * (1 - (Math.min(Math.max(v, low), high) - low) / (high - low));
  const path = list => list.map((p, k) => `${k ? "L" : "M"}${p[0].toFixed(1)} ${p[1].toFixed(1)}`).join("");
  draw("line", {x1: L, x2: W - R, y1: H - B, y2: H - B, class: "axis"}, svg);
  const upper = points.map(p => [x(p[0]), y(p[1] + z * p[2])]), lower = points.map(p => [x(p[0]), y(p[1] - z * p[2])]);
  draw("path", {d: `${path([...upper, ...lower.reverse()])}Z`, class: "band"}, svg);
  draw("path", {d: path(points.map(p => [x(p[0]), y(p[1])])), class: "mean"}, svg);
  const end = points.at(-1);
  draw("circle", {cx: x(end[0]), cy: y(end[1]), r: 3, class: "end"}, svg);
  const digits = Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(high - low))));
  for (const v of [low, high]) draw("text", {x: W - R + 7, y: y(v) + 4}, svg, v.toFixed(digits).replace("-", "−"));
  draw("text", {x: L, y: H - 4}, svg, "running mean, 90 %");
  draw("text", {x: W - R, y: H - 4, "text-anchor": "end"}, svg, `${many(most)} rows`);
}

// --- the ledger

function ledger(node, one, state) {
  const found = one.ledger;
  node.hidden = !found;
  if (!found) return;
  if (!node.firstChild) {
    const legend = make("div", "legend");
    legend.setAttribute("aria-hidden", "true");
    for (const [kind, word] of Object.entries(KINDS)) entry(legend, `k-${kind}`, `${word} (${kind})`);
    entry(legend, "hatch k-epistemic", "with others");
    const scale = make("div", "row"), ticks = make("div", "scale");
    scale.setAttribute("aria-hidden", "true");
    for (const tick of [0, 25, 50, 75, 100]) { const mark = make("span", "", tick === 100 ? "100 %" : String(tick)); mark.style.left = `${tick}%`; ticks.append(mark); }
    scale.append(make("span"), make("span"), ticks, make("span"));
    node.append(make("p", "note"), legend, make("div", "stack"), make("div", "lines"), scale);
    node.querySelector(".stack").setAttribute("aria-hidden", "true");
  }
  const sure = found.widest_se === null ? "" : `, shares known to ± ${Math.max(100 * found.widest_se, 0.1).toFixed(found.widest_se < 0.01 ? 1 : 0)} points or better, asked ± ${Number((100 * state.target_se).toPrecision(2))}`;
  const early = !state.closing && found.lines.every(line => line.verdict === "refused") ? "; single sources can be told after 16" : "";
  write(node.querySelector(".note"), `Where ${found.of} comes from, after ${many(found.rows)} complete rows${sure}${early}`);
  const lines = found.lines;
  const width = v => Math.max(v || 0, 0), whole = lines.reduce((s, line) => s + width(line.alone) + width(line.others), 0) || 1;
  const parts = lines.flatMap(line => [[`${line.name} a`, [`k-${line.kind}`, width(line.alone)]], [`${line.name} b`, [`hatch k-${line.kind}`, width(line.others)]]]);
  keep(node.querySelector(".stack"), parts, () => make("i"), (part, [name, share]) => {
    part.className = name;
    requestAnimationFrame(() => { part.style.width = `${100 * share / whole}%`; });
  });
  keep(node.querySelector(".lines"), lines.map((line, k) => [line.name, {...line, said: early ? "not yet" : line.said, first: !k || lines[k - 1].stage !== line.stage}]), built, filled);
}
function entry(legend, name, words) {
  const item = make("span");
  item.append(make("span", `sw ${name}`), words);
  legend.append(item);
}
function built(line) {
  const row = make("div", "row"), track = make("div", "track");
  track.append(make("i", `alone k-${line.kind}`), make("i", `others hatch k-${line.kind}`), make("i", "whisker"));
  row.append(make("span", "stage"), make("span", "label", line.label), track, make("span", "said"));
  row.children[1].title = line.meaning;
  track.setAttribute("role", "img");
  return row;
}
function filled(row, line, k) {
  const [alone, others, whisker] = row.querySelector(".track").children, clip = v => 100 * Math.min(Math.max(v || 0, 0), 1);
  row.classList.toggle("next", line.first && k > 0);
  Object.assign(row.dataset, {line: line.name, fair: line.fair, lo: line.lo, hi: line.hi, verdict: line.verdict});
  write(row.children[0], line.first ? line.stage : "");
  row.title = line.reason;
  const said = row.children[3], known = line.fair !== null;
  write(said, line.said);
  said.classList.toggle("soft", line.verdict !== "estimated");
  row.children[2].classList.toggle("unknown", !known);
  row.children[2].setAttribute("aria-label", `${line.label} (${line.kind}, ${line.stage}): ${line.said}`);
  alone.classList.toggle("pale", line.verdict !== "estimated");
  requestAnimationFrame(() => {
    alone.style.width = `${clip(line.alone)}%`;
    others.style.left = `${clip(line.alone)}%`;
    others.style.width = `${Math.max(clip(line.fair) - clip(line.alone), 0)}%`;
    whisker.hidden = line.lo === null || line.hi === null;
    whisker.style.left = `${clip(line.lo)}%`;
    whisker.style.width = `${clip(line.hi) - clip(line.lo)}%`;
  });
}

// --- the ladder

function ladder(state) {
  const seen = STATES.filter(name => name === "done" || name === "running" || name === "waiting" || state.stages.some(stage => stage.states[name]));
  keep(at("states"), seen.map(name => [name, name]), name => { const item = make("span"); item.append(make("span", `sw ${css(name)}`), name); return item; }, () => {});
  const groups = new Map();
  for (const stage of state.stages) {
    const [group, name] = stage.name.includes(": ") ? stage.name.split(": ") : ["", stage.name];
    groups.set(group, [...(groups.get(group) || []), {...stage, name}]);
  }
  keep(at("ladder"), [...groups], () => { const node = make("div"); node.append(make("p", "finer"), make("div")); return node; }, (node, stages) => {
    const group = node.dataset.key;
    node.firstChild.hidden = !group;
    write(node.firstChild, group ? `${group}, on paired members, for the bias` : "");
    keep(node.lastChild, stages.map((stage, k) => [stage.name, {...stage, k, n: stages.length}]), rung, climbed);
  });
}
function rung() {
  const row = make("div", "rung"), name = make("div", "name"), count = make("div", "count");
  name.append(make("span"), make("small"));
  count.append(make("span"), make("small"));
  row.append(make("div", "rail"), name, make("div", "bar"), count);
  return row;
}
function climbed(row, stage) {
  const states = stage.states, all = total(states), ended = all - (states.waiting || 0) - (states.running || 0);
  row.dataset.stage = stage.name;
  row.dataset.states = JSON.stringify(states);
  const hurt = ["failed", "unstable", "timed out", "lost"].filter(name => states[name]);
  for (const [name, on] of [["first", stage.k === 0], ["last", stage.k === stage.n - 1], ["all", all && ended === all], ["hurt", hurt.length]]) row.classList.toggle(name, Boolean(on));
  write(row.children[1].children[0], stage.name);
  write(row.children[1].children[1], stage.scale && stage.scale !== stage.name ? stage.scale : "");
  bar(row.children[2], states, stage.name);
  write(row.children[3].children[0], all ? `${many(ended)} of ${many(all)}` : "not begun");
  const more = [...hurt, ...(states.running ? ["running"] : [])].map(name => `${many(states[name])} ${name}`);
  write(row.children[3].children[1], [...more, ...(stage.each ? [`${short(stage.each)} each`] : [])].join(" · "));
}

// --- failures and talk

function failures(state) {
  const list = state.failures || [];
  at("failed").hidden = !list.length;
  if (list.length) {
    write(at("failed-said"), `${many(state.failed_members)} of ${many(state.members[0])} members that are through failed; ${Number((100 * state.tolerated).toPrecision(3))} % are tolerated. They stay in the results as rows without an outcome.`);
    keep(at("reasons"), list.map(one => [`${one.stage} ${one.state} ${one.reason}`, one]), () => { const row = make("tr"); for (let k = 0; k < 5; k++) row.append(make("td", k < 2 ? "n" : "")); return row; }, (row, one) => {
      [many(one.members), many(one.calls), one.stage, one.state, one.reason].forEach((text, k) => write(row.children[k], text));
    });
    write(at("replay"), `uqmsm replay ${state.run} ${list[0].address}`);
  }
  at("talked").hidden = !state.talk.length;
  keep(at("talk"), state.talk.map(([when, line]) => [`${when} ${line}`, [when, line]]), ([when, line]) => {
    const item = make("li");
    item.append(make("time", "", duration(when)), make("span", "", line));
    return item;
  }, () => {});
}

// --- once a second

function show() {
  if (!last) return;
  head(last);
  const text = JSON.stringify(last);
  if (text === drawn) return;
  drawn = text;
  if (last.answers.length) at("answers").querySelectorAll("p.none").forEach(node => node.remove());
  answers(last);
  ladder(last);
  failures(last);
}
async function ask() {
  const began = performance.now();
  try {
    const reply = await fetch(`uqmsm/state.json${location.search}`, {cache: "no-store", signal: AbortSignal.timeout(5000)});
    if (!reply.ok) throw new Error(reply.status);
    const found = await reply.json();
    ages = {age: found.age, silent: found.silent};
    heard = performance.now();
    if (found.state) last = found.state;
  } catch {
    const more = (performance.now() - Math.max(heard, 0)) / 1000;  // nobody answers: the ages go on
    if (last) ages = {age: more, silent: Math.max(more, ages.silent)};
    if (last && !last.closing && more > 3) ages.silent = Math.max(ages.silent, GONE_AFTER + 1e-3, more);
  }
  show();
  setTimeout(ask, Math.max(1000 - (performance.now() - began), 100));
}
ask();
