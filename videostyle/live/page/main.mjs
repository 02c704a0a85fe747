// Puts the page together: tabs, transport, keyboard, and what the server says.

import { connect, drop, on, send } from "./connection.mjs";
import { $, clock, duration, element, notice, play, state, stepFrames } from "./state.mjs";
import { clear, measured, nextView } from "./viewer.mjs";
import { lastSerial, mixer, toggleSolo } from "./mixer.mjs";
import "./pad.mjs";
import "./looks.mjs";
import "./strip.mjs";
import { markPoint } from "./passage.mjs";
import { tap } from "./tap.mjs";
import { mayLeave } from "./editor.mjs";
import "./output.mjs";
import "./files.mjs";
import "./camera.mjs";
import "./midi.mjs";
import { audio } from "./sound.mjs";

let noticeTimer = 0;
let isOfFollower = false;  // what is said: to a tab without the controls, of which most is about them
const say = (text, seconds = 8) => {
  isOfFollower = !state.conducts;
  $("notice").hidePopover();
  if (text) $("notice").showPopover();  // in front of a dialog that is open
  $("notice").textContent = text;
  clearTimeout(noticeTimer);
  if (text && seconds) noticeTimer = setTimeout(() => $("notice").hidePopover(), 1000 * seconds);
};
on("notice", ({ text, seconds }) => say(text, seconds));
on("failure", ({ message, code }) => { if (code !== "exists") say(message); });  // which is asked about
on("disconnected", ({ reason }) => { say(reason ?? "The connection is lost; trying again…", 0); document.body.dataset.connection = "lost"; });
on("connected", () => { say("", 0); document.body.dataset.connection = "here"; });
on("role", ({ conducts }) => {
  $("take-controls").hidden = conducts;
  if (!conducts) say("Another tab has the controls; this one follows.");
  else if (isOfFollower) say("");
});
$("take-controls").onclick = () => send({ type: "take_controls" });

on("hello", ({ lines, model, engine }) => {
  $("source").replaceChildren(element("option", { value: "", textContent: "Choose…", disabled: true }),
    ...state.media.map((name) => element("option", { value: name, textContent: name })),
    element("option", { value: "camera", textContent: "Camera" }));
  $("lines").replaceChildren(element("option", { value: "" }),
    ...lines.map((each) => element("option", { value: each, textContent: `${each} lines` })));
  showLines();
  showSource();
  $("meter").title = `${model} on ${engine}`;
  if (state.source?.name) return;
  clear(state.media.length
    ? "Choose a video, a picture or the camera above, or drop a video here."
    : `There is no video or picture in the folder ${state.folder}. Drop a video here, or choose Open… or the camera above.`);
});
let shown = "";
let isBack = false;  // the connection; its first picture follows
on("connected", () => { isBack = true; });
on("source", ({ name, kind }) => {
  showSource();
  if (name && !(isBack && name === shown)) clear(name === "camera" ? "Waiting for the camera…" : "");
  shown = name;
  isBack = false;
  const isVideo = kind === "video";
  for (const id of ["play", "back", "forward", "loop"]) $(id).disabled = !isVideo;
  showRecord();
  document.querySelector(".timeline").classList.toggle("still", kind === "picture");
});
// Who opens a list of files finds in it what has come into the folder since.
for (const id of ["source", "timeline-file"]) {
  const look = () => { if (state.conducts) send({ type: "files" }); };
  $(id).addEventListener("focus", look);
  $(id).addEventListener("pointerdown", ({ target }) => { if (document.activeElement === target) look(); });
}
$("source").onchange = ({ target }) => {
  if (mayLeave()) send({ type: "open", name: target.value });
  else showSource();
};
// What is refused is not shown as chosen.
on("failure", () => { showSource(); showLines(); });
function showSource() {
  $("source").value = state.source?.name ?? "";
}
$("lines").onchange = ({ target }) => send({ type: "set", lines: Number(target.value) || null });
function showLines() {
  const automatic = $("lines").options[0];
  if (automatic) automatic.textContent = state.lines ? "Automatic" : `Automatic (${state.preview_lines})`;
  $("lines").value = state.lines ?? "";
}

