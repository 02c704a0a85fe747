// Stored looks: each comes back at once, or in a fade.

import { isOpen, on, send } from "./connection.mjs";
import { keep, keptAs } from "./keeping.mjs";
import { handsAct, mixer, moves, normalised, putLook, rememberLook, shares } from "./mixer.mjs";
import { $, colorOf, mayConduct, notice, state, titleOf, weightIn } from "./state.mjs";

const STEP_MS = 20;
const KEPT = "looks";
const slots = [...document.querySelectorAll("#looks .slot")];
let looks = slots.map(() => null);
let isUnsent = false;  // stored while the connection was lost
$("fade").value = 2;

const asText = () => JSON.stringify({ looks, seconds: $("fade").value });

function take({ looks: all, seconds }) {
  looks = slots.map((_, place) => {
    const { mix, scalars } = all[place] ?? {};
    return mix && scalars ? { mix, scalars } : null;
  });
  $("fade").value = seconds;
}
keptAs(KEPT, take, "localStorage");

// The server has them for every tab, on another device too; the browser, for a server that is
// started anew.
function keepLooks() {
  keep(KEPT, asText(), "localStorage");
  if (!state.conducts) return;
  isUnsent = !isOpen();
  send({ type: "looks", looks: asText() });
}

on("looks", ({ looks: theirs }) => {
  if (state.conducts && (isUnsent || !theirs)) {
    if (looks.some(Boolean)) keepLooks();
  } else if (theirs && theirs !== asText()) {
    keep(KEPT, theirs, "localStorage");
    keptAs(KEPT, take, "localStorage");
    show();
  }
});

const lookNow = () => ({ mix: normalised(shares()), scalars: { ...mixer.scalars } });

function between(from, to, part) {
  const mixed = {};
  for (const name of Object.keys({ ...from, ...to })) {
    mixed[name] = weightIn(from, name) * (1 - part) + weightIn(to, name) * part;
  }
  return mixed;
}

// Whatever else moves ends the fade.
function recall(to) {
  const from = lookNow();
  const begin = performance.now();
  const lasts = 1000 * Math.max(0, $("fade").value);
  let own = null;
  const step = () => {
    if (own !== null && (own !== moves() || !handsAct())) return;
    const part = lasts ? Math.min(1, (performance.now() - begin) / lasts) : 1;
    putLook(between(from.mix, to.mix, part), between(from.scalars, to.scalars, part));
    own = moves();
    if (part < 1) setTimeout(step, STEP_MS);  // in a tab that is not in sight too
  };
  rememberLook();
  step();
}

// The shortcuts work again then.
$("fade").onchange = keepLooks;
$("fade").onkeydown = ({ key }) => { if (key === "Enter") $("fade").blur(); };

let isStoring = false;
function setStoring(isOn) {
  isStoring = isOn;
  $("store").setAttribute("aria-pressed", isOn);
}
$("store").onclick = () => setStoring(!isStoring);

function show() {
  slots.forEach((slot, place) => {
    const parts = Object.entries(looks[place]?.mix ?? {}).sort(([, one], [, other]) => other - one);
    slot.title = parts.map(([name, part]) => `${titleOf(name)} ${Math.round(100 * part)} %`).join(", ") || "Empty";
    let end = 0;
    const stripes = parts.map(([name, part]) => `${colorOf(name)} ${100 * end}% ${100 * (end += part)}%`);
    slot.style.setProperty("--look", parts.length ? `linear-gradient(to right, ${stripes.join(", ")})` : "none");
  });
}

slots.forEach((slot, place) => {
  slot.onclick = () => {
    if (!isStoring && !looks[place]) notice("Nothing is stored here yet: press Store, and then this.");
    else if (mayConduct()) {
      if (isStoring) {
        looks[place] = lookNow();
        keepLooks();
      } else recall(looks[place]);
    }
    setStoring(false);
    show();
  };
});
on("hello", show);  // the paintings have titles then
