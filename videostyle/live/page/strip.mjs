// The timeline strip: a lane a track, keys to drag, the mixture as a stacked area, undo and redo.

import { isOpen, on, request, send } from "./connection.mjs";
import { $, JITTER_PIXELS, SCALARS, clock, colorOf, duration, element, notice, pixels, seek, state, stepFrames, titleOf } from "./state.mjs";
import { tickNear, ticks } from "./beats.mjs";
import { exchangeMixture, look, normalised } from "./mixer.mjs";
import { showEase } from "./curve.mjs";

const TRACKS = ["mix", ...Object.keys(SCALARS)];
const SAME_MOMENT_SECONDS = 0.0005;
const MARK_REM = 6.4;
const MARK_TEXT_REM = 4.4;
const NEAREST_PIXELS = 4;  // of two keys that can be told apart
const LEAST_SECONDS = 1;  // in sight
const MOST_ZOOM = 10_000;
const WHEEL_ZOOM = 1.002;  // a pixel
const DETAIL_WAIT_MS = 100;
const EDGE_PIXELS = 12;  // of what is in sight; a drag there scrolls
// Timelines, each as the message that brings it back, and what was typed over it; and mixtures.
const history = { undo: [], redo: [] };
let now = null;  // the one shown; null until the server has said
let isAsked = false;  // the server has yet to answer
let waiting = null;  // to be asked then
let source = "";
let tracks = null;  // of what is shown, which may be ahead of the server
let selected = null;  // { track, at }
let heldBy = null;  // the pointer that has a key
let dropped = [];  // of what could be redone, by an edit that is not yet answered
let isLate = false;  // what should be shown
let zoom = 1;  // how many times as long as what is in sight of it the strip is
let detail = null;  // the curve of what is in sight, finer: { start, end, curve }
let asksDetail = 0;  // the timer that will
let warned = "";

// YAML takes JSON's strings and numbers, so a key is written as JSON in flow style.
function toYaml(edited) {
  const items = [];
  for (const track of TRACKS) {
    for (const { at, value, ease } of edited[track] ?? []) {
      const what = typeof value === "number" ? value : `{${Object.entries(value)
        .map(([name, weight]) => `${JSON.stringify(name)}: ${Number(weight.toFixed(4))}`).join(", ")}}`;
      const text = `  - {at: ${Math.max(0, at).toFixed(4)}s, ${track}: ${what}, ease: ${JSON.stringify(ease)
        .replaceAll('"', "")}}`;
      items.push({ at, text });
    }
  }
  items.sort((a, b) => a.at - b.at);
  const { loop, tempo } = state.timeline ?? {};
  const head = tempo ? [`tempo: {bpm: ${tempo.bpm}${tempo.first_beat ? `, first_beat: ${tempo.first_beat.toFixed(6)}s` : ""}}`] : [];
  const tail = loop ? [`loop: {period: ${Number(loop.period.toFixed(9))}s, mode: ${loop.bounce ? "bounce" : "repeat"}}`] : [];
  return items.length ? ["version: 1", ...head, "keyframes:", ...items.map(({ text }) => text), ...tail, ""].join("\n") : "";
}

function edit(change) {
  if (!isOpen()) return;
  const edited = structuredClone(tracks ?? {});
  change(edited);
  for (const track of TRACKS) edited[track]?.sort((a, b) => a.at - b.at);
  rememberTyped();
  tracks = edited.mix?.length ? edited : null;
  ask({ text: tracks ? toYaml(tracks) : "" });
  show();
}

export function sendText(text, of) {
  if (!isOpen()) return;
  remember();
  ask({ text, keep_text: true, follow: true, ...of });
}

// One question at a time: the answer to an older one would take back what is shown since.
function ask({ typed, ...message }) {
  now = message;
  if (isAsked) waiting = message;
  else send({ type: "timeline", ...message });
  isAsked = true;
}

function remember(typed = "") {
  if (!now) return;
  const redo = [...history.redo];
  keep({ ...now, typed });
  dropped = redo;
}

// What is typed gives way, and comes back with Undo.
function rememberTyped() {
  remember(state.typed);
  state.typed = "";
}

function keep(past) {
  history.undo.push(past);
  if (history.undo.length > 500) history.undo.shift();
  history.redo.length = 0;
  dropped = [];
}
on("mixture", (mixture) => { keep({ mixture }); show(); });

