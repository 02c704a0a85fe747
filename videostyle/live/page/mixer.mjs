// The sliders: a weight for every chosen painting, solo and mute, and what goes with the mixture.

import { emit, isOpen, on, send, withToken } from "./connection.mjs";
import { keptOver } from "./keeping.mjs";
import { $, ORIGINAL, SCALARS, colorOf, element, notice, state, titleOf, weightIn } from "./state.mjs";
import { isUnderHand, makeSlider } from "./slider.mjs";
import { noteSent } from "./viewer.mjs";

const CHOSEN_AT_FIRST = 13;
const STEP = 0.01;
const INTERVAL_MS = 20;
export const mixer = { chosen: [], values: new Map(), muted: new Set(), solo: null, scalars: {} };
let touched = { sliders: new Set(), isWhole: false };  // of a timeline that is recorded over
const rows = new Map();
const scalarInputs = new Map();
let serial = Date.now();  // rises over reloads and other tabs
let isScheduled = false;
let isMeasured = false;  // the first look, beside everything that loads, says nothing about speed
let isUnsent = false;  // moved while the connection was lost
let isFirst = true;  // of the page's life
let wasOverdub = false;
let isOfTake = false;  // the last move: it may be late for it
let isBehind = true;  // others may have set the look since the sliders did
let lastSent = 0;
let moved = 0;
export const moves = () => moved;  // so many, since the page was loaded

// Else a timeline, or another tab, moves the faders.
const handsLead = () => state.conducts && !state.follow;
const isOverdub = () => state.conducts && state.follow && state.recording;
export const handsAct = () => handsLead() || isOverdub();
const isHeld = (range) => handsAct() && isUnderHand(range);

// A camera shows other things when it is opened again, and a painting that learns changes.
export function thumbnail(name) {
  const age = `${state.sources}.${name === state.lesson?.style ? state.lesson.step : 0}`;
  return withToken(`/thumbnails/${encodeURIComponent(name)}?of=${state.source?.id ?? 0}&age=${age}`);
}

// The first pictures of a camera may still show the source before.
const CAMERA_PICTURES = 3;
export const hasThumbnails = () => state.source?.name && (state.source.kind !== "camera" || state.pictures >= CAMERA_PICTURES);

export function showThumbnail(image, name) {
  if (hasThumbnails()) image.src = thumbnail(name);
  else image.removeAttribute("src");
}

function showThumbnails() {
  for (const [name, { picture }] of rows) showThumbnail(picture, name);
  emit("thumbnails");
}

// Weights that sound: solo and mute applied, not yet divided by their sum.
function sounding() {
  const names = mixer.solo ? [mixer.solo] : mixer.chosen.filter((name) => !mixer.muted.has(name));
  const weights = {};
  for (const name of names) {
    const value = mixer.solo === name ? Math.max(mixer.values.get(name) ?? 0, 0.01) : mixer.values.get(name) ?? 0;
    if (value > 0) weights[name] = value;
  }
  return weights;
}

// Of the last move, sent or about to be; 0 before the first.
export const lastSerial = () => (isScheduled || lastSent ? serial : 0);

export function look() {
  const weights = sounding();
  const mix = Object.keys(weights).length ? weights : { [ORIGINAL]: 1 };
  return { mix, ...mixer.scalars };
}

function soundAll() {
  mixer.solo = null;
  mixer.muted.clear();
}

const ownsMix = () => touched.isWhole || mixer.solo !== null;

// All that is taken over from the timeline; the rest goes on as that says.
function takenOver() {
  const whole = ownsMix();
  const mix = sounding();
  for (const [name, { range }] of whole ? [] : rows) {
    if (mixer.muted.has(name)) mix[name] = 0;
    else if (touched.sliders.has(range)) mix[name] = mixer.values.get(name);
    else delete mix[name];
  }
  const scalars = Object.entries(mixer.scalars)
    .filter(([name]) => touched.sliders.has(scalarInputs.get(name).input));
  return { whole, mix, ...Object.fromEntries(scalars) };
}

const audible = () => mixer.chosen.filter((name) => !mixer.muted.has(name) && mixer.values.get(name) > 0);

// What is painted, as parts of 1.
export const shares = () =>
  normalised((handsLead() || (isOverdub() && ownsMix()) ? look() : state.look).mix);

export function normalised(mix) {
  const total = Object.values(mix).reduce((sum, weight) => sum + weight, 0);
  return Object.fromEntries(Object.entries(mix).map(([name, weight]) => [name, weight / total]));
}

// The first move goes out at once, then at most one message every INTERVAL_MS, always the newest.
export function commit() {
  const leaves = state.conducts && !isOverdub();
  isBehind = false;
  moved += 1;
  isOfTake = state.recording;
  if (!isScheduled) serial += 1;
  if (leaves) Object.assign(state, { follow: false, awaited: serial });
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(flush, Math.max(0, lastSent + INTERVAL_MS - performance.now()));
}

