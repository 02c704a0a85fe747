// The timeline strip: a lane a track, keys to drag, the mixture as a stacked area, undo and redo.

import { emit, isOpen, on, send } from "./connection.mjs";
import { $, SCALARS, colorOf, duration, element, notice, seek, state, titleOf } from "./state.mjs";
import { look } from "./mixer.mjs";
import { showEase } from "./curve.mjs";

const TRACKS = ["mix", ...Object.keys(SCALARS)];
const SAME_MOMENT_SECONDS = 0.0005;
const MARK_PIXELS = 64;
const JITTER_PIXELS = 3;  // of a click; what goes farther is a drag
// Timelines, each as the message that brings it back.
const history = { undo: [], redo: [] };
let now = null;  // the one shown; null until the server has said
let isAsked = false;  // the server has yet to answer
let waiting = null;  // to be asked then
let source = "";
let tracks = null;  // of what is shown, which may be ahead of the server
let selected = null;  // { track, at }

// YAML takes JSON's strings and numbers, so a key is written as JSON in flow style.
function toYaml(edited) {
  const items = [];
  for (const track of TRACKS) {
    for (const { at, value, ease } of edited[track] ?? []) {
      const what = typeof value === "number" ? value : `{${Object.entries(value)
        .map(([name, weight]) => `${JSON.stringify(name)}: ${Number(weight.toFixed(4))}`).join(", ")}}`;
      items.push(`  - {at: ${Math.max(0, at).toFixed(4)}s, ${track}: ${what}, ease: ${JSON.stringify(ease)
        .replaceAll('"', "")}}`);
    }
  }
  const { loop } = state.timeline ?? {};
  const tail = loop ? [`loop: {period: ${loop.period}s, mode: ${loop.bounce ? "bounce" : "repeat"}}`] : [];
  return items.length ? ["version: 1", "keyframes:", ...items, ...tail, ""].join("\n") : "";
}

function edit(change) {
  if (!isOpen()) return;
  const edited = structuredClone(tracks ?? {});
  change(edited);
  for (const track of TRACKS) edited[track]?.sort((a, b) => a.at - b.at);
  emit("forget_typed");
  remember();
  tracks = edited.mix?.length ? edited : null;
  ask({ text: tracks ? toYaml(tracks) : "" });
  show();
}

export function sendText(text) {
  if (!isOpen()) return;
  remember();
  ask({ text, keep_text: true, follow: true });
}

// One question at a time: the answer to an older one would take back what is shown since.
function ask(message) {
  now = message;
  if (isAsked) waiting = message;
  else send({ type: "timeline", ...message });
  isAsked = true;
}

function remember() {
  if (now) history.undo.push(now);
  if (history.undo.length > 500) history.undo.shift();
  history.redo.length = 0;
}

on("timeline", (message) => {
  const isNews = !isAsked && now && message.yaml !== now.text;
  if (isNews) remember();
  answered();
  if (message.warnings?.length) notice(message.warnings[0].split("\n")[0].replace(/^timeline:/, "Timeline, line "));
});
for (const refusal of ["timeline_error", "failure"]) on(refusal, () => { if (isAsked) answered(); });
on("disconnected", () => { waiting = null; if (isAsked) answered(); });

function answered() {
  isAsked = false;
  if (waiting) {
    ask(waiting);
    waiting = null;
  } else {
    now = { text: state.timeline?.yaml ?? "", keep_text: true };
    tracks = state.timeline?.tracks ?? null;
    // Of what was refused, or changed nothing.
    for (const each of Object.values(history)) if (each.at(-1)?.text === now.text) each.pop();
    if (!selectedKey()) selected = null;
  }
  show();
}

on("source", ({ name }) => {
  if (name !== source) { history.undo.length = history.redo.length = 0; now = selected = null; emit("forget_typed"); }
  source = name;
  show();
});

function step(from, to) {
  if (!isOpen() || !from.length) return;
  emit("forget_typed");
  to.push(now);
  ask(from.pop());
  show();
}

const isAt = (key, at) => Math.abs(key.at - at) < SAME_MOMENT_SECONDS;
const selectedKey = (of = tracks) => of?.[selected?.track]?.find((key) => isAt(key, selected.at));

function editKey(change) {
  if (selectedKey()) edit((edited) => change(selectedKey(edited), edited));
}

function put(edited, track, key) {
  edited[track] = (edited[track] ?? []).filter((each) => !isAt(each, key.at));
  edited[track].push(key);
}