on("timeline", (message) => {
  const isNews = !isAsked && now && message.yaml !== now.text;
  if (isNews && state.conducts) rememberTyped();
  else if (isNews) remember();
  answered();
  const [warning = ""] = message.warnings ?? [];
  if (warning && warning !== warned) notice(warning.split("\n")[0].replace(/^timeline:/, "Timeline, line "));
  warned = warning;
});
for (const refusal of ["timeline_error", "failure"]) on(refusal, () => { if (isAsked) answered(); });
on("disconnected", () => { waiting = null; if (isAsked) answered(); });

function answered() {
  isAsked = false;
  if (waiting) {
    ask(waiting);
    waiting = null;
  } else {
    now = { text: state.timeline?.yaml ?? "", keep_text: true, file: state.timeline?.file };
    tracks = state.timeline?.tracks ?? null;
    // Of what was refused, or changed nothing.
    for (const each of Object.values(history)) {
      if (each.at(-1)?.text !== now.text) continue;
      const { typed } = each.pop();
      state.typed ||= typed;
      if (each === history.undo) history.redo.push(...dropped);
    }
    dropped = [];
    if (!selectedKey()) selected = null;
  }
  show();
}

on("source", ({ name }) => {
  if (name !== source) { zoomTo(1); history.undo.length = history.redo.length = 0; now = selected = null; state.typed = ""; }
  source = name;
  show();
});

// A mixture that an overdub has gone on from, which is over: the timeline is followed again.
const isVoid = (past) => past?.mixture?.follow && state.follow && !state.recording;

function step(from, to) {
  if (!isOpen() || !from.length) return;
  if (!state.conducts) {
    notice("Another tab has the controls; take over first.");
    return;
  }
  const past = from.pop();
  if (past.mixture) {
    to.push({ mixture: exchangeMixture(past.mixture) });
  } else {
    to.push({ ...now, typed: state.typed });
    state.typed = past.typed;
    ask(past);
  }
  show();
}

const isAt = (key, at) => Math.abs(key.at - at) < SAME_MOMENT_SECONDS;
const selectedKey = (of = tracks) => of?.[selected?.track]?.find((key) => isAt(key, selected.at));

function editKey(change) {
  if (selectedKey()) edit((edited) => change(selectedKey(edited), edited));
}

function putKey(edited, track, key) {
  edited[track] = (edited[track] ?? []).filter((each) => !isAt(each, key.at));
  edited[track].push(key);
}

// A key of the look of a moment, in one track or in all that are used: the look of the sliders, or,
// where the timeline is followed, what it says there.
async function addKey({ altKey = false, only = null, seconds = state.seconds } = {}) {
  const at = onBeat(seconds, altKey, TRACKS);
  const { mix, eases = {}, ...scalars } = state.follow ? await askLook(at) : look();
  if (!mix) return;
  selected = { track: only ?? "mix", at };
  const put = (edited, track, value) => putKey(edited, track, { at, value, ease: eases[track] ?? "linear" });
  edit((edited) => {
    if (!edited.mix || only === "mix" || !only) put(edited, "mix", normalised(mix));
    for (const [name, { initial }] of Object.entries(SCALARS)) {
      const isWanted = only ? only === name : edited[name] || scalars[name] !== initial;
      if (isWanted) put(edited, name, scalars[name]);
    }
  });
  focusSelected();
}

async function askLook(at) {
  const response = await request(`/look?at=${at}`);
  if (response.ok) return response.json();
  notice(await response.text());
  return {};
}

const focusSelected = () => (document.querySelector('.key[aria-pressed="true"]') ?? $("add-key")).focus();

// Its neighbour is then in focus.
function deleteKey() {
  if (heldBy !== null) return;  // the neighbour would be dragged on
  const keys = tracks?.[selected?.track];
  const place = keys?.indexOf(selectedKey()) ?? -1;
  if (place < 0) return;
  const { track } = selected;
  if (track === "mix" && keys.length === 1 && Object.keys(tracks).length > 1) {
    notice("The last key of the mix stays while other tracks have keys: they need something to paint.");
    return;
  }
  const neighbour = keys[place + 1] ?? keys[place - 1];
  edit((edited) => {
    edited[track].splice(place, 1);
    if (!edited[track].length) delete edited[track];
    selected = neighbour ? { track, at: neighbour.at } : null;
  });
  focusSelected();
}

const isTaken = (at) => tracks?.[selected?.track]?.some((key) => isAt(key, at));

