// The timeline as text: edit, mistakes at their line, load and save.

import { emit, isOpen, on, request } from "./connection.mjs";
import { $, element, mayConduct, notice, pixels, state } from "./state.mjs";
import { sendText } from "./strip.mjs";

const MOST_BYTES = 1_000_000;
const text = $("yaml");
const UNNAMED = $("timeline-name").defaultValue;
let opened = null;  // where what is typed is from, as the server knows it, until it is applied
let ownName = "";  // of the file that is edited, in the folder
let written = "";  // by Save, also what has mistakes
let judged = { text: "", tell() {} };  // what Save waits for: mistakes, or null where nobody looked

// Whether something is written that is not the timeline that is shown.
export function isDraft() {
  const shown = state.timeline?.yaml ?? "";
  return text.value !== shown && Boolean(text.value.trim() || shown);
}

function showDraft() {
  $("not-applied").hidden = !isDraft();
  emit("draft");
}

text.oninput = () => { state.typed = text.value.trim() ? text.value : ""; showDraft(); };
text.onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); apply(); }
};

const isTooLong = () => new TextEncoder().encode(text.value).length > MOST_BYTES;

function apply() {
  $("mistakes").replaceChildren();
  if (isTooLong()) notice("That is too long for a timeline: it may have 1 MB.");
  else sendText(text.value, opened);
}
$("apply").onclick = apply;

// What somebody has written as the name of a copy stays until another file is edited.
function showName(name) {
  if (name !== ownName) $("timeline-name").value = name || UNNAMED;
  ownName = name;
}

on("timeline", ({ yaml, name }) => {
  if (state.typed === yaml) state.typed = "";
  // What somebody has typed is not taken away by another tab or a new connection.
  text.value = state.typed || yaml;
  if (!state.typed) {
    $("mistakes").replaceChildren();
    opened = null;
  }
  showName(opened?.name ?? name);
  showDraft();
  if (yaml === judged.text) judged.tell([]);
});
const isTypedKept = () => !state.typed || state.typed === written;
addEventListener("beforeunload", (event) => { if (!isTypedKept()) event.preventDefault(); });
for (const refusal of ["failure", "disconnected"]) on(refusal, () => judged.tell(null));

on("timeline_error", ({ mistakes, message }) => {
  $("tab-yaml").click();
  const items = mistakes.length ? mistakes : [{ line: 1, column: 1, message }];
  $("mistakes").replaceChildren(...items.map((mistake) => {
    const button = element("button", { textContent: `Line ${mistake.line}, column ${mistake.column}: ${mistake.message}` });
    button.onclick = () => goTo(mistake);
    return element("li", {}, button);
  }));
  goTo(items[0]);
  judged.tell(items);
});

function goTo({ line, column }) {
  const lines = text.value.split("\n");
  const [marked = ""] = lines.slice(line - 1);
  const before = [...marked].slice(0, column - 1).join("").length;  // an emoji is two here
  const begin = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + before;
  text.focus();
  text.setSelectionRange(begin, begin + Math.max(1, marked.length - before));
  text.scrollTop = Math.max(0, (line - 4) * pixels(1.8));
}

function load(source, from) {
  opened = from;
  ownName = "";
  showName(from.name);
  text.value = source;
  state.typed = text.value;
  showDraft();
  apply();
}

// A byte of a name that is not UTF-8 comes as half of a character.
const encode = (character) => /^[\udc80-\udcff]$/.test(character)
  ? `%${(character.charCodeAt(0) & 0xff).toString(16)}` : encodeURIComponent(character);
const addressOf = (name) => `/timelines/${name.split("/").map((part) => [...part].map(encode).join("")).join("/")}`;

// Whether what is there may be replaced; asks if it is not saved.
export function mayLeave() {
  if (!mayConduct()) return false;
  const isSaved = isTypedKept() && (!state.timeline || state.timeline.saved);
  if (isSaved && !state.recording) return true;
  return confirm(`${state.recording ? "A recording is running" : "The timeline is not saved"}. Leave it?`);
}

$("timeline-file").onchange = async ({ target }) => {
  const name = target.value;
  target.selectedIndex = 0;
  if (!mayLeave()) return;
  const response = await request(addressOf(name));
  if (!response.ok) { notice(await response.text()); return; }
  load(await response.text(), { name, file: Number(response.headers.get("X-File")) });
};

$("save").onclick = save;

// Applies what is written, as what is saved is what is shown; asks where it has mistakes.
async function maySave() {
  if (!isDraft() || !state.conducts) return true;
  if (isTooLong()) { apply(); return true; }
  if (!isOpen()) {
    notice("Not connected; nothing is saved. What is typed stays.");
    return false;
  }
  const mistakes = await new Promise((tell) => { judged = { text: text.value, tell }; apply(); });
  if (!mistakes?.length) return Boolean(mistakes);
  return confirm(`It has ${mistakes.length > 1 ? `${mistakes.length} mistakes` : "a mistake"}; save it anyway?`);
}

async function save() {
  if (!text.value.trim()) {
    notice(state.timeline ? "Nothing is written here. Apply takes the timeline away."
      : "There is no timeline to save yet.");
    return;
  }
  const name = $("timeline-name").value;
  const isKnown = [ownName, ...state.timelines].includes(name);
  if (!isKnown && !/^[^./\\][^/\\]*\.ya?ml$/i.test(name)) { notice("Write a plain file name that ends in .yaml."); return; }
  const body = text.value;
  if (!await maySave()) return;
  const { file } = opened ?? state.timeline ?? {};
  const path = addressOf(name) + (file === undefined ? "" : `?file=${file}`);
  let response = await request(path, { method: "PUT", body });
  if (response.status === 409) {
    if (!confirm(`${await response.text()}. Overwrite it?`)) return;
    response = await request(`${path}${path.includes("?") ? "&" : "?"}overwrite=yes`, { method: "PUT", body });
  }
  if (!response.ok) { notice(await response.text()); return; }
  const saved = await response.json();
  written = body;
  if (state.typed === body) opened = { name, file: saved.file };
  notice(`Saved as ${saved.path}`);
}

on("hello", () => {
  $("timeline-file").replaceChildren(element("option", { value: "", textContent: state.timelines.length ? "Open…" : "No timelines in the folder" }),
    ...state.timelines.map((name) => element("option", { value: name, textContent: name })));
});

export async function loadFile(file) {
  if (file.size > MOST_BYTES) { notice("That file is too large for a timeline: it may have 1 MB."); return; }
  if (!mayLeave()) return;
  $("tab-yaml").click();
  load(await file.text(), { name: file.name.replace(/\.ya?ml$/i, ".yaml") });
}
