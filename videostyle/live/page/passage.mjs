// The loop points: buttons beside the ruler, handles in it once they are set, and the passage between
// them.

import { on, send } from "./connection.mjs";
import { $, JITTER_PIXELS, clock, duration, seek, state } from "./state.mjs";
import { SAME_MOMENT_SECONDS, frameBeside, nearBeat } from "./keys.mjs";
import { dragTo, endDrag, timeAt } from "./sight.mjs";

const ENDS = ["start", "end"];
const handleOf = { start: $("point-in"), end: $("point-out") };
const buttonOf = { start: $("mark-in"), end: $("mark-out") };
let held = null;  // while a handle is: { pointer, begin, aside, passage }
let asked = null;  // until the server has answered

const whole = () => ({ start: 0, end: duration() });
const settled = () => asked ?? state.passage ?? whole();
const shown = () => held?.passage ?? settled();
const isAt = (one, other) => Math.abs(one - other) < SAME_MOMENT_SECONDS;

const isWhole = (passage) => ENDS.every((end) => isAt(passage[end], whole()[end]));

const isTooShort = ({ start, end }) => end - start < 1 / (state.source?.fps || 25) - SAME_MOMENT_SECONDS;

// With one of the points at a time; the other gives way to the end of the strip if it must. One that
// is there itself is taken away.
function withPoint(passage, end, seconds) {
  const at = Math.min(duration(), Math.max(0, Number(seconds.toFixed(4))));
  const moved = { ...passage, [end]: at };
  const other = ENDS.find((each) => each !== end);
  if (isTooShort(moved)) moved[other] = whole()[other];
  return isTooShort(moved) ? { ...passage, [end]: whole()[end] } : moved;
}

function set(passage) {
  asked = passage;
  send({ type: "set", passage: isWhole(passage) ? null : passage });
  show();
}
for (const answer of ["state", "failure", "disconnected"]) on(answer, () => { asked = null; show(); });

const setPoint = (end, seconds) => set(withPoint(settled(), end, seconds));
const takeAway = (end) => setPoint(end, whole()[end]);

// At this moment; where it is already, it is taken away.
export function markPoint(end) {
  if (state.source?.kind !== "video") return;
  const at = nearBeat(state.seconds, false) ?? state.seconds;
  if (isAt(settled()[end], at)) takeAway(end);
  else setPoint(end, at);
}

function show() {
  const isVideo = state.source?.kind === "video";
  const passage = shown();
  const place = (seconds) => 100 * Math.min(1, seconds / duration());
  $("points").hidden = !isVideo;
  $("passage").hidden = $("clear-points").hidden = !isVideo || isWhole(passage);
  $("passage").style.left = `${place(passage.start)}%`;
  $("passage").style.width = `${place(passage.end) - place(passage.start)}%`;
  for (const end of ENDS) {
    const handle = handleOf[end];
    const isSet = !isAt(passage[end], whole()[end]);
    buttonOf[end].setAttribute("aria-pressed", isSet);
    handle.hidden = !isVideo || !isSet && !held;
    handle.style.left = `${place(passage[end])}%`;
    handle.setAttribute("aria-valuemax", duration().toFixed(2));
    handle.setAttribute("aria-valuenow", passage[end].toFixed(2));
    handle.setAttribute("aria-valuetext", clock(passage[end], 2));
  }
}
for (const what of ["sight", "redraw"]) on(what, show);

function letGo() {
  held = null;
  endDrag();
  show();
}

for (const end of ENDS) {
  const handle = handleOf[end];
  buttonOf[end].onclick = () => markPoint(end);
  handle.onpointerdown = ({ button, pointerId, clientX }) => {
    if (button || held) return;
    handle.setPointerCapture(pointerId);
    const aside = clientX - $("lanes").getBoundingClientRect().left - $("lanes").clientWidth * shown()[end] / duration();
    held = { pointer: pointerId, begin: clientX, aside, passage: null };
  };
  handle.onpointermove = (event) => {
    if (held?.pointer !== event.pointerId) return;
    if (!held.passage && Math.abs(event.clientX - held.begin) <= JITTER_PIXELS) return;
    dragTo(event, () => {
      const at = timeAt(event.clientX - held.aside);
      held.passage = withPoint(settled(), end, nearBeat(at, event.altKey) ?? at);
      show();
    });
  };
  handle.onpointerup = ({ pointerId }) => {
    if (held?.pointer !== pointerId) return;
    const { passage } = held;
    letGo();
    if (passage) set(passage);
    else if (!state.recording) seek(settled()[end]);
  };
  handle.onpointercancel = ({ pointerId }) => { if (held?.pointer === pointerId) letGo(); };
  handle.onkeydown = (event) => {
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (sign) setPoint(end, frameBeside(settled()[end], sign * (event.shiftKey ? 10 : 1)));
    else if (event.key === "Delete" || event.key === "Backspace") takeAway(end);
    else if (event.key === "Escape" && held) letGo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
$("clear-points").onclick = () => set(whole());
