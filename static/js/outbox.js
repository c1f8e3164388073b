// What a person did and the server has not yet acknowledged: kept in this browser, act by act, sent again in order with
// the key under which the server knows a repeat. Shared by the judge page, the empty queue and the own history.
(() => {
  "use strict";

  const TIMEOUT_MS = 10000;
  const root = document.querySelector("[data-outbox]");
  if (!root) return;
  const byId = (id) => document.getElementById(id);
  const words = JSON.parse(byId("judge-words").textContent);
  const word = (name, values = {}) => words[name].replace(/%\((\w+)\)s/g, (_, key) => values[key]);

  // --- this browser's memory ------------------------------------------------------------------------------
  function remember(name, value) {
    try {
      if (value === null) localStorage.removeItem(name);
      else localStorage.setItem(name, value);
      return true;
    } catch { return false; }
  }
  function recall(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  }

  // Every act is an entry of its own, named by its time: two tabs never write over each other's.
  const prefix = `quarry-act:${root.dataset.outbox}:`;
  const unkept = new Map();    // when the browser keeps nothing for us
  let newest = 0;

  function entries() {
    const kept = [...unkept];
    try {
      for (let i = 0; i < localStorage.length; i += 1) {
        const name = localStorage.key(i);
        if (name.startsWith(prefix)) kept.push([name, JSON.parse(localStorage.getItem(name))]);
      }
    } catch { /* the ones in memory are all there is */ }
    return kept.sort(([one], [other]) => (one < other ? -1 : 1));
  }

  function add(act) {
    newest = Math.max(Date.now(), newest + 1);
    const name = `${prefix}${String(newest).padStart(15, "0")}-${Math.random().toString(36).slice(2, 8)}`;
    if (!remember(name, JSON.stringify(act))) unkept.set(name, act);
  }

  function drop(act) {
    unkept.delete(act.name);
    remember(act.name, null);
  }

  const all = () => entries().map(([name, act]) => ({ ...act, name, at: Number(name.slice(prefix.length).split("-")[0]) }));

  // --- the server -------------------------------------------------------------------------------------------
  function csrf() {
    const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
    return cookie ? cookie.slice("csrftoken=".length) : document.querySelector("[name=csrfmiddlewaretoken]").value;
  }

  async function ask(address, body, method = "POST") {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
    try {
      return await fetch(address, {
        method,
        headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
        body: JSON.stringify(body),
        signal: stop.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }
  const post = (path, body) => ask(`${root.dataset.api}${path}/`, body);

  const outbox = { all, add, drop };
  window.quarry = { root, byId, word, remember, recall, outbox, ask, post };

  // --- pages without a pair: what was kept goes out, then the page is asked for anew ---------------------------
  async function sendAll() {
    for (const act of all()) {
      try {
        const answer = await post(act.path, act.body);
        const isSettled = answer.ok || (answer.status >= 400 && answer.status < 500 && ![403, 429].includes(answer.status));
        if (!isSettled) return false;
        drop(act);
      } catch { return false; }
    }
    return true;
  }

  function listKept(acts) {
    const list = byId("kept-list");
    if (!list) return;
    root.hidden = !acts.length;
    list.replaceChildren(...acts.map((act) => {
      const line = document.createElement("li");
      const when = new Date(act.at).toLocaleTimeString(document.documentElement.lang);
      line.textContent = `${when}: ${act.said || list.dataset[act.path]}`;
      return line;
    }));
  }

  async function emptyOut() {
    const acts = all();
    listKept(acts);
    if (acts.length && await sendAll()) location.assign(location.pathname);
  }

  if (root.id !== "judge") {
    emptyOut();
    window.addEventListener("online", emptyOut);
    setInterval(emptyOut, 15000);
  }
})();