function flush() {
  if (!isScheduled) return;
  isScheduled = false;
  lastSent = performance.now();
  isUnsent = !isOpen();
  if (isMeasured) noteSent(serial);
  isMeasured = true;
  send(isOverdub() ? { type: "touch", serial, ...takenOver() }
    : { type: "look", serial, recording: isOfTake, ...look() });
  requestAnimationFrame(refresh);
}

function followAgain({ follow }) {
  if (!follow || isOverdub()) return;
  flush();
  send({ type: "set", follow });
}

// Another mixture in place of the whole one.
export function putMix(mix) {
  setMix(mix);
  touched.isWhole = isOverdub();
  commit();
}

// Which Undo brings back.
export function replaceMix(mix) {
  emit("mixture", mixture());
  putMix(mix);
}

export function putLook(mix, scalars) {
  Object.assign(mixer.scalars, scalars);
  if (isOverdub()) for (const { input } of scalarInputs.values()) touched.sliders.add(input);
  // The model may have lost a painting since.
  putMix(Object.fromEntries(Object.entries(mix).filter(([name]) => isKnown(name))));
}

const mixture = () => ({
  values: new Map(mixer.values), muted: new Set(mixer.muted), solo: mixer.solo, follow: state.follow,
  touched: { ...touched, sliders: new Set(touched.sliders) },
});
const wholeLook = () => ({ ...mixture(), scalars: { ...mixer.scalars } });
export const rememberLook = () => emit("mixture", wholeLook());

// Gives back the one that it takes the place of.
export function exchangeMixture({ follow, touched: taken, ...past }) {
  const before = past.scalars ? wholeLook() : mixture();
  if (isOverdub()) touched = follow ? taken : { ...touched, isWhole: true };
  const sounded = [...past.values.keys(), past.solo].filter((name) => past.values.get(name) || name === past.solo);
  add(sounded.filter(isKnown));
  Object.assign(mixer, past);
  if (!mixer.chosen.includes(mixer.solo)) mixer.solo = null;
  build();
  commit();
  followAgain({ follow });
  return before;
}

const isKnown = (name) => name === ORIGINAL || state.styles.some((style) => style.name === name);

function add(names) {
  for (const name of names) if (!mixer.chosen.includes(name)) mixer.chosen.push(name);
}

export function setMix(mix) {
  add(Object.keys(mix));
  for (const name of mixer.chosen) mixer.values.set(name, weightIn(mix, name));
  soundAll();
  build();
}

function refresh() {
  const part = shares();
  for (const [name, row] of rows) {
    const value = mixer.values.get(name) ?? 0;
    const share = weightIn(part, name);
    if (!isHeld(row.range)) row.range.value = value;
    row.range.style.setProperty("--part", `${value * 100}%`);
    row.range.setAttribute("aria-valuetext", `${Math.round(share * 100)} percent of the mixture`);
    row.weight.textContent = `${(share * 100).toFixed(0)} %`;
    row.weight.classList.toggle("sounds", share > 0);
    showTouched(row.range, touched.isWhole || touched.sliders.has(row.range));
    row.item.classList.toggle("silent", mixer.solo ? mixer.solo !== name : mixer.muted.has(name));
    row.solo.setAttribute("aria-pressed", mixer.solo === name);
    row.mute.setAttribute("aria-pressed", mixer.muted.has(name));
  }
  for (const [name, { input, output }] of scalarInputs) {
    const { low, high } = SCALARS[name];
    const value = mixer.scalars[name];
    if (!isHeld(input)) input.value = value;
    input.style.setProperty("--part", `${100 * (value - low) / (high - low)}%`);
    showTouched(input, touched.sliders.has(input));
    output.textContent = value.toFixed(2);
  }
}

function showTouched(input, isTouched) {
  input.classList.toggle("touched", isTouched);
  input.ariaDescription = isTouched ? "Yours until the recording ends" : null;
}

// One row a chosen painting, in their order; rows that are there stay as they are.
function build() {
  for (const [name, { item }] of rows) {
    if (!mixer.chosen.includes(name)) { item.remove(); rows.delete(name); }
  }
  mixer.chosen.forEach((name, place) => {
    if (!rows.has(name)) rows.set(name, makeRow(name));
    const { item, solo } = rows.get(name);
    const digit = place < 10 ? String((place + 1) % 10) : null;
    if (digit) item.dataset.digit = digit;
    else delete item.dataset.digit;
    solo.ariaKeyShortcuts = digit;
    if ($("sliders").children[place] !== item) $("sliders").insertBefore(item, $("sliders").children[place] ?? null);
  });
  find();
  refresh();
}