// A key of the look of this moment, in one track or in all that are used.
function addKey(only = null, at = state.seconds) {
  const { mix, ...scalars } = state.follow ? state.look : look();
  selected = { track: only ?? "mix", at };
  edit((edited) => {
    if (!edited.mix || only === "mix" || !only) put(edited, "mix", { at, value: normalised(mix), ease: "linear" });
    for (const [name, { initial }] of Object.entries(SCALARS)) {
      const isWanted = only ? only === name : edited[name] || scalars[name] !== initial;
      if (isWanted) put(edited, name, { at, value: scalars[name], ease: "linear" });
    }
  });
}

function normalised(mix) {
  const total = Object.values(mix).reduce((sum, weight) => sum + weight, 0);
  return Object.fromEntries(Object.entries(mix).map(([name, weight]) => [name, weight / total]));
}

function deleteKey() {
  editKey((key, edited) => {
    edited[selected.track] = edited[selected.track].filter((each) => each !== key);
    if (!edited[selected.track].length) delete edited[selected.track];
  });
}

function moveKey(to) {
  const at = Math.max(0, Number(to.toFixed(4)));
  if (tracks?.[selected?.track]?.some((key) => isAt(key, at))) return;
  editKey((key) => { key.at = selected.at = at; });
}

function show() {
  $("no-keys").hidden = Boolean(tracks);
  $("undo").disabled = !history.undo.length;
  $("redo").disabled = !history.redo.length;
  for (const track of TRACKS) showLane(track);
  drawCurves();
  drawRuler();
  showKeyTools();
}

const laneOf = (track) => document.querySelector(`.lane[data-track="${track}"]`);

function showLane(track) {
  const lane = laneOf(track);
  const focused = document.activeElement?.classList.contains("key")
    ? [document.activeElement.dataset.track, document.activeElement.dataset.at] : null;
  for (const old of lane.querySelectorAll(".key")) old.remove();
  for (const key of tracks?.[track] ?? []) {
    const name = typeof key.value === "number" ? key.value.toFixed(2)
      : Object.keys(key.value).map(titleOf).join(", ");
    const button = element("button", {
      className: "key", title: `${key.at.toFixed(2)} s: ${name}`,
      ariaLabel: `Key of ${track} at ${key.at.toFixed(2)} seconds: ${name}`,
    });
    button.dataset.track = track;
    button.dataset.at = key.at;
    button.style.left = `${100 * Math.min(1, key.at / duration())}%`;
    const isSelected = selected?.track === track && isAt(key, selected.at);
    button.setAttribute("aria-pressed", Boolean(isSelected));
    makeDraggable(button, track, key);
    lane.append(button);
    if (focused && focused[0] === track && isSelected) button.focus();
  }
}

function makeDraggable(button, track, key) {
  const select = () => { selected = { track, at: key.at }; markSelected(); showKeyTools(); };
  let begin = 0;
  let moved = null;
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    begin = event.clientX;
    moved = null;
    select();
  };
  button.onpointermove = (event) => {
    if (!button.hasPointerCapture(event.pointerId)) return;
    if (moved === null && Math.abs(event.clientX - begin) <= JITTER_PIXELS) return;
    moved = timeAt(event);
    button.style.left = `${100 * moved / duration()}%`;
  };
  button.onpointerup = () => {
    if (moved === null) return;
    moveKey(moved);
    show();  // where it is, be it not moved
  };
  button.onpointercancel = show;
  button.onfocus = select;
  button.onclick = () => { if (moved === null) seek(key.at); };
  button.onkeydown = (event) => {
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const interval = 1 / (state.source?.fps || 25);
    if (sign) moveKey(key.at + sign * interval * (event.shiftKey ? 10 : 1));
    else if (event.key === "Delete" || event.key === "Backspace") deleteKey();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

function markSelected() {
  for (const button of document.querySelectorAll(".key")) {
    const isSelected = selected && button.dataset.track === selected.track && isAt({ at: Number(button.dataset.at) }, selected.at);
    button.setAttribute("aria-pressed", Boolean(isSelected));
  }
}

function showKeyTools() {
  const key = selectedKey();
  $("key-tools").disabled = !key;
  $("key-at").value = key ? key.at.toFixed(3) : "";
  showEase(key?.ease ?? "linear", (ease) => editKey((each) => { each.ease = ease; }));
}

$("key-at").onchange = ({ target }) => {
  if (target.value.trim() && Number.isFinite(Number(target.value))) moveKey(Number(target.value));
  showKeyTools();
};
$("key-set").onclick = () => editKey((key) => {
  const { mix, ...scalars } = state.follow ? state.look : look();
  key.value = selected.track === "mix" ? normalised(mix) : scalars[selected.track];
});
$("key-copy").onclick = () => editKey((key, edited) => {
  selected.at = state.seconds;
  put(edited, selected.track, { ...key, at: selected.at });
});
$("key-delete").onclick = deleteKey;
$("add-key").onclick = () => addKey();
$("undo").onclick = () => step(history.undo, history.redo);
$("redo").onclick = () => step(history.redo, history.undo);
$("follow").onclick = () => send({ type: "set", follow: !state.follow });

function drawCurves() {
  const curve = state.timeline?.curve;
  for (const track of TRACKS) {
    const canvas = laneOf(track).querySelector("canvas");
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, width * devicePixelRatio);
    canvas.height = Math.max(1, height * devicePixelRatio);
    if (!curve?.[track]) continue;
    if (track === "mix") drawArea(canvas, curve.mix);
    else drawLine(canvas, curve[track], SCALARS[track]);
  }
}

