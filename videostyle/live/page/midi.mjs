// Faders, knobs and keys of a MIDI controller move the sliders and press the buttons they are bound to.

import { on } from "./connection.mjs";
import { keep, keptAs } from "./keeping.mjs";
import { $, notice, state } from "./state.mjs";

const KEPT = "midi";
const CONTROL_CHANGE = 0xb0;
const NOTE_ON = 0x90;
const PICK_UP = 0.02;  // of a slider's way; a knob so near takes it up
const JITTER = 1;  // of a knob that nobody turns, in its 127 steps
const FINE = 32;  // so much higher is the number of a knob's fine steps, which come beside its own
const REST_MS = 300;  // of a knob; what follows is another move
const HELP = "Click a slider, or a button with a line around it, and move a knob or press a key of the controller. Delete frees it; Escape ends this.";
const bindings = keptAs(KEPT, (pairs) => new Map(pairs), "localStorage") ?? new Map();  // a control to the name of what it moves
const controls = new Map();  // where each is, and when it got there
let access = null;
let isLearning = false;
let wasRecording = false;

const bindable = () => [...document.querySelectorAll("[data-midi]")];
const chosen = () => isLearning && document.activeElement.closest("[data-midi]");
const isSlider = (element) => element.matches("input");

function receive({ data: [status, number, value] }) {
  const kind = status & 0xf0;
  if (kind !== CONTROL_CHANGE && (kind !== NOTE_ON || value === 0)) return;
  const channel = (status & 0x0f) + 1;
  const control = `${kind === NOTE_ON ? "note" : "CC"} ${number} of ${channel}`;
  const before = controls.get(control) ?? { at: null, moved: -Infinity, isLate: false, low: value };
  // Turned back, a knob moves from the second step on.
  const low = Math.min(value, Math.max(before.low, value - JITTER));
  const isStill = kind === CONTROL_CHANGE && low === before.low;
  const now = { at: value / 127, low, moved: isStill ? before.moved : performance.now() };
  now.isLate = before.isLate && performance.now() - before.moved < REST_MS;
  controls.set(control, now);
  if (isLearning) {
    if (chosen()) choose(control, chosen());
    return;
  }
  const bound = bindable().find(({ dataset }) => dataset.midi === bindings.get(control));
  if (!bound || !state.conducts || now.isLate) return;
  if (isSlider(bound) && isStill && before.at !== null) return;
  if (isSlider(bound)) slide(bound, before.at ?? now.at, now.at);
  else if (kind === NOTE_ON || (now.at >= 0.5 && !(before.at >= 0.5))) bound.click();
}

// A key is no fader, and a knob that also sends fine steps is known by its own.
function choose(control, target) {
  const name = target.dataset.midi;
  const [kind, number, , channel] = control.split(" ");
  if (kind === "note" && isSlider(target)) return;
  if (bindings.get(`CC ${number - FINE} of ${channel}`) !== name) bind(control, name);
}

// A slider that stands elsewhere does not jump to the knob: the knob takes it up as it passes.
function slide(slider, from, to) {
  const low = Number(slider.min);
  const way = slider.max - low;
  const at = (slider.value - low) / way;
  const waits = at < Math.min(from, to) - PICK_UP || at > Math.max(from, to) + PICK_UP;
  slider.classList.toggle("waits", waits);
  slider.style.setProperty("--knob", `${100 * to}%`);
  if (waits) return;
  slider.value = low + to * way;
  slider.dispatchEvent(new Event("input"));
}

// A hand that turns on as a recording ends moves nothing more until it has rested.
on("state", ({ recording, follow }) => {
  const now = performance.now();
  if (wasRecording && !recording && follow) for (const each of controls.values()) each.isLate = now - each.moved < REST_MS;
  wasRecording = recording;
});

function bind(control, name) {
  for (const [other, bound] of bindings) if (bound === name) bindings.delete(other);
  if (control) bindings.set(control, name);
  keep(KEPT, JSON.stringify([...bindings]), "localStorage");
  show();
}

function show() {
  const controlOf = new Map([...bindings].map(([control, name]) => [name, control]));
  for (const each of bindable()) {
    const control = controlOf.get(each.dataset.midi);
    each.classList.toggle("bound", Boolean(control));
    if (!isSlider(each)) continue;
    if (!control) each.classList.remove("waits");
    const name = each.previousElementSibling;
    if (control) name.dataset.control = control.split(" ")[1];
    else delete name.dataset.control;
  }
}
new MutationObserver(show).observe($("sliders"), { childList: true });

function learn(isOn) {
  if (!isOn) chosen()?.blur?.();  // or Space would press it
  isLearning = isOn;
  $("midi").setAttribute("aria-pressed", isOn);
  document.body.classList.toggle("learns", isOn);
  notice(!isOn ? "" : access.inputs.size ? HELP : `No MIDI controller is connected yet. ${HELP}`, 0);
}

for (const type of ["pointerdown", "click", "dblclick"]) {
  addEventListener(type, (event) => {
    // The shortcuts press buttons as ever.
    const target = isLearning && event.isTrusted && event.target.closest("[data-midi]");
    if (!target) return;
    event.preventDefault();
    event.stopPropagation();
    target.focus();
  }, true);
}
addEventListener("keydown", (event) => {
  if (isLearning && event.key === "Escape") learn(false);
  if (chosen() && ["Delete", "Backspace"].includes(event.key)) bind(null, chosen().dataset.midi);
});

async function open() {
  try {
    access = await navigator.requestMIDIAccess();
  } catch {
    notice("The browser does not let the page use MIDI. Allow it, beside the page's address, and try again.");
    return;
  }
  const listen = () => {
    controls.clear();  // one that was plugged in again may stand elsewhere
    for (const input of access.inputs.values()) input.onmidimessage = receive;
  };
  access.onstatechange = listen;
  listen();
}

$("midi").hidden = !navigator.requestMIDIAccess;
$("midi").onclick = async () => {
  if (!access) await open();
  if (access) learn(!isLearning);
};
// What is allowed already is not asked again.
if (bindings.size && navigator.requestMIDIAccess) {
  navigator.permissions.query({ name: "midi" }).then((permission) => { if (permission.state === "granted") open(); }, () => {});
}
