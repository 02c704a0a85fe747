// A slider as hands move it: a mouse, a finger that may yet scroll the page, arrow keys.

import { emit, on } from "./connection.mjs";
import { state } from "./state.mjs";

const SCROLL_MS = 100;  // after which a finger on a slider has scrolled the page, or will not
let wasRecording = false;
const held = new Map();  // the slider, or the pad, under each pointer that is down
export const isUnderHand = (input) => [...held.values()].includes(input);
const late = new Set();  // pointers whose take has ended, and is followed: they move nothing more
export const isLate = (input) => [...held].some(([pointer, each]) => each === input && late.has(pointer));
export const hold = (input, pointer) => held.set(pointer, input);
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, ({ pointerId }) => {
    held.delete(pointerId);
    if (late.delete(pointerId)) emit("freed");
  });
}
on("state", ({ recording, follow }) => {
  if (wasRecording && !recording && follow) for (const pointer of held.keys()) late.add(pointer);
  wasRecording = recording;
});

// A slider whose values `keep` takes. grasps: whether it takes one that is held still; cancelled: gets
// what was before a touch that came to nothing, { value, follow }.
export function makeSlider(range, { keep, grasps, cancelled }) {
  let before = {};
  let touch = null;  // of a finger that may yet scroll the page
  let first = null;  // the value it gave
  const move = (value) => {
    if (!isLate(range)) keep(value);
  };
  const grasp = () => { if (grasps()) move(Number(range.value)); };  // it may be to hold it still
  const put = (value) => { range.value = value; move(Number(range.value)); };
  range.oninput = () => {
    if (touch) first = Number(range.value);
    else move(Number(range.value));
  };
  const isMeant = () => {
    clearTimeout(touch?.timer);
    if (first !== null) move(first);
    else if (touch) grasp();
    touch = first = null;
  };
  range.onpointerdown = ({ pointerId, pointerType, clientX, clientY }) => {
    hold(range, pointerId);
    before = { value: range.value, follow: state.follow };
    if (pointerType === "touch") touch = { clientX, clientY, timer: setTimeout(isMeant, SCROLL_MS) };
    else grasp();
  };
  range.onpointermove = ({ clientX, clientY }) => {
    if (touch && Math.abs(clientX - touch.clientX) > Math.abs(clientY - touch.clientY)) isMeant();
  };
  range.onpointerup = isMeant;
  range.onpointercancel = () => {
    clearTimeout(touch?.timer);
    first = null;
    if (touch) range.value = before.value;
    else { put(before.value); cancelled(before); }
    touch = null;
  };
  range.onkeydown = (event) => {
    if (!event.shiftKey || !event.key.startsWith("Arrow")) return;
    const sign = ["ArrowUp", "ArrowRight"].includes(event.key) ? 1 : -1;
    put(Number(range.value) + sign * 10 * range.step);
    event.preventDefault();
  };
  return put;
}
