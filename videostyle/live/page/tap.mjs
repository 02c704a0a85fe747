// The tempo by the strip: tapped along with the beat, corrected, and taken away.

import { emit, on, send } from "./connection.mjs";
import { told } from "./edits.mjs";
import { $, mayConduct, notice, state } from "./state.mjs";
import { heardAt } from "./sound.mjs";
import { atBpm, fitTempo } from "./tempo.mjs";

const PAUSE_SECONDS = 2;  // after which the next tap begins anew
const MOST_AHEAD_SECONDS = 0.1;  // of the last picture
let rounds = [];  // of a series of taps: those of each round of the loop, in seconds of the video
let hasTurned = false;  // a round has ended since the last tap
let ending = 0;  // the timer that ends the series
let seen = { seconds: 0, at: 0 };  // the last picture, and when it came, on performance.now

on("failure", () => { state.tempo = told.tempo; emit("redraw"); });
on("picture", ({ seconds }) => {
  if (seconds < seen.seconds) hasTurned = true;
  seen = { seconds, at: performance.now() };
});
on("redraw", show);
on("seek", end);
for (const what of ["source", "disconnected"]) on(what, () => { rounds = []; show(); });

// Of the video, as it is heard, or else seen.
function moment() {
  const since = (performance.now() - seen.at) / 1000;
  return heardAt() ?? seen.seconds + Math.min(since, MOST_AHEAD_SECONDS);
}

export function tap() {
  if (state.source?.kind !== "video" || !mayConduct()) return;
  if (!state.playing) { notice("Play the video, and tap along with its beat."); return; }
  if (state.timeline?.loop) {
    notice("The timeline loops from 0 s, and so do its beats; type the BPM, or take 'loop' out of its text to tap.");
    return;
  }
  if (hasTurned || !rounds.length) rounds.push([]);
  hasTurned = false;
  rounds.at(-1).push(moment());
  clearTimeout(ending);
  ending = setTimeout(end, 1000 * PAUSE_SECONDS);
  state.tempo = fitTempo(rounds) ?? state.tempo;
  emit("redraw");
}

// One step to undo for the whole series.
function end() {
  const [tempo, taps] = [fitTempo(rounds), rounds.flat().length];
  if (tempo) set(tempo);
  else if (taps > 3) notice("Too few of these taps were in one round of the loop; play a longer passage to tap.");
  rounds = [];
  show();
}

// What is tapped gives way to what is typed.
function set(tempo) {
  rounds = [];
  state.tempo = tempo;
  send({ type: "tempo", tempo });
  emit("redraw");
}

// A timeline that loops has its first beat at 0 s.
const setBpm = (bpm) => set(state.timeline?.loop ? { bpm, first_beat: 0 } : atBpm(bpm, state.tempo, state.seconds));

function show() {
  const { tempo } = state;
  const taps = rounds.flat().length;
  const isSought = taps > (tempo ? 1 : 0) && !fitTempo(rounds);  // one tap may only open the field
  $("tap").disabled = state.source?.kind !== "video";
  $("tap").textContent = isSought ? "•".repeat(taps) : tempo ? `${tempo.bpm.toFixed(1)} BPM` : "Tap";
  if (document.activeElement !== $("bpm")) $("bpm").value = tempo?.bpm ?? "";
  for (const id of ["twice", "half", "no-tempo"]) $(id).disabled = !tempo;
}

// The moment is that of the finger, not of its lifting. Who only opens the field need not play.
$("tap").onpointerdown = ({ button }) => { if (!button && state.playing) tap(); };
$("tap").onclick = ({ detail }) => { if (!detail && state.playing) tap(); };
// The arrow keys change it many times; it counts when it is left.
$("bpm").onblur = ({ target }) => {
  const bpm = target.value ? Number(target.value) : null;
  if (target.checkValidity() && bpm !== (state.tempo?.bpm ?? null)) bpm ? setBpm(bpm) : set(null);
  else show();
};
$("bpm").onkeydown = ({ key, target }) => {
  if (key === "Escape") target.value = state.tempo?.bpm ?? "";
  else if (key === "Enter" && target.reportValidity()) target.blur();
};
$("twice").onclick = () => setBpm(2 * state.tempo.bpm);
$("half").onclick = () => setBpm(state.tempo.bpm / 2);
$("no-tempo").onclick = () => set(null);

$("tempo").onbeforetoggle = () => {
  const { left, top } = $("tap").getBoundingClientRect();
  $("tempo").style.setProperty("--left", `${left}px`);
  $("tempo").style.setProperty("--bottom", `${innerHeight - top}px`);
};