function makeRow(name) {
  const title = titleOf(name);
  const label = `Weight of ${title}`;
  const range = element("input", { type: "range", min: 0, max: 1, step: STEP, ariaLabel: label });
  range.dataset.style = name;
  range.dataset.midi = `weight ${name}`;
  range.style.setProperty("--fill", colorOf(name));
  slider(range, (value) => mixer.values.set(name, value));
  const weight = element("output", { className: "weight", ariaLive: "off" });
  const solo = element("button", { className: "small", textContent: "S", title: `Solo ${title}`, ariaLabel: `Solo ${title}` });
  solo.dataset.midi = `solo ${name}`;
  solo.onclick = () => toggleSolo(name);
  const mute = element("button", { className: "small", textContent: "M", title: `Mute ${title}`, ariaLabel: `Mute ${title}` });
  mute.dataset.midi = `mute ${name}`;
  mute.onclick = () => { mixer.muted.has(name) ? mixer.muted.delete(name) : mixer.muted.add(name); commit(); };
  const grip = element("button", { className: "grip", textContent: "⠿", title: "Drag, or arrow keys, to reorder", ariaLabel: `Move ${title}` });
  const picture = element("img", { alt: "" });
  showThumbnail(picture, name);
  const item = element("li", {}, grip, picture,
    element("div", {}, element("span", { className: "title", textContent: title, title }), range), weight, solo, mute);
  makeMovable(item, grip, name);
  return { item, range, weight, solo, mute, picture };
}

function find() {
  const wanted = $("search").value.trim().toLowerCase();
  for (const [name, { item }] of rows) item.hidden = !titleOf(name).toLowerCase().includes(wanted);
  $("none-found").hidden = [...rows.values()].some(({ item }) => !item.hidden);
}

on("state", noteOverdub);
on("freed", followPicture);
function noteOverdub() {
  if (wasOverdub !== isOverdub()) touched = { sliders: new Set(), isWhole: false };
  if (!wasOverdub && isOverdub()) soundAll();
  wasOverdub = isOverdub();
}

const slider = (range, keep) => makeSlider(range, {
  keep: (value) => {
    keep(value);
    if (isOverdub()) touched.sliders.add(range);
    commit();
  },
  grasps: isOverdub,
  cancelled: followAgain,
});

export function toggleSolo(name) {
  mixer.solo = mixer.solo === name ? null : name;
  commit();
}

function move(name, to) {
  const from = mixer.chosen.indexOf(name);
  const target = Math.min(mixer.chosen.length - 1, Math.max(0, to));
  if (from === target) return false;
  mixer.chosen.splice(target, 0, ...mixer.chosen.splice(from, 1));
  build();
  return true;
}

function makeMovable(item, grip, name) {
  grip.onpointerdown = (event) => {
    // The list keeps the pointer: a row that moves would lose it.
    $("sliders").setPointerCapture(event.pointerId);
    item.classList.add("dragged");
    $("sliders").onpointermove = ({ clientX, clientY }) => {
      const over = document.elementFromPoint(clientX, clientY)?.closest("#sliders li");
      const other = [...rows].find(([, row]) => row.item === over)?.[0];
      if (other && other !== name) move(name, mixer.chosen.indexOf(other));
    };
    $("sliders").onlostpointercapture = () => {
      item.classList.remove("dragged");
      $("sliders").onpointermove = null;
    };
  };
  grip.onkeydown = (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && move(name, mixer.chosen.indexOf(name) + step)) grip.focus();
    if (step) event.preventDefault();
  };
}

export function choose(name, isChosen) {
  if (!isChosen && state.follow && weightIn(state.timeline?.curve.mix ?? {}, name)) {
    notice(`${titleOf(name)} stays: the timeline uses it.`);
    return;
  }
  const sounds = Object.hasOwn(sounding(), name);
  mixer.chosen = isChosen ? [...mixer.chosen, name] : mixer.chosen.filter((each) => each !== name);
  if (!isChosen) { mixer.values.delete(name); mixer.muted.delete(name); if (mixer.solo === name) mixer.solo = null; }
  build();
  if (sounds && handsAct()) commit();
}

function buildScalars() {
  for (const [name, { label, low, high, initial, step }] of Object.entries(SCALARS)) {
    mixer.scalars[name] = initial;
    const input = element("input", { type: "range", min: low, max: high, step });
    input.dataset.scalar = input.dataset.midi = name;
    const output = element("output", { ariaLive: "off" });
    const put = slider(input, (value) => { mixer.scalars[name] = value; });
    input.ondblclick = () => put(initial);
    input.title = `A double click sets ${initial}`;
    $("scalars").append(element("label", {}, element("span", { textContent: label }), input, output));
    scalarInputs.set(name, { input, output });
  }
}