// The beat that is drawn beside a time, unless Alt is held, or another key of the tracks is there.
function onBeat(seconds, altKey, among, moved = null) {
  const tempo = state.timeline?.tempo;
  const beat = tempo && !altKey ? tickNear(tempo, seconds, $("lanes").clientWidth / duration()) : null;
  const keys = among.flatMap((track) => tracks?.[track] ?? []);
  const isFree = beat !== null && beat <= duration() && !keys.some((key) => key !== moved && isAt(key, beat));
  return isFree ? beat : seconds;
}

function moveKey(to) {
  const at = Math.max(0, Number(to.toFixed(4)));
  if (isTaken(at)) return;
  editKey((key) => { key.at = selected.at = at; });
}

function show() {
  isLate = heldBy !== null;  // a new button would not be held
  if (isLate) return;
  showHint();
  for (const each of Object.values(history)) while (isVoid(each.at(-1))) each.pop();
  $("undo").disabled = !history.undo.length;
  $("redo").disabled = !history.redo.length;
  showSight();
  showKeyTools();
}

const showHint = () => { $("no-keys").hidden = Boolean(tracks) || state.recording; };

function showSight() {
  for (const track of TRACKS) showLane(track);
  drawCurves();
  drawRuler();
  $("zoom-out").disabled = zoom === 1;
  $("zoom-in").disabled = zoom >= mostZoom();
}

const mostZoom = () => Math.min(MOST_ZOOM, Math.max(1, duration() / LEAST_SECONDS));

// The stretch of time in sight.
function sight() {
  const begin = duration() * $("sight").scrollLeft / ($("lanes").clientWidth || 1);
  return { begin, end: begin + duration() / zoom };
}

function isSeen() {
  const { begin, end } = sight();
  return state.seconds >= begin && state.seconds <= end;
}

// Around what lies at a place of the screen, or around the playhead, if it is in sight; a time that
// is held comes to that place.
function zoomTo(times, x = null, held = null) {
  const { left, width } = $("sight").getBoundingClientRect();
  const { begin, end } = sight();
  const at = held ?? (x !== null ? timeAt(x) : isSeen() ? state.seconds : (begin + end) / 2);
  const place = held === null ? (at - begin) / (end - begin) * width : x - left;
  zoom = Math.min(mostZoom(), Math.max(1, times));
  $("lanes").style.width = `${100 * zoom}%`;
  $("sight").scrollLeft = at / duration() * $("lanes").clientWidth - place;
  showSight();
}

$("zoom-in").onclick = () => zoomTo(2 * zoom);
$("zoom-out").onclick = () => zoomTo(zoom / 2);
$("sight").addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();  // the page would be zoomed
  const lines = event.deltaMode ? 20 : 1;
  zoomTo(zoom * WHEEL_ZOOM ** (-event.deltaY * lines), event.clientX);
}, { passive: false });
$("sight").onscroll = () => {
  wasSeen = isSeen();
  showSight();
};

async function askDetail() {
  const asked = state.timeline;
  if (zoom === 1 || !asked) return;
  const { begin, end } = sight();
  const start = Math.max(0, begin - (end - begin));
  const stop = Math.min(duration(), end + (end - begin));
  const response = await request(`/curve?start=${start}&end=${stop}`);
  if (!response.ok || state.timeline !== asked) return;
  detail = { timeline: asked, start, end: stop, curve: await response.json() };
  drawCurves();
}

const laneOf = (track) => document.querySelector(`.lane[data-track="${track}"]`);

function showLane(track) {
  const lane = laneOf(track);
  const focused = document.activeElement?.classList.contains("key")
    ? [document.activeElement.dataset.track, document.activeElement.dataset.at] : null;
  // A new button would not be held.
  const held = heldBy === null ? null : lane.querySelector('.key[aria-pressed="true"]');
  for (const old of lane.querySelectorAll(".key")) if (old !== held) old.remove();
  const nearest = duration() * NEAREST_PIXELS / lane.clientWidth;
  const { begin, end } = sight();
  let last = -Infinity;
  for (const key of tracks?.[track] ?? []) {
    const isSelected = selected?.track === track && isAt(key, selected.at);
    if (isSelected ? held : key.at - last < nearest) continue;
    // Those a sight away may be reached by Tab, and scroll it.
    if ((key.at < 2 * begin - end || key.at > 2 * end - begin) && !isSelected) continue;
    last = key.at;
    const name = typeof key.value === "number" ? key.value.toFixed(2)
      : Object.keys(key.value).map(titleOf).join(", ");
    const button = element("button", {
      className: "key", title: `${key.at.toFixed(2)} s: ${name}`,
      ariaLabel: `Key of ${track} at ${key.at.toFixed(2)} seconds: ${name}`,
    });
    button.dataset.track = track;
    button.dataset.at = key.at;
    button.style.left = `${100 * Math.min(1, key.at / duration())}%`;
    button.setAttribute("aria-pressed", isSelected);
    makeDraggable(button, track, key);
    lane.append(button);
    if (focused && focused[0] === track && isSelected) button.focus({ preventScroll: true });
  }
}

