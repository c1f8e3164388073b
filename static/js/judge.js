// The judge page: one press is one vote, for the pair on screen, and the next pair is already here.
//
// Votes, skips and undos go through an outbox in localStorage, in order, with the key under which the server knows a
// repeat. What the server answers are the person's leases: the pair on screen and the one fetched ahead.
(() => {
  "use strict";

  const QUIET_MS = 200;        // after a refused press: nothing counts until the keys rest for so long
  const DOUBLE_CLICK_MS = 250;
  const TIMEOUT_MS = 10000;
  const BEAT_MS = 60000;
  const AWAY_MS = 300000;      // nobody touched the page for so long: the lease may run out
  const LONGEST_PAUSE_MS = 15000;

  const byId = (id) => document.getElementById(id);
  const root = byId("judge") || byId("queue-empty");
  if (!root) return;
  const outbox = openOutbox(`quarry-outbox:${root.dataset.outbox}`);
  if (root.id === "queue-empty") {
    sendAllAndReload();
    return;
  }

  const stage = byId("stage");
  const panel = root.querySelector(".ask");
  const form = byId("plain");
  const draftKey = `quarry-draft:${root.dataset.outbox}`;
  const turnKey = `quarry-turn:${root.dataset.outbox}`;
  const WHY = ["debugging", "conceptual", "tools", "knowledge", "vague", "other"];
  const QUESTIONS = { 1: "Does the query look for code?", 2: "Does the code answer the query?" };

  let current = pairOf(stage.firstElementChild);
  let ready = [];              // pairs fetched ahead
  let step = 1;
  let waiting = "";            // "next": answered, the next pair is not here; "server": an undo, or votes from before
  let paintedAt = Infinity;    // when the pair came on screen
  let refusedAt = -Infinity;
  let pressedAt = -Infinity;
  let touchedAt = performance.now();
  let lastKey = root.dataset.last;
  let mine = Number(byId("mine").textContent);
  let left = Number(byId("left").textContent);
  let uncounted = { mine: 0, left: 0 };  // numbers change together with the pair
  let sending = false;
  let held = null;             // leases as the server last named them; null: not known
  let turn = 0;                // counts acts, so that an answer from before the last one is not believed
  let wake = null;

  // --- the outbox -------------------------------------------------------------------------------
  function openOutbox(name) {
    let memory = [];           // when the browser keeps nothing for us
    const all = () => {
      try { return JSON.parse(localStorage.getItem(name) || "[]"); } catch { return memory; }
    };
    const write = (acts) => {
      memory = acts;
      try { localStorage.setItem(name, JSON.stringify(acts)); } catch { /* kept in memory */ }
    };
    return {
      all,
      add: (act) => write([...all(), act]),
      age: () => write(all().map((act) => ({ ...act, isOld: true }))),
      drop: (act) => write(all().filter((other) => other.id !== act.id)),
    };
  }

  function remember(name, value) {
    try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch { /* no matter */ }
  }
  function recall(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  }

  // --- pairs on screen ----------------------------------------------------------------------------
  function pairOf(node) {
    const { token, item, key, kind } = node.dataset;
    return { node, token, item: Number(item), key, kind };
  }

  function pairFrom(html) {
    return pairOf(document.adoptNode(new DOMParser().parseFromString(html, "text/html").querySelector(".pair")));
  }

  function show(pair) {
    if (pair.node.parentNode !== stage) stage.replaceChildren(pair.node);
    current = pair;
    root.dataset.kind = pair.kind;
    waiting = "";
    mine += uncounted.mine;
    left = Math.max(0, left + uncounted.left);
    uncounted = { mine: 0, left: 0 };
    byId("mine").textContent = mine;
    byId("left").textContent = left;
    fillForms(pair);
    root.classList.remove("is-waiting");
    root.querySelectorAll("[data-act][aria-pressed]").forEach((button) => button.removeAttribute("aria-pressed"));
    setStep(recall(draftKey) === pair.token ? 2 : 1);
    paintedAt = Infinity;
    requestAnimationFrame(() => {
      const painted = new MessageChannel();
      painted.port1.onmessage = () => { if (current === pair) paintedAt = performance.now(); };
      painted.port2.postMessage(0);
    });
    if (window.scrollY > 0) window.scrollTo(0, 0);
  }

  function count(votes, open) {
    uncounted.mine += votes;
    uncounted.left += open;
  }

  function fillForms(pair) {
    for (const name of ["token", "item", "key"]) form.elements[name].value = pair[name];
    byId("comment-form").elements.item.value = pair.item;
  }

  function setStep(next) {
    const active = document.activeElement;
    const hadFocus = active && active.closest(".answers");
    step = next;
    root.dataset.step = next;
    byId("step-no").textContent = next;
    byId("question-text").textContent = QUESTIONS[next];
    byId("unclear-what").textContent = next === 1 ? "query" : "code";
    root.querySelectorAll(".answers").forEach((group) => { group.hidden = group.dataset.for !== String(next); });
    if (hadFocus && !active.offsetParent) byId("question").focus({ preventScroll: true });
  }

  function advance(button) {
    const next = ready.shift();
    if (next) {
      show(next);
      say(`Mine ${mine}, left ${left}. Next query: ${next.node.querySelector(".query").textContent}`);
      return;
    }
    waitFor("next");
    if (button) button.setAttribute("aria-pressed", "true");
  }

  function waitFor(what) {
    waiting = what;
    root.classList.add("is-waiting");
  }

  // --- words ----------------------------------------------------------------------------------------
  const say = (text) => { byId("say").textContent = text; };

  function note(text, isRefusal = false) {
    byId("note").textContent = text;
    byId("note").classList.toggle("is-refusal", isRefusal);
  }

  function trouble(text, href) {
    const box = byId("trouble");
    box.hidden = !text;
    box.textContent = text;
    if (!href) return;
    const link = document.createElement("a");
    link.href = href;
    link.textContent = "Log in again";
    box.append(" ", link);
  }

  // --- presses ----------------------------------------------------------------------------------------
  function refuse(text) {
    note(text, true);
    say(text);
    panel.classList.remove("is-refusing");
    void panel.offsetWidth;    // starts the mark anew
    panel.classList.add("is-refusing");
  }

  // Why a press must not count: it may have been meant for another pair than the one on screen.
  function untimely(event) {
    if (waiting) return "Not counted: the next pair is not here yet.";
    if (event.timeStamp < paintedAt) return "Not counted: that press came before the pair was on screen.";
    if (event.timeStamp - refusedAt < QUIET_MS) return "Not counted: too quick after a press that did not count.";
    if (event.detail > 1 && event.timeStamp - pressedAt < DOUBLE_CLICK_MS) {
      return "Not counted: the second press of a double click.";
    }
    return "";
  }

  function counts(event) {
    const reason = untimely(event);
    if (reason) {
      refusedAt = event.timeStamp;
      refuse(reason);
      return false;
    }
    pressedAt = event.timeStamp;
    note("");
    return true;
  }

  function press(act, event, button) {
    if (act === "help") return byId("help").showModal();
    if (act === "comment") return openRemark();
    if (act === "guideline") return openGuide();
    if (WHY.includes(act) && current.kind !== "query") return undefined;
    if (!counts(event)) return undefined;
    if (act === "flag") return flag();
    if (act === "undo") return step === 2 ? backToStepOne() : undo();
    if (act === "skip") return skip(button);
    if (act === "unclear") return step === 1 ? vote("unclear", null, false, button) : vote("yes", null, true, button);
    if (current.kind === "query") return voteOnQuery(act, button);
    if (act === "yes" || act === "no") {
      if (step === 2) return refuse("Step 2 asks about the code: 1 or 0. Backspace goes back to step 1.");
      return act === "no" ? vote("no", null, false, button) : toStepTwo();
    }
    if (step === 1) return refuse("Step 1 first: does the query look for code? y or n.");
    return vote("yes", act === "one" ? 1 : 0, false, button);
  }

  // A query alone is done after one press: yes, no, or no with its category.
  function voteOnQuery(act, button) {
    if (act === "yes" || act === "no") return vote(act, null, false, button);
    if (WHY.includes(act)) return vote("no", null, false, button, act);
    return refuse("Not counted: this query has no code to judge. y or n.");
  }

  function toStepTwo() {
    remember(draftKey, current.token);
    setStep(2);
    say(QUESTIONS[2]);
  }

  function backToStepOne() {
    remember(draftKey, null);
    setStep(1);
    say(QUESTIONS[1]);
  }

  function vote(intent, answer, unclear, button, reason = "") {
    const seconds = Math.round((performance.now() - paintedAt) / 10) / 100;
    count(1, -1);
    lastKey = current.key;
    enqueue("votes", {
      key: current.key, token: current.token, item: current.item, intent, answer, code_unclear: unclear, seconds,
      reason, guideline: Number(root.dataset.guideline),
    }, button);
  }

  function skip(button) {
    count(0, -1);
    enqueue("skip", { token: current.token }, button);
  }

  function enqueue(path, body, button) {
    turn += 1;
    remember(draftKey, null);
    outbox.add({ id: `${path}:${current.token}`, path, body });
    advance(button);
    send();
  }

  function undo() {
    if (!lastKey) return note("There is no vote to take back.", true);
    turn += 1;
    outbox.add({ id: `undo:${lastKey}`, path: "undo", body: { key: lastKey } });
    waitFor("server");
    note("Taking the last vote back…");
    return send();
  }

  async function flag() {
    const answer = await post("comments", { item: current.item, is_flag: true }).catch(() => null);
    note(answer && answer.ok ? "Flagged for the curator." : "The flag was not saved; try again.");
  }

  function openRemark() {
    root.querySelector(".remark").open = true;
    byId("comment").focus();
  }

  function openGuide() {
    byId("guide").open = true;
    byId("guide").querySelector(".guide-text").focus();
  }

  const KEYS = {
    y: "yes", n: "no", 1: "one", 0: "zero", Backspace: "undo", s: "skip", u: "unclear", f: "flag", c: "comment",
    g: "guideline", "?": "help",
    d: "debugging", e: "conceptual", t: "tools", k: "knowledge", v: "vague", o: "other",
  };
  const isTyping = (target) =>
    target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]") !== null;

  document.addEventListener("keydown", (event) => {
    touchedAt = performance.now();
    if (event.repeat && event.target.closest("[data-act]") && event.key === "Enter") event.preventDefault();
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (!event.repeat) press(act, event, root.querySelector(`[data-act="${act}"]`));
  });

  root.addEventListener("click", (event) => {
    touchedAt = performance.now();
    const button = event.target.closest("[data-act]");
    if (button) press(button.dataset.act, event, button);
  });

  byId("comment-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { item, text, is_flag: isFlag } = event.target.elements;
    const body = { item: Number(item.value), text: text.value, is_flag: isFlag.checked };
    const answer = await post("comments", body).catch(() => null);
    if (!answer || !answer.ok) return note("The comment was not saved; try again.", true);
    event.target.reset();
    fillForms(current);
    root.querySelector(".remark").open = false;
    byId("question").focus({ preventScroll: true });
    return note("Comment kept.");
  });

  // --- talking to the server ----------------------------------------------------------------------------
  function csrf() {
    const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
    return cookie ? cookie.slice("csrftoken=".length) : document.querySelector("[name=csrfmiddlewaretoken]").value;
  }

  async function post(path, body) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
    try {
      return await fetch(`${root.dataset.api}${path}/`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
        body: JSON.stringify(body),
        signal: stop.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  const atHand = () => [current, ...ready].map((pair) => pair.token);

  // On the page of an empty queue: what was kept goes out, then the page is asked for anew.
  async function sendAllAndReload() {
    const acts = outbox.all();
    for (const act of acts) {
      try {
        const answer = await post(act.path, act.body);
        if (answer.ok || (answer.status >= 400 && answer.status < 500 && answer.status !== 403)) outbox.drop(act);
        else return;
      } catch { return; }
    }
    if (acts.length) location.assign(location.pathname);
  }

  async function send() {
    if (sending) return;
    sending = true;
    let pause = 1000;
    for (let acts = outbox.all(); acts.length; acts = outbox.all()) {
      const outcome = await deliver(acts[0]);
      if (outcome === "later") {
        await sleep(pause);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      } else {
        outbox.drop(acts[0]);
        pause = 1000;
        trouble("");
      }
    }
    sending = false;
    remember(turnKey, String(Date.now()));
    settle();
  }

  async function deliver(act) {
    let answer;
    let data;
    try {
      answer = await post(act.path, { ...act.body, have: atHand() });
      data = await answer.json();
    } catch {
      return later();
    }
    if (answer.ok) {
      if (act.path === "undo") count(-1, 1);
      if (act.isOld && act.path === "votes" && !data.is_repeat) count(1, -1);  // the page was made before it arrived
      take(data, outbox.all().filter((other) => other.id !== act.id));
      return "done";
    }
    if (answer.status >= 500 || answer.status === 429) return later();
    if (data.code === "not_authenticated" || (data.detail || "").startsWith("CSRF")) {
      return later("You are logged out. What you judged is kept here and sent when you are back.",
        `/login/?next=${encodeURIComponent(location.pathname)}`);
    }
    if (act.path === "votes") count(-1, 0);
    note(data.detail || "The server did not take the last vote.", true);
    say(data.detail || "");
    held = null;               // what the server holds for us is not known now
    return "refused";
  }

  function later(text, href) {
    const n = outbox.all().length;
    trouble(text || `Not saved, trying again. ${n === 1 ? "Your last vote is" : `${n} votes are`} kept in this browser.`, href);
    return "later";
  }

  const sleep = (ms) => new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, ms);
  });
  window.addEventListener("online", () => wake && wake());

  // New pairs from an answer, while `pending` acts are still to be sent; whoever waits sees the first at once.
  function take(data, pending) {
    held = data.leases;
    if (!pending.length) lastKey = data.last || "";
    const answered = new Set(pending.map((act) => act.body.token));
    for (const lease of data.leases) {
      if (!lease.html || answered.has(lease.token) || atHand().includes(lease.token)) continue;
      ready.push(pairFrom(lease.html));
    }
    if (waiting === "next" && ready.length) advance();
  }

  // With nothing left to send, the screen shows what the server says is on screen.
  function settle() {
    if (outbox.all().length) { send(); return; }
    if (held === null) { refresh(); return; }
    if (!held.length) { location.assign(location.pathname); return; }
    const pairs = held.map((lease) => [current, ...ready].find((pair) => pair.token === lease.token));
    if (pairs.includes(undefined)) { refresh(); return; }
    const [onScreen, ...ahead] = pairs;
    ready = ahead;
    if (onScreen === current && !waiting) return;
    if (byId("note").textContent.startsWith("Taking")) note("Taken back: judge it again.");
    else if (!waiting) note("That pair is no longer yours; here is the next.");
    else if (!byId("note").classList.contains("is-refusal")) note("");
    show(onScreen);
    say(`${byId("note").textContent} Mine ${mine}, left ${left}. Query: ${onScreen.node.querySelector(".query").textContent}`);
  }

  // Asks what the server holds for this person, and for the pairs that are not here.
  async function refresh() {
    const asked = turn;
    let data;
    try {
      const answer = await post("leases", { have: atHand() });
      if (!answer.ok) throw new Error(String(answer.status));
      data = await answer.json();
    } catch {
      later("The server does not answer. Trying again.");
      await sleep(3000);
      if (asked === turn) refresh();
      return;
    }
    if (asked !== turn) {
      if (!sending) settle();
      return;
    }
    trouble("");
    lastKey = data.last || "";
    held = data.leases;
    for (const lease of held) {
      if (lease.html && !atHand().includes(lease.token)) ready.push(pairFrom(lease.html));
    }
    settle();
  }

  async function beat() {
    if (document.hidden || waiting || sending || performance.now() - touchedAt > AWAY_MS) return;
    try {
      const answer = await post("leases/heartbeat", { tokens: atHand() });
      if (!answer.ok) return;
      const data = await answer.json();
      if (waiting || sending) return;
      if (!data.alive.includes(current.token)) { refresh(); return; }
      [mine, left] = [data.mine, data.left];
      byId("mine").textContent = mine;
      byId("left").textContent = left;
    } catch { /* the next press will tell */ }
  }

  // --- start ------------------------------------------------------------------------------------------------
  const narrow = matchMedia("(max-width: 1000px)");
  const fold = () => { byId("guide").open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();
  root.classList.add("is-live");
  setInterval(beat, BEAT_MS);
  window.addEventListener("storage", (event) => {
    if (event.key === turnKey && !sending && !outbox.all().length) refresh();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) refresh(); });

  if (outbox.all().length) {
    waitFor("server");
    outbox.age();
    note("Sending what was kept from before…");
    send();
  } else {
    show(current);
    refresh();
  }
})();
