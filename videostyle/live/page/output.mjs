// Rendering from the page: options, progress, stop, and the result.

import { on, send, withToken } from "./connection.mjs";
import { isDraft } from "./editor.mjs";
import { keep, kept } from "./keeping.mjs";
import { look, normalised } from "./mixer.mjs";
import { $, clock, element, state } from "./state.mjs";

const KEPT = "render";

let status = "";  // until the server has said
let hasOwnName = false;
let source = "";  // of the last render
let part = "";  // it left
let isOwn = false;  // this tab has asked for the next one
let painted = kept(KEPT);  // of the last one, what decides the pictures, if this tab asked for it

const isPassage = () => Boolean(state.passage) && $("render-passage").checked;

function wish() {
  const { mix, ...scalars } = look();
  const weights = Object.entries(normalised(mix)).map(([name, part]) => [name, part.toFixed(6)]);
  const { tracks, loop } = state.timeline ?? {};
  const what = state.follow && tracks ? { tracks, loop } : { weights: weights.sort(), scalars };
  return JSON.stringify([what, number("render-crf"), number("render-size"), isPassage() && state.passage]);
}

function describe() {
  const isTimeline = state.follow && state.timeline;
  const what = `${isTimeline ? "the timeline" : "the look of the sliders throughout"}${isPassage() ? ", between the loop points" : ""}`;
  const other = isDraft() ? " What is written under Timeline is not applied, and not rendered."
    : state.timeline && !isTimeline ? " For the timeline, press Follow timeline." : "";
  const [, stem, suffix] = /^(.*?)(\.[^.]*)?$/.exec($("render-name").value);
  const isPart = part === `${stem}.part${suffix}` && source === state.source?.name;
  const resumes = isPart && painted === wish();
  const becomes = isPart && painted && !resumes
    ? " The part that is there was painted otherwise; it is made anew."
    : resumes ? " Resume keeps every whole piece of ten seconds." : "";
  $("render-what").textContent = state.source?.name === "camera"
    ? "The camera cannot be rendered. Save the timeline, and render a video with it."
    : `Renders ${what}, in full quality, into the folder ${state.folder || "."}.${other}${becomes}`;
  $("render-part").hidden = !state.passage;
  $("render-start").textContent = resumes ? "Resume" : "Render";
  $("render-start").disabled = !["video", "picture"].includes(state.source?.kind) || status === "running";
}

const number = (id) => ($(id).value === "" ? null : Number($(id).value));

function start(overwrite = false) {
  if (![$("render-crf"), $("render-size")].every((field) => field.reportValidity())) return;
  isOwn = true;
  send({
    type: "render", output: $("render-name").value, overwrite,
    crf: number("render-crf"), max_size: number("render-size"), passage: isPassage(),
  });
}
$("render-start").onclick = () => start(false);
$("render-stop").onclick = () => send({ type: "stop_render" });
$("render-name").oninput = () => { hasOwnName = true; describe(); };
$("render-crf").oninput = $("render-size").oninput = $("render-passage").oninput = describe;
on("picture", () => { if (part) describe(); });

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}. ` : "");

// What a reload has lost.
function fill({ name, crf, max_size, passage }) {
  hasOwnName = name !== $("render-name").value;
  $("render-name").value = name;
  $("render-crf").value = crf ?? "";
  $("render-size").value = max_size ?? "";
  $("render-passage").checked = passage;
}

on("render", (message) => {
  source = message.source;
  if (!status && message.name && source === state.source?.name) fill(message);
  if (status && status !== "running" && message.status === "running") {
    painted = isOwn ? wish() : "";
    keep(KEPT, painted);
    isOwn = false;
  }
  status = message.status;
  part = status === "stopped" ? message.output : "";
  $("render-stop").disabled = status !== "running";
  const { frame, total, fps, eta } = message;
  $("render-progress").value = status === "done" ? 1 : total ? frame / total : 0;
  const percent = status === "running" && total ? `${Math.floor(100 * frame / total)} %` : "";
  document.title = percent ? `${percent} – videostyle` : "videostyle live";
  $("tab-render").textContent = percent ? `Render ${percent}` : "Render";
  const texts = {
    idle: "Nothing rendered yet.",
    running: frame ? `Frame ${frame}${total ? ` of ${total}` : ""}, ${fps} frames/s${eta === null ? "" : `, ${clock(eta)} left`} (${message.message})` : `${message.message}…`,
    done: `Done: ${frame} frames. ${sentence(message.message)}`,
    stopped: part ? `Stopped after ${frame} frames; this part plays. `
      : "Stopped before the first frame; nothing was written.",
    failed: message.message,
  };
  $("render-status").textContent = texts[status];
  if (status === "done" || part) {
    $("render-status").append(element("a", {
      href: withToken(`/results/${encodeURIComponent(message.output)}`), target: "_blank",
      textContent: `Open ${message.output}`, style: "color: var(--accent)",
    }));
  }
  describe();
});

on("failure", ({ code, name }) => {
  isOwn = false;
  if (code === "exists" && confirm(`${name} exists. Overwrite it?`)) start(true);
});
on("state", describe);
on("source", ({ name, kind }) => {
  if (!hasOwnName && name) {
    // A plain name, neither hidden nor too long with the ending of a part.
    const file = name.split("/").pop().replace(/\.[^.]*$/, "").replace(/^\.+/, "");
    const stem = [...file.replace(/[\\\p{Cc}\p{Cs}]/gu, "_")].slice(0, 40).join("");
    $("render-name").value = `${stem}_painted.${kind === "picture" ? "png" : "mp4"}`;
  }
  describe();
});
on("draft", describe);