function makeDraggable(button, track, key) {
  const select = () => {
    if (document.activeElement === $("key-at")) $("key-at").blur();  // what is typed is of another
    selected = { track, at: key.at };
    markSelected();
    showKeyTools();
  };
  let begin = 0;
  let aside = 0;  // of the key's middle, where it was taken
  let moved = null;
  button.onpointerdown = (event) => {
    if (event.button || heldBy !== null) return;
    button.setPointerCapture(event.pointerId);
    heldBy = event.pointerId;
    begin = event.clientX;
    const { left, width } = button.getBoundingClientRect();
    aside = begin - (left + width / 2);
    moved = null;
    select();
  };
  button.onpointermove = (event) => {
    if (event.pointerId !== heldBy) return;
    if (moved === null && Math.abs(event.clientX - begin) <= JITTER_PIXELS) return;
    dragTo(event, () => {
      moved = onBeat(timeAt(event.clientX - aside), event.altKey, [track], key);
      button.style.left = `${100 * moved / duration()}%`;
    });
  };
  button.onpointerup = ({ pointerId }) => {
    if (pointerId !== heldBy) return;
    heldBy = null;
    if (moved === null) {
      if (isLate) setTimeout(show);  // the click comes first
      return;
    }
    moveKey(moved);
    show();  // where it is, be it not moved
  };
  button.onpointercancel = ({ pointerId }) => { if (pointerId === heldBy) letGo(); };
  button.onfocus = select;
  button.onclick = () => { if (moved === null && !state.recording) seek(key.at); };
  button.onkeydown = (event) => {
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (sign) {
      const fps = state.source?.fps || 25;
      const nearest = Math.round(key.at * fps);
      const isOn = Math.abs(nearest / fps - key.at) < SAME_MOMENT_SECONDS;
      // From between two frames it goes to the next.
      let frame = isOn ? nearest : Math.floor(key.at * fps) + (sign < 0 ? 1 : 0);
      do frame += sign * (event.shiftKey ? 10 : 1); while (isTaken(frame / fps));  // past other keys
      moveKey(frame / fps);
    } else if (event.key === "Delete" || event.key === "Backspace") deleteKey();
    else if (event.key === "Escape" && heldBy !== null) letGo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

// The key is again where it was.
function letGo() {
  heldBy = null;
  show();
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
  $("key-at").value = !key ? "" : key.at < 60 ? key.at.toFixed(3) : clock(key.at, 3);
  showEase(key?.ease ?? "linear", (ease) => editKey((each) => { each.ease = ease; }));
}

$("key-at").onchange = ({ target }) => {
  const at = secondsOf(target.value);
  if (at === null) notice("A time is written as 64.5 or 1:04.5.");
  else if (isTaken(at) && !isAt(selected, at)) notice("There is a key at that time already.");
  else moveKey(at);
  showKeyTools();
};

function secondsOf(text) {
  const plain = text.trim().replace(",", ".").replace(/\s*s$/, "");
  if (!/^(\d+:){0,2}(\d+\.?\d*|\.\d+)$/.test(plain)) return null;
  return plain.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
}

$("key-set").onclick = () => editKey((key) => {
  const { mix, ...scalars } = state.follow ? state.look : look();
  key.value = selected.track === "mix" ? normalised(mix) : scalars[selected.track];
});
$("key-copy").onclick = ({ altKey }) => editKey((key, edited) => {
  selected.at = onBeat(state.seconds, altKey, [selected.track]);
  putKey(edited, selected.track, { ...key, at: selected.at });
});
$("key-delete").onclick = deleteKey;
$("add-key").onclick = ({ altKey }) => addKey({ altKey });
$("undo").onclick = () => step(history.undo, history.redo);
$("redo").onclick = () => step(history.redo, history.undo);
$("follow").onclick = () => send({ type: "set", follow: !state.follow });

function drawCurves() {
  const { begin, end } = sight();
  const covers = detail && detail.timeline === state.timeline && detail.start <= begin + 1e-6 && detail.end >= Math.min(end, duration()) - 1e-6;
  const curve = covers ? detail.curve : state.timeline?.curve;
  if (zoom > 1 && !covers) {
    clearTimeout(asksDetail);
    asksDetail = setTimeout(askDetail, DETAIL_WAIT_MS);
  }
  for (const track of TRACKS) {
    const canvas = laneOf(track).querySelector("canvas");
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, width * devicePixelRatio);
    canvas.height = Math.max(1, height * devicePixelRatio);
    const placeOf = (time) => (time - begin) / (end - begin) * canvas.width;
    if (curve?.[track]) {
      const across = curve.times.map(placeOf);
      across.push(Math.max(across.pop(), canvas.width));  // its end holds to the end of the strip
      if (track === "mix") drawArea(canvas, curve.mix, across);
      else drawLine(canvas, curve[track], SCALARS[track], across);
    }
    if (state.timeline?.tempo) drawBeats(canvas, ticks(state.timeline.tempo, begin, end, width / (end - begin)), placeOf);
  }
}

// The mixture as a stacked area: every painting as high as its weight.
function drawArea(canvas, mix, across) {
  const context = canvas.getContext("2d");
  let base = across.map(() => 0);
  for (const name of Object.keys(mix)) {
    const top = base.map((sum, point) => sum + mix[name][point]);
    context.beginPath();
    base.forEach((sum, point) => context.lineTo(across[point], canvas.height * (1 - sum)));
    for (let point = top.length - 1; point >= 0; point -= 1) context.lineTo(across[point], canvas.height * (1 - top[point]));
    context.fillStyle = colorOf(name);
    context.fill();
    base = top;
  }
}

function drawLine(canvas, values, { low, high }, across) {
  const context = canvas.getContext("2d");
  context.beginPath();
  values.forEach((value, point) => {
    const part = (value - low) / (high - low);
    context.lineTo(across[point], 2 + (canvas.height - 4) * (1 - part));
  });
  context.strokeStyle = "#a3a7b0";
  context.lineWidth = 1.5 * devicePixelRatio;
  context.stroke();
}

// A dark line with a light one beside it is seen on every painting's colour.
function drawBeats(canvas, beats, placeOf) {
  const context = canvas.getContext("2d");
  for (const { at, isBar } of beats) {
    const top = isBar ? 0 : canvas.height * 0.6;
    const across = Math.round(placeOf(at));
    context.globalAlpha = isBar ? 0.5 : 0.3;
    context.fillStyle = "#000";
    context.fillRect(across - devicePixelRatio, top, devicePixelRatio, canvas.height);
    context.fillStyle = "#fff";
    context.fillRect(across, top, devicePixelRatio, canvas.height);
  }
  context.globalAlpha = 1;
}

function drawRuler() {
  const length = duration();
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
  const width = $("ruler").clientWidth;
  const { begin, end } = sight();
  const gap = steps.find((each) => (end - begin) / each <= $("sight").clientWidth / pixels(MARK_REM)) ?? 7200;
  const last = Math.min(end, length * (1 - pixels(MARK_TEXT_REM) / width));
  const decimals = gap < 1 ? 1 : 0;
  const marks = [];
  for (let number = Math.floor(begin / gap); number * gap < last; number += 1) {
    const at = number * gap;
    const mark = element("span", { textContent: decimals && length < 60 ? at.toFixed(1) : clock(at, decimals) });
    mark.style.left = `${100 * at / length}%`;
    marks.push(mark);
  }
  $("ruler").replaceChildren(...marks);
  $("ruler").setAttribute("aria-valuemax", length.toFixed(2));
  shownDuration = length;
}

function timeAt(x) {
  const seen = $("sight").getBoundingClientRect();
  const box = $("lanes").getBoundingClientRect();
  const place = Math.min(seen.right, Math.max(seen.left, x));
  return duration() * Math.min(1, Math.max(0, (place - box.left) / box.width));
}

// A hand that drags along the edge of what is in sight scrolls it, and drags on.
let edge = null;  // what to do with the last event of a drag: { event, drag }
function dragTo(event, drag) {
  const isNew = edge === null;
  edge = { event, drag };
  drag(event);
  if (isNew) requestAnimationFrame(scrollOn);
}
function scrollOn() {
  if (edge === null) return;
  const { left, right, width } = $("sight").getBoundingClientRect();
  const { clientX } = edge.event;
  const way = clientX > right - EDGE_PIXELS ? 1 : clientX < left + EDGE_PIXELS ? -1 : 0;
  const before = $("sight").scrollLeft;
  $("sight").scrollLeft += way * width / 60;
  if ($("sight").scrollLeft !== before) edge.drag(edge.event);
  requestAnimationFrame(scrollOn);
}
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { edge = null; }, true);