// There is something to record from the first picture on.
function showRecord() {
  const isNothing = !state.pictures || state.lacksCamera || state.source.kind === "picture";
  $("record").disabled = isNothing && !state.recording;
}
on("picture", () => { if (state.pictures === 1) showRecord(); });
on("no_camera", ({ reason }) => { clear(reason, true); showRecord(); });
$("camera-again").onclick = () => send({ type: "open", name: "camera" });

const toggles = {
  play: () => play(!state.playing),
  loop: () => send({ type: "set", loop: !state.loop }),
  record: () => send({ type: "record", recording: !state.recording }),
};
for (const [id, toggle] of Object.entries(toggles)) $(id).onclick = toggle;
$("back").onclick = () => stepFrames(-1);
$("forward").onclick = () => stepFrames(1);

on("state", () => {
  $("play").textContent = state.playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", state.playing);
  $("loop").setAttribute("aria-pressed", state.loop);
  $("record").textContent = state.recording ? "Stop" : state.follow ? "Overdub" : "Record";
  $("record").title = state.follow ? "Record what you touch; the timeline keeps the rest  R" : "Record  R";
  $("record").setAttribute("aria-pressed", state.recording);
  showRecord();
  showLines();
});

function showClock() {
  const length = state.source?.kind === "video" ? ` / ${clock(duration(), 2)}` : "";
  $("clock").textContent = clock(state.seconds, 2) + length;
}
on("picture", showClock);
on("source", showClock);

const tabs = [...document.querySelectorAll('[role="tab"]')];
for (const tab of tabs) {
  tab.onclick = () => {
    for (const each of tabs) {
      each.setAttribute("aria-selected", each === tab);
      each.tabIndex = each === tab ? 0 : -1;
      $(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
  };
  tab.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
    event.stopPropagation();
  };
}

$("open-help").onclick = () => $("help").showModal();
$("close-help").onclick = () => $("help").close();

// A mouse leaves nothing in focus that would take the next key for itself.
let isPointed = false;
document.addEventListener("keydown", () => { isPointed = false; }, true);
document.addEventListener("pointerdown", () => { isPointed = true; }, true);
document.addEventListener("change", ({ target }) => { if (isPointed) target.closest("select, [type=number], [type=checkbox]")?.blur(); });
document.addEventListener("click", ({ target, detail }) => {
  const button = target.closest("button:not(.key, .grip, [role=slider])");
  if (detail) button?.blur();
}, true);

// The character that is typed, or, in a layout of other letters, the one that a Latin one has there.
function characterOf({ key, code }) {
  const isOther = key.length === 1 && key > "~";
  const place = isOther && ({ Comma: ",", Period: "." }[code] ?? /^Key(.)$/.exec(code)?.[1]);
  return (place || key).toLowerCase();  // Caps Lock may be on
}

// A button that is disabled stays so.
const press = (id) => () => $(id).click();
const shortcuts = {
  " ": press("play"), r: press("record"), l: press("loop"), s: press("sound"), t: press("follow"), k: press("add-key"), v: nextView,
  b: tap, i: () => markPoint("start"), o: () => markPoint("end"),
  f: press("full-screen"), "+": press("zoom-in"), "=": press("zoom-in"), "-": press("zoom-out"),
  ",": press("back"), ".": press("forward"), "?": press("open-help"),
};
[..."1234567890"].forEach((digit, place) => {
  shortcuts[digit] = () => { if (mixer.chosen[place]) toggleSolo(mixer.chosen[place]); };
});
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest('textarea, select, dialog, input:not([type="range"])');
  if (writes) return;
  const character = characterOf(event);
  if ((event.ctrlKey || event.metaKey) && character === "z") {
    event.preventDefault();
    $(event.shiftKey ? "redo" : "undo").click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = shortcuts[character];
  // A button in focus, but for a key of the timeline, is pressed by Space itself.
  if (!act || (character === " " && event.target.closest("button:not(.key)"))) return;
  event.preventDefault();
  // Held, only these go on, from frame to frame that is shown.
  if (!event.repeat || (",.".includes(character) && !state.isStepping)) act();
});

// For tests and the curious.
window.videostyle = { state, measured, audio, drop, lastSerial, on };
connect();
