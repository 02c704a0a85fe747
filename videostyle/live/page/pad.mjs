// The pad: a point between four corners is a mixture of four paintings (bilinear weights).

import { on } from "./connection.mjs";
import { keptOver } from "./keeping.mjs";
import { $, ORIGINAL, element, state, titleOf, weightIn } from "./state.mjs";
import { hasThumbnails, putMix, replaceMix, shares, thumbnail } from "./mixer.mjs";
import { hold, isLate } from "./slider.mjs";

const corners = [...document.querySelectorAll("#pad select")];
const percents = [...document.querySelectorAll("#field output")];
const past = keptOver("pad", () => ({ at, names: corners.map(({ value }) => value) }),
  ({ at: { x, y }, names }) => ({ at: { x, y }, names: [...names] }));
const at = past?.at ?? { x: 0.5, y: 0.5 };

function weights() {
  const { x, y } = at;
  return [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
}

function mixture() {
  const mix = {};
  weights().forEach((weight, corner) => {
    const name = corners[corner].value;
    mix[name] = weightIn(mix, name) + weight;
  });
  return mix;
}

// Whether this is what is painted.
function leads(mix) {
  const painted = shares();
  return Object.entries(mix).every(([name, weight]) => Math.abs(weight - weightIn(painted, name)) < 0.005);
}

let before = mixture();

// Undo brings back what was mixed elsewhere, not every place the point has been at.
function apply() {
  const put = state.conducts && !leads(before) ? replaceMix : putMix;
  put(mixture());
  show();
}

// The percentages are of what is painted; the dot is pale where something else leads.
function show() {
  $("dot").style.left = `${at.x * 100}%`;
  $("dot").style.top = `${at.y * 100}%`;
  const painted = shares();
  const parts = corners.map(({ value }) => Math.round(100 * weightIn(painted, value)));
  const texts = corners.map(({ value }, corner) => `${titleOf(value)} ${parts[corner]} %`);
  $("field").setAttribute("aria-valuetext", texts.join(", "));
  percents.forEach((output, corner) => { output.textContent = `${parts[corner]} %`; });
  before = mixture();
  $("dot").classList.toggle("pale", !leads(before));
}

function showThumbnails() {
  $("field").style.backgroundImage = hasThumbnails()
    ? corners.map(({ value }) => `url("${thumbnail(value)}")`).join(", ") : "";
}

function move(event) {
  if (isLate($("field")) || (event.type === "pointermove" && !event.buttons)) return;
  const box = $("field").getBoundingClientRect();
  at.x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  at.y = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
  apply();
}

$("field").onpointerdown = (event) => {
  $("field").setPointerCapture(event.pointerId);
  hold($("field"), event.pointerId);
  move(event);
};
$("field").onpointermove = move;
$("field").onkeydown = (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const size = event.shiftKey ? 0.2 : 0.02;
  at.x = Math.min(1, Math.max(0, at.x + step[0] * size));
  at.y = Math.min(1, Math.max(0, at.y + step[1] * size));
  apply();
};
for (const select of corners) {
  select.onchange = () => {
    if (leads(before)) apply();
    else show();
    showThumbnails();
  };
}

on("hello", () => {
  corners.forEach((select, corner) => {
    const before = select.value;
    const names = [...state.styles.map(({ name }) => name), ORIGINAL];
    select.replaceChildren(...names.map((name) => element("option", { value: name, textContent: titleOf(name) })));
    select.value = before || past?.names[corner];
    if (!select.value) select.selectedIndex = Math.min(corner, names.length - 1);
  });
});
on("thumbnails", showThumbnails);
on("picture", show);
