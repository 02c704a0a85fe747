// The timeline as it is edited: its text, one question to the server at a time, undo and redo.

import { emit, isOpen, on, send } from "./connection.mjs";
import { $, SCALARS, mayConduct, notice, state } from "./state.mjs";
import { exchangeMixture, moves } from "./mixer.mjs";

export const TRACKS = ["mix", ...Object.keys(SCALARS)];
// Timelines, each as the message that brings it back, what was typed over it, and, where it was
// followed, after how many moves; and mixtures.
const history = { undo: [], redo: [] };
let now = null;  // the one shown, without one the tempo; null until the server has said
let isAsked = false;  // the server has yet to answer
let waiting = null;  // to be asked then
export let tracks = null;  // of what is shown, which may be ahead of the server
let dropped = [];  // of what could be redone, by an edit that is not yet answered
let warned = "";
export let told = { yaml: "", tempo: null };  // the server's last word

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
  const { loop } = state.timeline ?? {};
  const tail = loop ? [`loop: {period: ${Number(loop.period.toFixed(9))}s, mode: ${loop.bounce ? "bounce" : "repeat"}}`] : [];
  return items.length ? ["version: 1", "keyframes:", ...items.map(({ text }) => text), ...tail, ""].join("\n") : "";
}

export function edit(change) {
  if (!isOpen()) return;
  const edited = structuredClone(tracks ?? {});
  change(edited);
  for (const track of TRACKS) edited[track]?.sort((a, b) => a.at - b.at);
  rememberTyped();
  tracks = edited.mix?.length ? edited : null;
  ask({ text: tracks ? toYaml(tracks) : "" });
  emit("redraw");
}

export function sendText(text, of) {
  if (!isOpen()) return;
  remember();
  ask({ text, keep_text: true, follow: true, ...of });
}

// One question at a time: the answer to an older one would take back what is shown since.
function ask({ typed, followed, ...message }) {
  now = message;
  if (isAsked) waiting = message;
  else send({ type: "timeline", ...message });
  isAsked = true;
}

const isSame = (one, other) => one?.text === other.text
  && (other.text || JSON.stringify(one.tempo ?? null) === JSON.stringify(other.tempo ?? null));

const asMessage = ({ yaml, tempo, file }) => ({ text: yaml, keep_text: true, file, ...(yaml ? {} : { tempo }) });

const asPast = (typed) => ({ ...now, typed, followed: state.follow && moves() });

function remember(typed = "") {
  if (!now) return;
  const redo = [...history.redo];
  keep(asPast(typed));
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
on("mixture", (mixture) => { keep({ mixture }); emit("redraw"); });

on("timeline", (message) => {
  told = message;
  const isNews = !isAsked && now && !isSame(now, asMessage(message));
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
    now = asMessage(told);
    tracks = state.timeline?.tracks ?? null;
    // Of what was refused, or changed nothing.
    for (const each of Object.values(history)) {
      if (!each.length || !isSame(each.at(-1), now)) continue;
      const { typed } = each.pop();
      state.typed ||= typed;
      if (each === history.undo) history.redo.push(...dropped);
    }
    dropped = [];
    emit("answered");
  }
  emit("redraw");
}

// Of another source there is nothing to undo.
export function forget() {
  history.undo.length = history.redo.length = 0;
  now = null;
  state.typed = "";
}

// A mixture that an overdub has gone on from, which is over: the timeline is followed again.
const isVoid = (past) => past?.mixture?.follow && state.follow && !state.recording;

function step(from, to) {
  if (!isOpen() || !from.length || !mayConduct()) return;
  const past = from.pop();
  if (past.mixture) {
    to.push({ mixture: exchangeMixture(past.mixture) });
  } else {
    to.push(asPast(state.typed));
    state.typed = past.typed;
    // What comes back where there was none is followed as before, unless a hand has moved since.
    ask({ ...past, follow: !now?.text && past.followed === moves() });
  }
  emit("redraw");
}

export function showHistory() {
  for (const each of Object.values(history)) while (isVoid(each.at(-1))) each.pop();
  $("undo").disabled = !history.undo.length;
  $("redo").disabled = !history.redo.length;
}
$("undo").onclick = () => step(history.undo, history.redo);
$("redo").onclick = () => step(history.redo, history.undo);
