"use strict";
// Every five seconds the page's contents are asked for again, unless nobody sees them or somebody
// has marked text in them. Without scripts, loading the page again does the same.
async function refresh() {
  if (document.hidden || !getSelection().isCollapsed) return;
  const note = document.getElementById("note");
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
    note.textContent = "Renewed every 5 seconds.";
    note.className = "soft";
  } catch {
    note.textContent = "No answer: this is what was known at last.";
    note.className = "bad";
  }
}
setInterval(refresh, 5000);
document.addEventListener("visibilitychange", refresh);
