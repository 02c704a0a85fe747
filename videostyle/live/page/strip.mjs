// The timeline strip: a lane a track, a ruler, and the hand that moves along them.

import { on, send } from "./connection.mjs";
import { $, JITTER_PIXELS, duration, seek, state, stepFrames } from "./state.mjs";
import { drawCurves, drawRuler, shownDuration } from "./drawing.mjs";
import { TRACKS, forget, showHistory, tracks } from "./edits.mjs";
import { addKey, isHeld, letGo, putOff, showKeyTools, showLane, unselect } from "./keys.mjs";
import { dragTo, endDrag, followPlayhead, showZoom, timeAt, zoom, zoomTo } from "./sight.mjs";

export { sendText } from "./edits.mjs";

let source = "";

function show() {
  if (putOff()) return;
  showHint();
  showHistory();
  showSight();
  showKeyTools();
}
on("redraw", show);

const showHint = () => { $("no-keys").hidden = Boolean(tracks) || state.recording; };

function showSight() {
  for (const track of TRACKS) showLane(track);
  drawCurves();
  drawRuler();
  showZoom();
}
on("sight", showSight);

on("source", ({ name }) => {
  if (name !== source) { zoomTo(1); forget(); unselect(); }
  source = name;
  show();
});

$("follow").onclick = () => send({ type: "set", follow: !state.follow });

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
  if (pinch || event.button || event.target.closest(".key, .point") || state.recording) return;
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
  finger = null;
  endDrag();
  if (isHeld()) letGo();
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

on("picture", () => {
  if (duration() !== shownDuration) show();
  $("playhead").style.left = `${100 * Math.min(1, state.seconds / duration())}%`;
  followPlayhead();
  $("ruler").setAttribute("aria-valuenow", state.seconds.toFixed(2));
});

on("state", () => {
  $("follow").setAttribute("aria-pressed", state.follow);
  showHint();
});
new ResizeObserver(show).observe($("lanes"));