let finger = null;  // that may yet scroll the page
function scrub({ clientX }) {
  finger = null;
  if (state.source?.kind === "video") seek(timeAt(clientX));
}
$("lanes").onpointerdown = (event) => {
  const isTouch = event.pointerType === "touch";
  if (isTouch) fingers.set(event.pointerId, event);
  if (fingers.size > 1) takeHold();
  // A recording is not to end by a hand that passes.
  if (pinch || event.button || event.target.closest(".key") || state.recording) return;
  $("lanes").setPointerCapture(event.pointerId);
  if (isTouch) finger = event;
  else scrub(event);
};
$("lanes").onpointermove = (event) => {
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
  if (pinch) spread();
  else if (!$("lanes").hasPointerCapture(event.pointerId)) return;
  else if (!finger || Math.abs(event.clientX - finger.clientX) > JITTER_PIXELS) dragTo(event, scrub);
};
$("lanes").onpointerup = (event) => { if (finger) scrub(event); };
$("lanes").onpointercancel = () => { finger = null; };

// Two fingers zoom what lies between them, and drag it along. One that stays moves nothing more.
const fingers = new Map();  // that are down, with the last event of each
let pinch = null;  // as it began: { apart, zoom, at }
function spans() {
  const [one, other] = fingers.values();
  return {
    apart: Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY)),
    middle: (one.clientX + other.clientX) / 2,
  };
}
function takeHold() {
  const { apart, middle } = spans();
  pinch = { apart, zoom, at: timeAt(middle) };
  finger = edge = null;
  if (heldBy !== null) letGo();
  for (const pointer of fingers.keys()) $("lanes").setPointerCapture(pointer);
}
function spread() {
  if (fingers.size < 2) return;
  const { apart, middle } = spans();
  zoomTo(pinch.zoom * apart / pinch.apart, middle, pinch.at);
}
function lift({ pointerId }) {
  if (!fingers.delete(pointerId)) return;
  if (fingers.size > 1) takeHold();
  else if (!fingers.size) pinch = null;
}
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, lift);
// The browser would scroll the page by two.
$("lanes").addEventListener("touchmove", (event) => { if (pinch) event.preventDefault(); }, { passive: false });
$("lanes").ondblclick = (event) => {
  const target = document.elementFromPoint(event.clientX, event.clientY);
  const track = target?.closest(".lane")?.dataset.track;
  const isKey = target?.closest(".key") || event.target.closest(".key");
  if (track && !isKey) addKey({ altKey: event.altKey, only: track, seconds: timeAt(event.clientX) });
};
$("ruler").onkeydown = (event) => {
  const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!sign) return;
  event.preventDefault();
  if (event.shiftKey) seek(state.seconds + sign);
  else if (!event.repeat || !state.isStepping) stepFrames(sign);
};

let shownDuration = 0;
let wasSeen = true;  // the playhead
on("picture", () => {
  if (duration() !== shownDuration) show();
  $("playhead").style.left = `${100 * Math.min(1, state.seconds / duration())}%`;
  if (zoom > 1) followPlayhead();
  $("ruler").setAttribute("aria-valuenow", state.seconds.toFixed(2));
});
// What is in sight turns like a page, if the playhead has left it by itself.
function followPlayhead() {
  if (isSeen()) wasSeen = true;
  else if (wasSeen && !edge) {
    const first = state.seconds - 0.1 * duration() / zoom;
    $("sight").scrollLeft = first / duration() * $("lanes").clientWidth;
  }
}
on("state", () => {
  $("follow").setAttribute("aria-pressed", state.follow);
  showHint();
});
new ResizeObserver(show).observe($("lanes"));
