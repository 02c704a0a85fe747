// The browser's camera as a source: frames go up as JPEG, one at a time.

import { isIdle, on, sendBytes } from "./connection.mjs";
import { notice, state } from "./state.mjs";

const WIDTH = 1280;
const even = (size) => 2 * Math.round(size / 2);
let stream = null;

on("source", async (source) => {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  if (source.kind !== "camera" || source.name !== "camera" || !state.conducts) return;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH } });
  } catch (error) {
    notice(`The camera cannot be used: ${error.message}. Choose another source.`);
    return;
  }
  run(stream);
});

let isAnswered = true;
on("picture", () => { isAnswered = true; });

async function run(mine) {
  const video = Object.assign(document.createElement("video"), { srcObject: mine, muted: true });
  await video.play();
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  const send = () => {
    if (mine !== stream) return;
    video.requestVideoFrameCallback(send);
    if (!isIdle() || !isAnswered || !video.videoWidth) return;
    canvas.height = even(Math.min(state.preview_lines, video.videoHeight, WIDTH * video.videoHeight / video.videoWidth));
    canvas.width = even(canvas.height * video.videoWidth / video.videoHeight);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    isAnswered = false;
    canvas.toBlob(async (blob) => { if (blob) sendBytes(await blob.arrayBuffer()); }, "image/jpeg", 0.9);
  };
  send();
}
on("connected", () => { isAnswered = true; });
