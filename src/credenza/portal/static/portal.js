// What makes the portal quicker to use. Every page works without it, except where a key is made.

const dialog = document.getElementById("dialog");
const announcer = document.getElementById("announcer");

/** Say something to those who do not see the page. */
export function announce(text) {
  announcer.textContent = "";
  requestAnimationFrame(() => { announcer.textContent = text; });
}

// A fragment that was put into the dialog opens it; an emptied one closes it. The focus goes back by itself.
document.addEventListener("htmx:after:swap", () => {
  if (dialog.childElementCount && !dialog.open) dialog.showModal();
});
dialog.addEventListener("close", () => dialog.replaceChildren());
dialog.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.replaceChildren(); // what was shown once is gone before the close event, which comes later
    dialog.close();
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
  announce(button.dataset.copied);
});

// Times are written in UTC; the reader's own clock is one hover away.
function localTimes(root) {
  for (const each of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(each.dateTime);
    each.title = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "full", timeStyle: "long" }).format(at);
  }
}
localTimes(document);
document.addEventListener("htmx:after:swap", () => localTimes(document));

// Preferences apply as soon as they are chosen; the button is for pages without script.
for (const form of document.querySelectorAll("form.preferences")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}

// Keys: / search, n new, ? help, g and a letter to go to a section. Not while somebody writes.
let going = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const go = (selector) => document.querySelector(selector)?.click();
  if (going) go(`nav [data-key="${CSS.escape(event.key)}"]`);
  else if (event.key === "/") { event.preventDefault(); document.getElementById("search")?.focus(); }
  else if (event.key === "n") go("[data-new]");
  else if (event.key === "?") location.assign("/help");
  going = !going && event.key === "g";
});

// One menu at a time; Escape and a click elsewhere close it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
