// The user's own files, dropped on the page or chosen: videos and pictures are copied into the folder
// and opened.

import { on, request, send, withToken } from "./connection.mjs";
import { loadFile, mayLeave } from "./editor.mjs";
import { teach } from "./paintings.mjs";
import { $, notice, state } from "./state.mjs";

const LEARNED = /^image\/(jpeg|png|webp)$/;
let copying = null;  // the request that carries a file
let isOurs = false;  // what is dragged: of a picture of the page some browsers make a file

document.addEventListener("dragstart", () => { isOurs = true; });
document.addEventListener("dragend", () => { isOurs = false; });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file, ...others] = event.dataTransfer?.files ?? [];
  if (!file || isOurs) return;
  if (others.length) notice(`One file is taken at a time: ${file.name}. Drop the others after it.`);
  if (/\.ya?ml$/i.test(file.name)) loadFile(file);
  else if (state.teaches && LEARNED.test(file.type)) teach(file);
  else copy(file);
});
$("open").onclick = () => $("open-file").click();
$("open-file").onchange = ({ target }) => {
  if (target.files[0]) copy(target.files[0]);
  target.value = "";
};
on("hello", () => {
  $("dropped-picture").textContent = state.teaches ? "learned as a painting" : "opened, and kept in the folder";
});

// What would be lost with the source that is open.
const work = () => JSON.stringify([state.conducts, state.recording, state.typed, state.timeline?.yaml]);

async function copy(file) {
  if (copying) { notice("Another file is being copied; wait until it is there, or cancel it."); return; }
  if (!mayLeave()) return;
  const before = work();
  copying = new XMLHttpRequest();
  const { problem, name } = await sent(file);
  copying = null;
  $("copying").hidden = true;
  if (problem) notice(problem, 12);
  else if (name && !state.conducts) notice(`${name} is in the folder now; another tab has the controls.`, 12);
  else if (name && (work() === before || mayLeave())) send({ type: "open", name });
  else if (name) notice(`${name} is in the folder now.`);
}

// Its name in the folder, or what is wrong with it; neither of one that is cancelled.
async function sent(file) {
  const address = `/sources?${new URLSearchParams({ name: file.name })}`;
  const answer = await request(`${address}&bytes=${file.size}`);
  if (!answer.ok) return { problem: await answer.text() };
  document.querySelector("dialog[open]")?.close();  // the picture is behind it
  $("copying-text").textContent = `Copying ${file.name} into ${state.folder || "the folder"}`;
  copying.upload.onprogress = ({ loaded, total }) => {
    $("copying").hidden = false;
    $("copying-progress").value = loaded / total;
    $("copying-percent").textContent = `${Math.floor(100 * loaded / total)} %`;
  };
  return new Promise((tell) => {
    copying.onabort = () => tell({});
    copying.onerror = () => tell({ problem: `The copy of ${file.name} broke off.` });
    copying.onload = ({ target: { status, responseText } }) =>
      tell(status === 200 ? JSON.parse(responseText) : { problem: responseText });
    copying.open("POST", withToken(address));
    copying.send(file);
  });
}
$("cancel-copying").onclick = () => copying?.abort();
addEventListener("beforeunload", (event) => { if (copying) event.preventDefault(); });
