// The browser's camera as a source: frames go up as JPEG, the next while one is painted.

import { emit, isIdle, on, sendBytes } from "./connection.mjs";
import { element, state } from "./state.mjs";

const WIDTH = 1280;
const AHEAD = 2;
// A frame that is not answered by then is lost, and the next one goes up.
const LONGEST_WAIT_MS = 1000;
const even = (size) => 2 * Math.round(size / 2);
let stream = null;  // a promise while this tab films

const stop = (opened) => opened.getTracks().forEach((track) => track.stop());

function update() {
  const films = state.source?.name === "camera" && state.conducts && !state.lacksCamera;
  if (films === Boolean(stream)) return;
  stream?.then(stop, () => {});
  stream = films ? open() : null;
  if (films) run(stream);
}
on("source", update);
on("role", update);

function giveUp(reason) {
  state.lacksCamera = true;
  update();
  emit("no_camera", { reason });
}

async function open() {
  if (!navigator.mediaDevices) throw new Error("browsers lend it only to pages of 127.0.0.1, localhost or https");
  return navigator.mediaDevices.getUserMedia({ video: { width: WIDTH } });
}

let unanswered = [];  // when each of these frames went up
on("picture", () => { unanswered.shift(); });

async function run(mine) {
  const video = element("video", { muted: true });
  try {
    video.srcObject = await mine;
    await video.play();
  } catch (error) {
    if (mine === stream) giveUp(`The camera cannot be used: ${error.message}.`);
    return;
  }
  for (const track of video.srcObject.getTracks()) {
    track.onended = () => { if (mine === stream) giveUp("The camera has stopped."); };
  }
  const canvas = element("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  const send = () => {
    if (mine !== stream) return;
    video.requestVideoFrameCallback(send);
    const now = performance.now();
    unanswered = unanswered.filter((since) => now - since < LONGEST_WAIT_MS);
    if (!isIdle() || unanswered.length === AHEAD || !video.videoWidth) return;
    canvas.height = even(Math.min(state.preview_lines, video.videoHeight, WIDTH * video.videoHeight / video.videoWidth));
    canvas.width = even(canvas.height * video.videoWidth / video.videoHeight);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    unanswered.push(now);
    canvas.toBlob(async (blob) => { if (blob) sendBytes(await blob.arrayBuffer()); }, "image/jpeg", 0.9);
  };
  send();
}
