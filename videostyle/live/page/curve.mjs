// The curve picker: how a key's value leaves it, as a name of CSS or two handles to drag.

import { $, JITTER_PIXELS, element, pixels } from "./state.mjs";

const NAMED = {
  linear: [0, 0, 1, 1], smooth: [0.42, 0, 0.58, 1], ease: [0.25, 0.1, 0.25, 1],
  "ease-in": [0.42, 0, 1, 1], "ease-out": [0, 0, 0.58, 1], hold: null,
};
// The square shows y from low to high: at least these, so that a curve can overshoot.
const [LOW, HIGH] = [-0.5, 1.5];
let [low, high] = [LOW, HIGH];
const NUDGE = 0.02;
const SIDE_REM = 28;  // of the picker, whatever it shows
const handles = [...document.querySelectorAll("#square button")];
let points = NAMED.linear;
let shown = "linear";
let onPick = () => {};
let taken = null;  // where a handle was
let isMoved = false;  // since then

const pathOf = (numbers) => {
  if (!numbers) return "M0 0 H1 V1";
  const [x1, y1, x2, y2] = numbers;
  return `M0 0 C${x1} ${y1} ${x2} ${y2} 1 1`;
};

// Shows an easing, a name or four numbers; `pick` gets the one that is chosen.
export function showEase(ease, pick) {
  onPick = pick;
  shown = ease;
  const isOwn = Array.isArray(ease);
  const numbers = isOwn ? ease : NAMED[ease];
  points = numbers ?? NAMED.linear;
  const [, first, , second] = points;
  [low, high] = [Math.min(LOW, first, second), Math.max(HIGH, first, second)];
  $("square").firstElementChild.setAttribute("viewBox", `0 ${-high} 1 ${high - low}`);
  $("key-curve").setAttribute("d", pathOf(numbers));
  $("key-ease-name").textContent = isOwn ? "own curve" : ease;
  for (const button of $("eases").children) button.setAttribute("aria-pressed", button.textContent === ease);
  draw(numbers);
}

function draw(numbers) {
  $("square-curve").setAttribute("d", pathOf(numbers));
  const [x1, y1, x2, y2] = points;
  $("square-arms").setAttribute("d", numbers ? `M0 0 L${x1} ${y1} M1 1 L${x2} ${y2}` : "");
  handles.forEach((handle, which) => {
    const [x, y] = points.slice(2 * which, 2 * which + 2);
    handle.style.left = `${100 * x}%`;
    handle.style.top = `${100 * (high - y) / (high - low)}%`;
    handle.setAttribute("aria-valuetext", `${x.toFixed(2)} across, ${y.toFixed(2)} up`);
  });
  $("curve-numbers").textContent = numbers ? numbers.map((number) => number.toFixed(2)).join(", ") : "keeps its value until the next key";
}

function put(which, x, y) {
  points = [...points];
  points[2 * which] = Number(Math.min(1, Math.max(0, x)).toFixed(2));
  points[2 * which + 1] = Number(Math.min(high, Math.max(low, y)).toFixed(2));
  draw(points);
}

handles.forEach((handle, which) => {
  handle.onpointerdown = (event) => {
    handle.setPointerCapture(event.pointerId);
    [taken, isMoved] = [event, false];
  };
  handle.onpointermove = (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    isMoved ||= Math.hypot(event.clientX - taken.clientX, event.clientY - taken.clientY) > JITTER_PIXELS;
    if (!isMoved) return;
    const box = $("square").getBoundingClientRect();
    put(which, (event.clientX - box.left) / box.width, high - (high - low) * (event.clientY - box.top) / box.height);
  };
  handle.onpointerup = () => {
    if (isMoved) onPick(points);
    isMoved = false;
  };
  handle.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const size = NUDGE * (event.shiftKey ? 10 : 1);
    put(which, points[2 * which] + step[0] * size, points[2 * which + 1] + step[1] * size);
    onPick(points);
  };
});

$("eases").append(...Object.keys(NAMED).map((name) => {
  const button = element("button", { textContent: name });
  button.onclick = () => onPick(name);
  return button;
}));

$("curve").onbeforetoggle = ({ newState }) => {
  if (newState === "closed" && isMoved) {  // by Escape, with the handle in the hand
    isMoved = false;
    showEase(shown, onPick);
  }
  const { left, top } = $("key-ease").getBoundingClientRect();
  $("curve").style.left = `${Math.max(8, Math.min(left, innerWidth - pixels(SIDE_REM) - 8))}px`;
  $("curve").style.top = `${Math.max(8, top - pixels(SIDE_REM) - 6)}px`;
};
