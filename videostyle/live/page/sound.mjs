// The sound of the source: the browser plays the file's own, by the clock of the pictures.

import { on, withToken } from "./connection.mjs";
import { $, state } from "./state.mjs";
import { keptOver } from "./keeping.mjs";
import { follower } from "./pace.mjs";

export const audio = new Audio();
audio.preload = "auto";
let source = 0;  // its number
let wanted = keptOver("sound", () => wanted);  // by hand; null: the tab with the controls is heard
const follow = follower();
let followed = 0;  // the last picture's time in the file
let lead = 0;  // of the file before the first picture, in seconds

const isHeard = () => Boolean(source) && (wanted ?? state.conducts);

on("source", ({ id, has_sound, lead_seconds }) => {
  lead = lead_seconds ?? 0;
  const next = has_sound ? id : 0;
  if (next !== source) {
    source = next;
    if (source) audio.src = withToken(`/sound?source=${source}`);
    else audio.removeAttribute("src");
    $("sound").title = source ? "Sound  S" : "The source has no sound";
  }
  show();
});
audio.onerror = () => {
  if (!source) return;
  source = 0;
  $("sound").title = "This browser cannot play the sound of the source";
  show();
};

function show() {
  $("sound").disabled = !source;
  $("sound").setAttribute("aria-pressed", isHeard());
  if (!isHeard() || !state.playing) audio.pause();
}
for (const what of ["state", "role"]) on(what, show);

$("sound").onclick = () => {
  wanted = !isHeard();
  show();
};

// The time of the video that is heard; null in silence.
export const heardAt = () => (audio.paused ? null : audio.currentTime - lead);

on("picture", ({ seconds, in_motion }) => {
  const at = seconds + lead;
  if (!isHeard() || !state.playing || at >= audio.duration) return;
  // A slide that is painted anew, in the middle of its sound.
  if (!in_motion && at === followed && !audio.paused) return;
  followed = at;
  const heard = audio.paused ? null : audio.currentTime;
  const rate = follow({ seconds: at, heard, now: performance.now() / 1000 });
  if (rate === null) audio.currentTime = at;
  else if (rate !== audio.playbackRate) audio.playbackRate = rate;
  // Refused, before the first click or key in this tab, it is tried again with the next picture.
  if (audio.paused) audio.play().catch(() => {});
});
