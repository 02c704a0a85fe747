// Stored looks: each comes back at once, or in a fade.

import { on } from "./connection.mjs";
import { keptOver } from "./keeping.mjs";
import { handsAct, mixer, moves, normalised, putLook, rememberLook, shares } from "./mixer.mjs";
import { $, colorOf, notice, titleOf, weightIn } from "./state.mjs";

const STEP_MS = 20;
const slots = [...document.querySelectorAll("#looks .slot")];
const past = keptOver("looks", () => ({ looks, seconds: $("fade").value }));
const looks = past?.looks ?? slots.map(() => null);
$("fade").value = past?.seconds ?? 2;

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
    if (isStoring) looks[place] = lookNow();
    else if (looks[place]) recall(looks[place]);
    else notice("Nothing is stored here yet: press Store, and then this.");
    setStoring(false);
    show();
  };
});
on("hello", show);  // the paintings have titles then