$("search").oninput = find;
$("clear").onclick = () => replaceMix({});
$("equalise").onclick = () => {
  const names = audible();
  replaceMix(Object.fromEntries((names.length ? names : mixer.chosen).map((name) => [name, 1])));
};
$("random").onclick = () => {
  // Two to four paintings: more of them look like none.
  const names = [...mixer.chosen].sort(() => Math.random() - 0.5).slice(0, 2 + Math.floor(3 * Math.random()));
  replaceMix(Object.fromEntries(names.map((name) => [name, 0.2 + 0.8 * Math.random()])));
};

// What a reload would lose: the server knows the mixture alone.
const before = keptOver("mixer", () => ({ ...mixer, values: [...mixer.values], muted: [...mixer.muted] }),
  ({ chosen, values, muted, solo }) => ({ chosen: [...chosen], values: [...new Map(values)], muted: new Set(muted), solo }));

const isHere = (mix) => {
  const own = normalised(look().mix);
  return Object.keys({ ...own, ...mix }).every((name) => Math.abs(weightIn(own, name) - weightIn(mix, name)) < 0.001);
};

// Takes up what was kept, unless something else is painted now.
function recall(mix) {
  if (!before) return false;
  const now = { ...mixer };
  Object.assign(mixer, {
    solo: before.solo, muted: before.muted,
    values: new Map(before.values.filter(([name]) => mixer.chosen.includes(name))),
  });
  if (isHere(mix)) return true;
  Object.assign(mixer, now);
  return false;
}

buildScalars();
on("hello", () => {
  const names = state.styles.map((style) => style.name);
  if (!mixer.chosen.length) {
    const isOfModel = before?.chosen.some((name) => names.includes(name));
    mixer.chosen = isOfModel ? before.chosen : [...names.slice(0, CHOSEN_AT_FIRST), ORIGINAL];
  }
  // A painting whose lesson failed is gone again.
  const known = new Set([ORIGINAL, ...names]);
  for (const name of mixer.chosen) if (!known.has(name)) mixer.values.delete(name);
  mixer.chosen = mixer.chosen.filter((name) => known.has(name));
  build();
});
on("source", showThumbnails);
on("lesson", ({ status, style }) => {
  if (status !== "running" && rows.has(style)) showThumbnails();
});
on("connected", () => { isBehind = true; });
on("role", ({ conducts }) => {
  if (!conducts) isBehind = true;
  noteOverdub();
});
on("state", (message) => {
  if (isBehind && (state.conducts || isFirst)) catchUp(message);
  refresh();
});

function catchUp({ look: { mix, ...scalars }, follow, touched: taken }) {
  isBehind = !state.conducts;
  if (isUnsent && state.conducts) commit();
  else if (isOverdub()) takeOver(taken);
  else if (isFirst || !follow) takeUp(mix, scalars, follow);
  isUnsent = isFirst = false;
}

// What another tab, or this one before it was loaded again, has touched in the overdub that runs.
function takeOver({ weights, is_whole, scalars }) {
  if (ownsMix() || touched.sliders.size || mixer.muted.size) return;
  if (is_whole) setMix(weights);
  add(Object.keys(weights));
  build();
  for (const [name, weight] of Object.entries(weights)) mixer.values.set(name, weight);
  Object.assign(mixer.scalars, scalars);
  touched.isWhole = is_whole;
  for (const name of Object.keys(weights)) touched.sliders.add(rows.get(name).range);
  for (const name of Object.keys(scalars)) touched.sliders.add(scalarInputs.get(name).input);
}

function takeUp(mix, scalars, follow) {
  Object.assign(mixer.scalars, scalars);
  const isUntouched = isFirst && Object.keys(mix).join() === ORIGINAL;
  if (isFirst ? recall(mix) : isHere(mix)) {
    build();
  } else if (isUntouched && !follow && state.conducts && mixer.chosen.length) {
    setMix({ [mixer.chosen[0]]: 1 });
    commit();
  } else {
    setMix(mix);
  }
}
on("picture", () => {
  if (state.source?.kind === "camera" && state.pictures === CAMERA_PICTURES) showThumbnails();
  followPicture();
});
// A move of a tab without the controls is refused.
on("failure", followPicture);

function followPicture() {
  if (handsLead()) return;
  const { mix, sum, ...scalars } = state.look;
  if (!isOverdub()) soundAll();
  add(Object.keys(mix));
  build();
  const isFree = (slider) => !touched.sliders.has(slider);
  for (const [name, { range }] of rows) {
    if (isFree(range) && !touched.isWhole) mixer.values.set(name, sum * weightIn(mix, name));
  }
  for (const [name, { input }] of scalarInputs) if (isFree(input)) mixer.scalars[name] = scalars[name];
  refresh();
}
