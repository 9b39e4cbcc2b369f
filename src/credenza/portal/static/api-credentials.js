// The pages of API credentials: a click on a row, boxes of a tree that know their branches, and leaving a secret behind.
// Each works without this: rows are links, every workspace has a box, a closed page is not stored.

import { announce } from "./portal.js";

// A row leads where its link leads.
document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (row && !event.target.closest("a, button") && !getSelection().toString()) location.assign(row.dataset.href);
});

// ---- a tree of workspaces

for (const tree of document.querySelectorAll("[data-tree]")) {
  const branches = [...tree.querySelectorAll("[data-branch]")].map(prepareBranch);
  const search = tree.querySelector("[data-search]");
  search.hidden = branches.length === 0;
  search.addEventListener("input", () => {
    const text = search.value.trim().toLocaleLowerCase();
    const shown = branches.map((branch) => branch.narrow(text));
    tree.querySelector("[data-none]").hidden = shown.some(Boolean);
  });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
}

/** The box of an account is ticked with all of its workspaces, and half with some. It ticks those that are shown. */
function prepareBranch(branch) {
  const all = branch.querySelector("[data-all]");
  const leaves = [...branch.querySelectorAll(".leaf")];
  const boxes = leaves.map((leaf) => leaf.querySelector("input"));
  const follow = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    branch.querySelector("[data-count]").textContent = `${ticked} / ${boxes.length}`;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    boxes.forEach((box, at) => { if (!leaves[at].hidden) box.checked = all.checked; });
    follow();
  });
  branch.addEventListener("change", follow);
  follow();
  return {
    narrow(text) {
      const whole = branch.getAttribute("aria-label").toLocaleLowerCase().includes(text);
      for (const leaf of leaves) leaf.hidden = !whole && !leaf.textContent.toLocaleLowerCase().includes(text);
      branch.hidden = leaves.every((leaf) => leaf.hidden);
      return !branch.hidden;
    },
  };
}

// ---- a form that makes something is sent once

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
}

// ---- the page of a new secret

const issued = document.getElementById("issued");
if (issued) {
  // A reload leads to the credential, not to the form that made the secret.
  history.replaceState(null, "", issued.dataset.own);
  const leave = document.getElementById("leave");
  if (leave) guard(leave);
}

function guard(leave) {
  const saved = document.getElementById("saved");
  let leaving = false;
  addEventListener("beforeunload", (event) => { if (!saved.checked && !leaving) event.preventDefault(); });
  addEventListener("pagehide", () => issued.replaceChildren()); // also out of what a browser keeps to go back to
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    leaving = saved.checked || confirm(leave.dataset.question);
    if (leaving) location.assign(leave.action);
    else announce(leave.dataset.question);
  });
}
