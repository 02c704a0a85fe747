// What the page knows. Messages of the server fill it in; the modules read it.

import { on, emit, send } from "./connection.mjs";

export const SCALARS = {
  strength: { label: "Strength", low: 0, high: 1, initial: 1, step: 0.01 },
  keep_color: { label: "Keep colour", low: 0, high: 1, initial: 0, step: 0.01 },
  stroke: { label: "Stroke", low: 0.25, high: 8, initial: 1, step: 0.05 },
};
export const ORIGINAL = "original";
export const JITTER_PIXELS = 3;  // of a click; what goes farther is a drag

export const state = {
  styles: [], media: [], timelines: [], source: null, conducts: true,
  playing: false, loop: true, passage: null, follow: false, recording: false, lines: null, preview_lines: 360,
  seconds: 0,
  isStepping: false,  // until the next picture
  sources: 0,  // opened so far
  pictures: 0,  // since the source was opened
  // Of the last picture. sum: of the weights that the sliders show, of which the mix's are parts.
  look: { mix: { [ORIGINAL]: 1 }, sum: 1, strength: 1, keep_color: 0, stroke: 1 },
  timeline: null, lesson: null,
  tempo: null,  // of the timeline, or for the one to come; what is tapped right now
  lacksCamera: false,  // until it is chosen again
  typed: "",  // of the timeline's text, and not applied
  awaited: 0,  // the newest move of the sliders: the server follows the timeline until it hears of it
};

on("hello", (message) => Object.assign(state, {
  styles: message.styles, media: message.media, timelines: message.timelines,
  folder: message.folder, teaches: message.teaches,
}));
on("source", (message) => {
  state.source = message;
  state.sources += 1;
  state.seconds = state.pictures = 0;
  state.lacksCamera = false;
});
on("lesson", (message) => { state.lesson = message; });
on("role", ({ conducts }) => { state.conducts = conducts; });
on("state", ({ look, type, follow, serial, ...rest }) => {
  Object.assign(state, rest);
  if (state.recording || serial >= state.awaited) state.follow = follow;
});
// It may never hear of it.
for (const what of ["connected", "role", "failure"]) on(what, () => { state.awaited = 0; });
on("timeline", (message) => {
  state.timeline = message.tracks ? message : null;
  state.tempo = message.tempo;
});
on("picture", (picture) => {
  state.isStepping = false;
  state.seconds = picture.seconds;
  state.pictures += 1;
  const { mix, sum, strength, keep_color, stroke } = picture;
  state.look = { mix, sum, strength, keep_color, stroke };
});

// Of the strip. A camera has no end: its strip doubles.
export function duration() {
  let length = state.source?.duration || state.timeline?.curve.duration || 10;
  while (state.source?.kind === "camera" && length < state.seconds) length *= 2;
  return length;
}

// 1:02:03.45; hours only where there are some.
export function clock(seconds, decimals = 0) {
  const [whole, part] = seconds.toFixed(decimals).split(".");
  const [hours, minutes, rest] = [whole / 3600, (whole / 60) % 60, whole % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(rest)}${part ? `.${part}` : ""}`;
}

export const titleOf = (name) =>
  name === ORIGINAL ? "Original" : (state.styles.find((style) => style.name === name)?.title ?? name);

// It moves by itself: a video that plays, or the camera.
export const isMoving = () => state.playing || state.source?.name === "camera";

// Colours of the area and the sliders: around the wheel, in three shades; the original in grey.
export function colorOf(name) {
  if (name === ORIGINAL) return "#8d929b";
  const index = state.styles.findIndex((style) => style.name === name);
  return `hsl(${(index * 137.5 + 30) % 360} 55% ${52 + 8 * (index % 3)}%)`;
}

// A painting may be called what every object has of its own, as `constructor`.
export const weightIn = (mix, name) => (Object.hasOwn(mix, name) ? mix[name] : 0);

export const play = (playing) => send({ type: "play", playing });
export function stepFrames(frames) {
  state.isStepping = true;
  send({ type: "step", frames });
}
export function seek(seconds) {
  emit("seek");
  send({ type: "seek", seconds: Math.max(0, seconds) });
}

export function notice(text, seconds = 6) {
  emit("notice", { text, seconds });
}

// Whether the hands of this tab may act; says so if not.
export function mayConduct() {
  if (!state.conducts) notice("Another tab has the controls; take over first.");
  return state.conducts;
}

// Of lengths in the style sheet, which grow with the screen.
export const pixels = (rem) => rem * parseFloat(getComputedStyle(document.documentElement).fontSize);

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
