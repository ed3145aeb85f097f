// Keeps the sandbox's page up to date and saves it some reloads; without it all works by plain forms and links.
"use strict";

const connection = document.getElementById("connection");
let source = null;
const waiting = new Map(); // sections that somebody types in, as they are to be when that is over

// --- new sections ---

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}

function put(name, html) {
  const section = document.getElementById(`live-${name}`);
  if (!section) return;
  if (isTypedIn(section)) {
    waiting.set(name, html);
    return;
  }
  waiting.delete(name);
  become(section, parsed(html));
}

function isTypedIn(section) {
  const focused = document.activeElement;
  return section.contains(focused) && focused.matches("input, select, textarea");
}

// Make the children of one element those of another, and keep what is the same: with it focus, selection, and place.
function become(old, fresh) {
  const wanted = new Set(Array.from(fresh.children, (child) => child.id).filter(Boolean));
  for (const child of Array.from(old.children)) {
    if (child.id && !wanted.has(child.id)) child.remove();
  }
  const known = new Map(Array.from(old.children, (child) => [child.id, child]).filter(([id]) => id));
  let at = old.firstChild;
  for (const child of Array.from(fresh.childNodes)) {
    const same = child.id ? known.get(child.id) : at && !at.id && isAlike(at, child) ? at : null;
    if (!same) {
      old.insertBefore(child, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    resemble(same, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function isAlike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function resemble(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeName === "DETAILS") fresh.open = old.open; // opened by hand, it stays so
  if (old.isEqualNode(fresh)) return;
  for (const { name } of Array.from(old.attributes)) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of Array.from(fresh.attributes)) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  become(old, fresh);
}

document.addEventListener("focusout", () => {
  requestAnimationFrame(() => {
    for (const [name, html] of Array.from(waiting)) put(name, html);
  });
});

// --- the stream ---

function tell(text, kind) {
  connection.hidden = false;
  connection.className = `pill ${kind}`;
  if (connection.textContent !== text) connection.textContent = text;
}

function listen() {
  if (source) return;
  source = new EventSource(`/_page/live${location.search}`);
  source.addEventListener("open", () => tell("Live", "good"));
  source.addEventListener("sections", (event) => {
    for (const [name, html] of Object.entries(JSON.parse(event.data))) put(name, html);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) tell("Not live: reload the page", "bad");
    else tell("Reconnecting", "open");
  });
}

function stop() {
  if (source) source.close();
  source = null;
}

// A browser opens six connections to a host at most: pages in the background leave theirs to others.
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", () => document.hidden || listen());

// --- forms, without a reload ---

let silence = 0;

// What was done is said for a while; what was refused until something else is said.
function say(...texts) {
  clearTimeout(silence);
  const notice = document.getElementById("notice");
  notice.replaceChildren(...texts);
  if (notice.querySelector(".done")) silence = setTimeout(() => notice.replaceChildren(), 8000);
}

document.addEventListener("submit", async (event) => {
  const form = event.target; // its fields may be named `method` or `action`: those are asked for as attributes
  if (form.getAttribute("method") !== "post" || event.defaultPrevented) return;
  event.preventDefault();
  const button = event.submitter;
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  try {
    const answer = await fetch(form.getAttribute("action"), {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    say(...fresh.getElementById("notice").children);
    if (!document.querySelector("#notice .refused")) {
      form.reset();
      const around = form.closest("details.reset");
      if (around) around.open = false;
    }
    for (const section of fresh.querySelectorAll('[id^="live-"]')) put(section.id.slice(5), section.innerHTML);
  } catch {
    const said = document.createElement("p");
    said.className = "refused";
    said.textContent = "The sandbox did not do that: it has ended, or refuses this page. Reload it to see.";
    say(said);
  } finally {
    delete form.dataset.busy;
    if (button && !button.isConnected) document.getElementById("main").focus();
  }
});

// --- small things ---

const copy = document.getElementById("copy");
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById("base").textContent);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
}

// The notice is told once; an address that is copied, or reloaded, is to do without it.
const address = new URL(location.href);
if (address.searchParams.has("notice")) {
  address.searchParams.delete("notice");
  history.replaceState(null, "", address);
}
