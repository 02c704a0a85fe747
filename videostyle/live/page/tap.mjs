// The tempo by the strip: tapped along with the beat, corrected, and taken away.

import { emit, on, send } from "./connection.mjs";
import { $, notice, pixels, state } from "./state.mjs";
import { heardAt } from "./sound.mjs";
import { atBpm, fitTempo } from "./tempo.mjs";

const PAUSE_SECONDS = 2;  // after which the next tap begins anew
const MOST_AHEAD_SECONDS = 0.1;  // of the last picture
const WIDTH_REM = 34;
let taps = [];  // of the series, in seconds of the video
let ending = 0;  // the timer that ends it
let told = null;  // the tempo that the server has
let shownSince = 0;  // the last picture, on performance.now

on("timeline", ({ tempo }) => { told = tempo; });
on("failure", () => { state.tempo = told; emit("redraw"); });
on("picture", () => { shownSince = performance.now(); });
on("redraw", show);
for (const what of ["source", "disconnected"]) on(what, () => { taps = []; show(); });

// Of the video, as it is heard, or else seen.
function moment() {
  const since = (performance.now() - shownSince) / 1000;
  return heardAt() ?? state.seconds + Math.min(since, MOST_AHEAD_SECONDS);
}

export function tap() {
  if (state.source?.kind !== "video") return;
  if (!state.conducts) { notice("Another tab has the controls; take over first."); return; }
  if (!state.playing) { notice("Play the video, and tap along with its beat."); return; }
  const at = moment();
  const gap = at - taps.at(-1);
  if (gap <= 0 || gap > PAUSE_SECONDS) end();  // it has gone round, or elsewhere
  taps.push(at);
  clearTimeout(ending);
  ending = setTimeout(end, 1000 * PAUSE_SECONDS);
  state.tempo = fitTempo(taps) ?? state.tempo;
  emit("redraw");
}

// One step to undo for the whole series.
function end() {
  const tempo = fitTempo(taps);
  taps = [];
  if (tempo) set(tempo);
  else show();
}

function set(tempo) {
  state.tempo = tempo;
  send({ type: "tempo", tempo });
  emit("redraw");
}

const setBpm = (bpm) => set(atBpm(bpm, state.tempo, state.seconds));

function show() {
  const { tempo } = state;
  const isFound = taps.length === 0 || fitTempo(taps);
  $("tap").disabled = state.source?.kind !== "video";
  $("tap").textContent = !isFound ? "•".repeat(taps.length) : tempo ? `${tempo.bpm.toFixed(1)} BPM` : "Tap";
  if (document.activeElement !== $("bpm")) $("bpm").value = tempo?.bpm ?? "";
  for (const id of ["twice", "half", "no-tempo"]) $(id).disabled = !tempo;
}

// The moment is that of the finger, not of its lifting. Who only opens the field need not play.
$("tap").onpointerdown = ({ button }) => { if (!button && state.playing) tap(); };
$("tap").onclick = ({ detail }) => { if (!detail && state.playing) tap(); };
$("bpm").onchange = ({ target }) => {
  if (!target.value) set(null);
  else if (target.reportValidity()) setBpm(Number(target.value));
};
$("bpm").onkeydown = ({ key }) => { if (key === "Enter") $("bpm").blur(); };
$("twice").onclick = () => setBpm(2 * state.tempo.bpm);
$("half").onclick = () => setBpm(state.tempo.bpm / 2);
$("no-tempo").onclick = () => set(null);

$("tempo").onbeforetoggle = () => {
  const { left, top } = $("tap").getBoundingClientRect();
  $("tempo").style.left = `${Math.max(8, Math.min(left, innerWidth - pixels(WIDTH_REM) - 8))}px`;
  $("tempo").style.bottom = `${innerHeight - top + 6}px`;
};
