// The timeline as text: edit, mistakes at their line, load and save.

import { on, withToken } from "./connection.mjs";
import { $, element, notice, state } from "./state.mjs";
import { sendText } from "./strip.mjs";

const MOST_BYTES = 1_000_000;
const text = $("yaml");
let isEdited = false;
let saved = null;  // of the text; what was there before the page is taken for saved

text.oninput = () => { isEdited = true; };
text.onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); apply(); }
};

function apply() {
  $("mistakes").replaceChildren();
  sendText(text.value, true);
}
$("apply").onclick = apply;

on("timeline", ({ yaml }) => {
  saved ??= yaml;
  // What somebody is typing is not taken from under their hands.
  if (isEdited && document.activeElement === text && yaml !== text.value) return;
  text.value = yaml;
  isEdited = false;
  $("mistakes").replaceChildren();
});

on("timeline_error", ({ mistakes, message }) => {
  $("tab-yaml").click();
  const items = mistakes.length ? mistakes : [{ line: 1, column: 1, message }];
  $("mistakes").replaceChildren(...items.map((mistake) => {
    const button = element("button", { textContent: `Line ${mistake.line}, column ${mistake.column}: ${mistake.message}` });
    button.onclick = () => goTo(mistake);
    return element("li", {}, button);
  }));
  goTo(items[0]);
});

function goTo({ line, column }) {
  const lines = text.value.split("\n");
  const begin = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
  text.focus();
  text.setSelectionRange(begin, begin + Math.max(1, (lines[line - 1] ?? "").length - column + 1));
  text.scrollTop = Math.max(0, (line - 4) * 18);
}

function load(source) {
  text.value = saved = source;
  isEdited = true;
  apply();
}

export const isUnsaved = () => Boolean(text.value.trim()) && text.value !== saved;

$("timeline-file").onchange = async ({ target }) => {
  const name = target.value;
  target.selectedIndex = 0;
  const response = await fetch(withToken(`/timelines/${name.split("/").map(encodeURIComponent).join("/")}`));
  if (!response.ok) { notice(await response.text()); return; }
  $("timeline-name").value = name.split("/").pop();
  load(await response.text());
};

$("save").onclick = () => save(false);

async function save(overwrite) {
  if (!text.value.trim()) { notice("There is no timeline to save yet."); return; }
  const name = $("timeline-name").value;
  const path = withToken(`/timelines/${encodeURIComponent(name)}${overwrite ? "?overwrite=yes" : ""}`);
  const body = text.value;
  const response = await fetch(path, { method: "PUT", body });
  if (response.status === 409 && !overwrite) {
    if (confirm(`${name} exists. Overwrite it?`)) save(true);
    return;
  }
  if (response.ok) saved = body;
  notice(response.ok ? `Saved as ${(await response.json()).path}` : await response.text());
}

on("hello", () => {
  $("timeline-file").replaceChildren(element("option", { value: "", textContent: state.timelines.length ? "Open…" : "No timelines in the folder" }),
    ...state.timelines.map((name) => element("option", { value: name, textContent: name })));
});

export async function loadFile(file) {
  if (file.size > MOST_BYTES) { notice("That file is too large for a timeline."); return; }
  $("tab-yaml").click();
  load(await file.text());
}