// The mixture as a stacked area: every painting as high as its weight.
function drawArea(canvas, mix) {
  const context = canvas.getContext("2d");
  const names = Object.keys(mix);
  const last = mix[names[0]].length - 1;
  const x = (point) => canvas.width * point / last;
  let base = new Array(last + 1).fill(0);
  for (const name of names) {
    const top = base.map((sum, point) => sum + mix[name][point]);
    context.beginPath();
    base.forEach((sum, point) => context.lineTo(x(point), canvas.height * (1 - sum)));
    for (let point = last; point >= 0; point -= 1) context.lineTo(x(point), canvas.height * (1 - top[point]));
    context.fillStyle = colorOf(name);
    context.fill();
    base = top;
  }
}

function drawLine(canvas, values, { low, high }) {
  const context = canvas.getContext("2d");
  context.beginPath();
  values.forEach((value, point) => {
    const part = (value - low) / (high - low);
    context.lineTo(canvas.width * point / (values.length - 1), 2 + (canvas.height - 4) * (1 - part));
  });
  context.strokeStyle = "#a3a7b0";
  context.lineWidth = 1.5 * devicePixelRatio;
  context.stroke();
}

function drawRuler() {
  const length = duration();
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
  const gap = steps.find((each) => length / each <= $("ruler").clientWidth / MARK_PIXELS) ?? 7200;
  const marks = [];
  for (let at = 0; at < length; at += gap) {
    const mark = element("span", { textContent: gap < 1 ? at.toFixed(1) : `${Math.floor(at / 60)}:${String(Math.round(at % 60)).padStart(2, "0")}` });
    mark.style.left = `${100 * at / length}%`;
    marks.push(mark);
  }
  $("ruler").replaceChildren(...marks);
  $("ruler").setAttribute("aria-valuemax", length.toFixed(2));
}

function timeAt(event) {
  const box = $("lanes").getBoundingClientRect();
  return duration() * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

function scrub(event) {
  if (event.target.closest(".key") || (event.type === "pointermove" && !event.buttons)) return;
  if (state.source?.kind === "video") seek(timeAt(event));
}
$("lanes").onpointerdown = (event) => {
  if (event.target.closest(".key")) return;
  $("lanes").setPointerCapture(event.pointerId);
  scrub(event);
};
$("lanes").ondblclick = (event) => {
  const track = document.elementFromPoint(event.clientX, event.clientY)?.closest(".lane")?.dataset.track;
  if (track) addKey(track, timeAt(event));
};
$("lanes").onpointermove = (event) => { if ($("lanes").hasPointerCapture(event.pointerId)) scrub(event); };
$("ruler").onkeydown = (event) => {
  const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!sign) return;
  event.preventDefault();
  if (event.shiftKey) seek(state.seconds + sign);
  else send({ type: "step", frames: sign });
};

on("picture", () => {
  $("playhead").style.left = `${100 * Math.min(1, state.seconds / duration())}%`;
  $("ruler").setAttribute("aria-valuenow", state.seconds.toFixed(2));
});
on("state", () => $("follow").setAttribute("aria-pressed", state.follow));
new ResizeObserver(() => { drawCurves(); drawRuler(); }).observe($("lanes"));
