// The keys on the strip: each is a button to drag, with the tools of the one that is in focus.

import { emit, on, request } from "./connection.mjs";
import { $, JITTER_PIXELS, SCALARS, clock, duration, element, notice, seek, state, titleOf } from "./state.mjs";
import { tickNear } from "./beats.mjs";
import { look, normalised } from "./mixer.mjs";
import { showEase } from "./curve.mjs";
import { laneOf } from "./drawing.mjs";
import { TRACKS, edit, tracks } from "./edits.mjs";
import { dragTo, sight, timeAt } from "./sight.mjs";

export const SAME_MOMENT_SECONDS = 0.0005;
const NEAREST_PIXELS = 4;  // of two keys that can be told apart
let selected = null;  // { track, at }
let heldBy = null;  // the pointer that has a key
let isLate = false;  // what should be shown

export const isHeld = () => heldBy !== null;

// While a key is held nothing is shown anew: a new button would not be held.
export function putOff() {
  isLate = isHeld();
  return isLate;
}

export function unselect() {
  selected = null;
}
on("answered", () => { if (!selectedKey()) unselect(); });

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
export async function addKey({ altKey = false, only = null, seconds = state.seconds } = {}) {
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

// The beat that is drawn beside a time, or null; none while Alt is held.
export function nearBeat(seconds, altKey) {
  const { tempo } = state;
  const beat = tempo && !altKey ? tickNear(tempo, seconds, $("lanes").clientWidth / duration()) : null;
  return beat !== null && beat <= duration() ? beat : null;
}

// On that beat, unless another key of the tracks is there.
function onBeat(seconds, altKey, among, moved = null) {
  const beat = nearBeat(seconds, altKey);
  const keys = among.flatMap((track) => tracks?.[track] ?? []);
  const isFree = beat !== null && !keys.some((key) => key !== moved && isAt(key, beat));
  return isFree ? beat : seconds;
}

// The time of a frame so many on or back; from between two frames it goes to the next.
export function frameBeside(seconds, frames) {
  const fps = state.source?.fps || 25;
  const nearest = Math.round(seconds * fps);
  const isOn = Math.abs(nearest / fps - seconds) < SAME_MOMENT_SECONDS;
  return ((isOn ? nearest : Math.floor(seconds * fps) + (frames < 0 ? 1 : 0)) + frames) / fps;
}

function moveKey(to) {
  const at = Math.max(0, Number(to.toFixed(4)));
  if (isTaken(at)) return;
  editKey((key) => { key.at = selected.at = at; });
}

export function showLane(track) {
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
      if (isLate) setTimeout(() => emit("redraw"));  // the click comes first
      return;
    }
    moveKey(moved);
    emit("redraw");  // where it is, be it not moved
  };
  button.onpointercancel = ({ pointerId }) => { if (pointerId === heldBy) letGo(); };
  button.onfocus = select;
  button.onclick = () => { if (moved === null && !state.recording) seek(key.at); };
  button.onkeydown = (event) => {
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (sign) {
      let { at } = key;
      do at = frameBeside(at, sign * (event.shiftKey ? 10 : 1)); while (isTaken(at));  // past other keys
      moveKey(at);
    } else if (event.key === "Delete" || event.key === "Backspace") deleteKey();
    else if (event.key === "Escape" && heldBy !== null) letGo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}

// The key is again where it was.
export function letGo() {
  heldBy = null;
  emit("redraw");
}

function markSelected() {
  for (const button of document.querySelectorAll(".key")) {
    const isSelected = selected && button.dataset.track === selected.track && isAt({ at: Number(button.dataset.at) }, selected.at);
    button.setAttribute("aria-pressed", Boolean(isSelected));
  }
}

export function showKeyTools() {
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
