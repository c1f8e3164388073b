// The judge page: one press is one vote, for the pair on screen, and the next pair is already here.
//
// Votes, skips and undos go through the outbox (outbox.js). What the server answers are the person's leases: the pair on
// screen and the one fetched ahead. `step` is 1, 2, "why" (a reason is to be chosen) or "go" (something is to be read).
(() => {
  "use strict";

  const QUIET_MS = 200;        // after a refused press: nothing counts until the keys rest for so long
  const DOUBLE_CLICK_MS = 250;
  const BEAT_MS = 60000;
  const AWAY_MS = 300000;      // nobody touched the page for so long: the lease may run out
  const LONGEST_PAUSE_MS = 15000;
  const NO_REASONS = ["debugging", "conceptual", "tools", "knowledge", "vague", "other"];
  const ANSWER_OF = { full: 1, exceeds: 1, category: 1, half: 0, slight: 0 };
  const ACT_OF = { no: "no", 0: "zero", 1: "one" };

  const { root, byId, word, remember, recall, outbox, ask, post } = window.quarry || {};
  if (!root || root.id !== "judge") return;

  const stage = byId("stage");
  const panel = root.querySelector(".ask");
  const form = byId("plain");
  const remark = byId("comment-form");
  const commentText = remark.elements.namedItem("text");
  const commentItem = remark.elements.namedItem("item");
  const web = byId("web");
  const draftKey = `quarry-draft:${root.dataset.outbox}`;
  const commentKey = `quarry-comment:${root.dataset.outbox}`;
  const turnKey = `quarry-turn:${root.dataset.outbox}`;
  const asked = root.dataset.asked;
  const sizes = Object.entries(JSON.parse(byId("judge-sizes").textContent));

  let current = pairOf(stage.firstElementChild);
  let ready = [];              // pairs fetched ahead
  let step = 1;
  let chosen = null;           // in step "why": {intent, answer}
  let waiting = "";            // "next": the next pair is not here; "server": an undo, or acts from before; "feedback"
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
  let hasNewGuideline = false;
  let isUndoing = false;
  let wake = null;

  // --- pairs on screen ----------------------------------------------------------------------------
  function pairOf(node) {
    const { token, item, key, kind, stage: purpose } = node.dataset;
    return { node, token, item: Number(item), key, kind, purpose };
  }

  function pairFrom(html) {
    return pairOf(document.adoptNode(new DOMParser().parseFromString(html, "text/html").querySelector(".pair")));
  }

  const queryOf = (pair) => pair.node.querySelector(".query").textContent;

  function show(pair) {
    if (pair.node.parentNode !== stage) stage.replaceChildren(pair.node);
    current = pair;
    root.dataset.kind = pair.kind;
    root.dataset.stage = pair.purpose;
    waiting = "";
    mine += uncounted.mine;
    left = Math.max(0, left + uncounted.left);
    uncounted = { mine: 0, left: 0 };
    showNumbers();
    fillForms(pair);
    root.classList.remove("is-waiting");
    restoreStep(pair);
    paintedAt = Infinity;
    requestAnimationFrame(() => {
      const painted = new MessageChannel();
      painted.port1.onmessage = () => { if (current === pair) paintedAt = performance.now(); };
      painted.port2.postMessage(0);
    });
    if (window.scrollY > 0) window.scrollTo(0, 0);
  }

  function showNumbers() {
    byId("mine").textContent = mine;
    byId("left").textContent = left;
  }

  function count(votes, open) {
    uncounted.mine += votes;
    uncounted.left += open;
  }

  function fillForms(pair) {
    for (const name of ["token", "item", "key"]) form.elements.namedItem(name).value = pair[name];
    if (!commentText.value) aimRemark(pair.item, queryOf(pair));
    byId("comment-about").hidden = Number(commentItem.value) === pair.item;
    if (web) web.href = root.dataset.search.replace("{query}", encodeURIComponent(queryOf(pair)));
  }

  // A comment stays with the pair it was begun on, even when the next pair is on screen.
  function aimRemark(item, query) {
    commentItem.value = item;
    byId("comment-query").textContent = query;
  }

  // --- steps ----------------------------------------------------------------------------------------
  const baseOf = (next) => (next === "why" ? (chosen.intent === "no" ? 1 : 2) : next);

  function fits(reason) {
    if (step === "why" && chosen.intent === "yes") return reason === "other" || ANSWER_OF[reason] === chosen.answer;
    return baseOf(step) === 1 ? NO_REASONS.includes(reason) : reason in ANSWER_OF;
  }

  function setStep(next) {
    const active = document.activeElement;
    const hadFocus = active && active.closest(".answers, .because");
    step = next;
    const base = baseOf(next);
    root.dataset.step = next;
    if (base !== "go") {
      byId("step-no").textContent = base;
      byId("unclear-what").textContent = word(base === 1 ? "query" : "code");
    }
    byId("question-text").textContent = word(questionName());
    root.querySelectorAll(".answers").forEach((group) => { group.hidden = group.dataset.for !== String(base); });
    root.querySelectorAll(".because").forEach((group) => { group.hidden = group.dataset.reasons !== String(base); });
    root.querySelectorAll(".why").forEach((button) => { button.disabled = base !== "go" && !fits(button.dataset.act); });
    root.querySelectorAll(".answer, .why").forEach((button) => button.removeAttribute("aria-pressed"));
    root.querySelectorAll(".because-title").forEach((title) => {
      title.dataset.words ||= title.textContent;
      title.textContent = next === "why" ? word("choose") : title.dataset.words;
    });
    if (next === "why") {
      const act = ACT_OF[chosen.intent === "no" ? "no" : chosen.answer];
      root.querySelector(`.answer[data-act="${act}"]`).setAttribute("aria-pressed", "true");
    }
    if (hadFocus && !active.offsetParent) byId("question").focus({ preventScroll: true });
  }

  function questionName() {
    if (step === "why") return chosen.intent === "no" ? "why_no" : `why_${chosen.answer}`;
    return step === "go" ? "go" : `step${step}`;
  }

  function go(next, choice = null) {
    chosen = choice;
    remember(draftKey, next === 1 ? null : JSON.stringify({ token: current.token, step: next, chosen }));
    setStep(next);
    say(word(questionName()));
  }

  // What was chosen on this pair before the page was loaded anew.
  function restoreStep(pair) {
    let draft = {};
    try { draft = JSON.parse(recall(draftKey) || "{}"); } catch { /* unreadable: none */ }
    const isMine = draft.token === pair.token;
    chosen = isMine ? draft.chosen : null;
    setStep(isMine ? draft.step : 1);
  }

  function advance(button) {
    const next = ready.shift();
    if (next) {
      show(next);
      say(word("next", { mine, left, query: queryOf(next) }));
      return;
    }
    waitFor("next", button);
  }

  function waitFor(what, button) {
    waiting = what;
    root.classList.add("is-waiting");
    if (button) button.setAttribute("aria-pressed", "true");
  }

  // --- words ----------------------------------------------------------------------------------------
  function say(text) { byId("say").textContent = text; }

  function note(text, isRefusal = false) {
    byId("note").textContent = text;
    byId("note").classList.toggle("is-refusal", isRefusal);
  }

  function trouble(text, href) {
    const box = byId("trouble");
    const n = outbox.all().length;
    byId("unsent").hidden = !text || !n;
    byId("unsent").textContent = `${n} ${word("unsent")}`;
    box.hidden = !text;
    box.textContent = text;
    if (!href) return;
    const link = document.createElement("a");
    link.href = href;
    link.textContent = word("log_in");
    box.append(" ", link);
  }

  // --- presses ----------------------------------------------------------------------------------------
  function refuse(name) {
    note(word(name), true);
    say(word(name));
    panel.classList.remove("is-refusing");
    void panel.offsetWidth;    // starts the mark anew
    panel.classList.add("is-refusing");
  }

  // Why a press must not count: it may have been meant for another pair than the one on screen.
  function untimely(event) {
    if (waiting) return "not_here";
    if (event.timeStamp < paintedAt) return "too_early";
    if (event.timeStamp - refusedAt < QUIET_MS) return "too_quick";
    if (event.detail > 1 && event.timeStamp - pressedAt < DOUBLE_CLICK_MS) return "double_click";
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

  const TOOLS = {
    help: () => byId("help").showModal(),
    comment: openRemark,
    guideline: openGuide,
    web: () => web && web.click(),
    copy: copyCode,
    wrap: toggleWrap,
    smaller: () => resize(-1),
    larger: () => resize(1),
    reasons: toggleReasons,
  };

  function press(act, event, button) {
    if (act in TOOLS) return TOOLS[act]();
    const isReason = act in ANSWER_OF || NO_REASONS.includes(act);
    if (isReason && asked === "off") return undefined;
    if (act === "go") return step === "go" ? goOn() : undefined;
    if (step === "go") return refuse("go_first");
    if (!counts(event)) return undefined;
    if (act === "flag") return flag();
    if (act === "undo") return step === 1 ? undo() : go(step === "why" ? baseOf(step) : 1);
    if (act === "skip") return skip(button);
    if (isReason) return withReason(act, button);
    if (step === "why") return refuse("why_first");
    if (act === "unclear") return step === 1 ? vote({ intent: "unclear" }, button) : vote({ intent: "yes", unclear: true }, button);
    return answer(act, button);
  }

  function answer(act, button) {
    const isStepOne = act === "yes" || act === "no";
    if (isStepOne && step === 2) return refuse("step2_asks");
    if (!isStepOne && step === 1) return refuse(current.kind === "query" ? "no_code" : "step1_first");
    if (act === "yes") return current.kind === "query" ? vote({ intent: "yes" }, button) : go(2);
    const choice = act === "no" ? { intent: "no" } : { intent: "yes", answer: act === "one" ? 1 : 0 };
    return asked === "required" ? go("why", choice) : vote(choice, button);
  }

  // A reason says the answer too, so that it costs no press of its own.
  function withReason(reason, button) {
    if (!fits(reason)) return refuse("no_fit");
    const choice = step === "why" ? chosen : step === 1 ? { intent: "no" } : { intent: "yes", answer: ANSWER_OF[reason] };
    return vote({ ...choice, reason }, button);
  }

  function vote({ intent, answer: value = null, unclear = false, reason = "" }, button) {
    const seconds = Math.round((performance.now() - paintedAt) / 10) / 100;
    count(1, -1);
    lastKey = current.key;
    enqueue("votes", {
      key: current.key, token: current.token, item: current.item, intent, answer: value, code_unclear: unclear, seconds,
      reason, guideline: Number(root.dataset.guideline),
    }, button, judgementInWords({ intent, answer: value, code_unclear: unclear }));
  }

  function skip(button) {
    count(0, -1);
    lastKey = current.token;
    enqueue("skip", { token: current.token }, button);
  }

  function enqueue(path, body, button, said) {
    turn += 1;
    remember(draftKey, null);
    outbox.add({ id: `${path}:${current.token}`, path, body, said });
    if (path === "votes" && current.purpose === "training") waitFor("feedback", button);
    else advance(button);
    send();
  }

  function undo() {
    if (!lastKey) return note(word("nothing"), true);
    turn += 1;
    isUndoing = true;
    outbox.add({ id: `undo:${lastKey}`, path: "undo", body: { key: lastKey } });
    waitFor("server");
    note(word("undoing"));
    return send();
  }

  // --- after a vote on a training pair ------------------------------------------------------------------
  function judgementInWords({ intent, answer: value, code_unclear: isUnclear }) {
    const name = isUnclear ? "yes_unclear" : value === null || value === undefined ? intent : `${intent}_${value}`;
    return word(name);
  }

  function showFeedback(feedback, given) {
    byId("feedback-title").textContent = word(feedback.is_right ? "right" : "wrong");
    const expected = word("expected", { answer: judgementInWords(feedback) });
    byId("feedback-answer").textContent = feedback.is_right ? expected
      : `${word("given", { answer: judgementInWords(given) })} ${expected}`;
    byId("feedback-why").textContent = feedback.why;
    byId("feedback").classList.toggle("is-right", feedback.is_right);
    byId("feedback").hidden = false;
    waiting = "";
    root.classList.remove("is-waiting");
    setStep("go");
    byId("question").focus({ preventScroll: true });
    say(byId("feedback").innerText);
  }

  function goOn() {
    byId("feedback").hidden = true;
    waitFor("next");
    step = 1;
    settle();
  }

  // --- tools ----------------------------------------------------------------------------------------------
  async function flag() {
    const reply = await post("comments", { item: current.item, is_flag: true }).catch(() => null);
    note(word(reply && reply.ok ? "flagged" : "flag_lost"));
  }

  function openRemark() {
    root.querySelector(".remark").open = true;
    byId("comment").focus();
  }

  function openGuide() {
    byId("guide").open = true;
    byId("guide").querySelector(".guide-text").focus();
  }

  async function copyCode() {
    const code = current.node.querySelector(".pair-code");
    if (!code) return note(word("no_code_to_copy"));
    let isCopied = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      isCopied = true;
    } catch { isCopied = copyBySelecting(code); }  // no clipboard without https
    note(word(isCopied ? "copied" : "not_copied"));
    return say(word(isCopied ? "copied" : "not_copied"));
  }

  function copyBySelecting(node) {
    const selection = getSelection();
    selection.selectAllChildren(node);
    const isCopied = document.execCommand("copy");
    selection.removeAllRanges();
    return isCopied;
  }

  function keepLiking(liking) {
    ask(root.dataset.likes, liking, "PATCH").catch(() => null);  // for the next page load; this one has it
  }

  function toggleWrap() {
    const wraps = root.dataset.wrap !== "on";
    root.dataset.wrap = wraps ? "on" : "";
    root.querySelector("[data-act=wrap]").setAttribute("aria-pressed", String(wraps));
    note(word(wraps ? "wrap_on" : "wrap_off"));
    keepLiking({ wraps_code: wraps });
  }

  function resize(by) {
    const at = sizes.findIndex(([name]) => name === root.dataset.size);
    const [name, label] = sizes[Math.min(sizes.length - 1, Math.max(0, at + by))];
    root.dataset.size = name;
    note(word("size", { size: label }));
    keepLiking({ text_size: name });
  }

  function toggleReasons() {
    const button = root.querySelector("[data-act=reasons]");
    const shows = root.classList.toggle("shows-reasons");
    button.setAttribute("aria-expanded", String(shows));
  }

  // --- keys -------------------------------------------------------------------------------------------------
  const ACTS_OF_KEY = {};
  for (const [act, key] of Object.entries(JSON.parse(byId("judge-keys").textContent))) {
    if (key) (ACTS_OF_KEY[key] ||= []).push(act);
  }
  const inStepOne = (act) => act === "yes" || act === "no" || (NO_REASONS.includes(act) && act !== "other");
  const inStepTwo = (act) => act === "one" || act === "zero" || act in ANSWER_OF;

  // The steps may share keys: what is meant is what the step at hand asks for.
  function actOf(key) {
    const acts = ACTS_OF_KEY[key.length === 1 ? key.toLowerCase() : key] || [];
    const isOther = baseOf(step) === 2 ? inStepOne : inStepTwo;
    return acts.find((act) => !isOther(act)) || acts[0];
  }

  const isTyping = (target) =>
    target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]") !== null;

  document.addEventListener("keydown", (event) => {
    touchedAt = performance.now();
    const isPressable = event.target.closest("a, button, summary, input, select, textarea");
    if (event.repeat && event.target.closest("[data-act]") && event.key === "Enter") event.preventDefault();
    const act = event.key === "Enter" && step === "go" && !isPressable ? "go" : actOf(event.key);
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (!event.repeat) press(act, event, root.querySelector(`[data-act="${act}"]:not([hidden] *)`));
  });

  root.addEventListener("click", (event) => {
    touchedAt = performance.now();
    const button = event.target.closest("[data-act]");
    if (button) press(button.dataset.act, event, button);
  });

  // --- comments ---------------------------------------------------------------------------------------------
  remark.addEventListener("input", () => {
    const draft = { item: Number(commentItem.value), query: byId("comment-query").textContent, text: commentText.value };
    remember(commentKey, draft.text ? JSON.stringify(draft) : null);
  });

  remark.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asks = event.submitter?.value === "ask";
    const isFlag = remark.elements.namedItem("is_flag").checked;
    const body = { item: Number(commentItem.value), text: commentText.value, ...(asks ? {} : { is_flag: isFlag }) };
    const reply = await post(asks ? "questions" : "comments", body).catch(() => null);
    if (!reply || !reply.ok) return note(word("comment_lost"), true);
    const { was_masked: wasMasked } = await reply.json();
    remark.reset();
    remember(commentKey, null);
    fillForms(current);
    root.querySelector(".remark").open = false;
    byId("question").focus({ preventScroll: true });
    return note(word(asks ? "question_kept" : wasMasked ? "comment_masked" : "comment_kept"));
  });

  function restoreComment() {
    let draft = null;
    try { draft = JSON.parse(recall(commentKey) || "null"); } catch { /* unreadable: none */ }
    if (!draft) return;
    commentText.value = draft.text;
    aimRemark(draft.item, draft.query);
    root.querySelector(".remark").open = true;
    note(word("comment_draft"));
  }

  // --- talking to the server ----------------------------------------------------------------------------
  const atHand = () => [current, ...ready].map((pair) => pair.token);

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
    let reply;
    let data;
    try {
      reply = await post(act.path, { ...act.body, have: atHand() });
      data = await reply.json();
    } catch {
      return later();
    }
    if (reply.ok) {
      if (act.path === "undo") count(data.is_vote ? -1 : 0, 1);
      if (isOld(act) && act.path === "votes" && !data.is_repeat) count(1, -1);  // the page was made before it arrived
      take(data, outbox.all().filter((other) => other.name !== act.name));
      if (data.feedback) showFeedback(data.feedback, act.body);
      return "done";
    }
    if (reply.status >= 500 || reply.status === 429) return later();
    if (data.code === "not_authenticated" || (data.detail || "").startsWith("CSRF")) {
      return later(word("logged_out"), `/login/?next=${encodeURIComponent(location.pathname)}`);
    }
    if (act.path === "votes") count(-1, 0);
    note(data.detail || word("not_taken"), true);
    say(data.detail || "");
    isUndoing = false;
    held = null;               // what the server holds for us is not known now
    return "refused";
  }

  const bornAt = Date.now();
  const isOld = (act) => act.at < bornAt;

  function later(text, href) {
    const n = outbox.all().length;
    trouble(text || word(n === 1 ? "unsaved_1" : "unsaved_n", { n }), href);
    return "later";
  }

  const sleep = (ms) => new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, ms);
  });
  window.addEventListener("online", () => wake && wake());

  function notice(data) {
    if (data.guideline > Number(root.dataset.guideline)) hasNewGuideline = true;
  }

  // New pairs from an answer, while `pending` acts are still to be sent; whoever waits sees the first at once.
  function take(data, pending) {
    held = data.leases;
    notice(data);
    if (!pending.length) lastKey = data.last || "";
    const answered = new Set(pending.map((act) => act.body.token));
    for (const lease of data.leases) {
      if (!lease.html || answered.has(lease.token) || atHand().includes(lease.token)) continue;
      ready.push(pairFrom(lease.html));
    }
    if (waiting === "feedback" && !data.feedback) waiting = "next";
    if (waiting === "next" && ready.length && !data.feedback && !hasNewGuideline) advance();
  }

  // With nothing left to send, the screen shows what the server says is on screen.
  function settle() {
    if (step === "go") return;  // something is being read; going on comes here again
    if (outbox.all().length) { send(); return; }
    if (hasNewGuideline || (held && !held.length)) { location.assign(location.pathname); return; }
    if (held === null) { refresh(); return; }
    const pairs = held.map((lease) => [current, ...ready].find((pair) => pair.token === lease.token));
    if (pairs.includes(undefined)) { refresh(); return; }
    const [onScreen, ...ahead] = pairs;
    ready = ahead;
    if (onScreen === current && !waiting) return;
    if (isUndoing) note(word("undone"));
    else if (!waiting) note(word("not_yours"));
    else if (!byId("note").classList.contains("is-refusal")) note("");
    isUndoing = false;
    show(onScreen);
    say(word("now", { note: byId("note").textContent, mine, left, query: queryOf(onScreen) }));
  }

  // Asks what the server holds for this person, and for the pairs that are not here.
  async function refresh() {
    const askedIn = turn;
    let data;
    try {
      const reply = await post("leases", { have: atHand() });
      if (!reply.ok) throw new Error(String(reply.status));
      data = await reply.json();
    } catch {
      later(word("no_answer"));
      await sleep(3000);
      if (askedIn === turn) refresh();
      return;
    }
    if (askedIn !== turn) {
      if (!sending) settle();
      return;
    }
    trouble("");
    notice(data);
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
      const reply = await post("leases/heartbeat", { tokens: atHand() });
      if (!reply.ok) return;
      const data = await reply.json();
      if (waiting || sending) return;
      notice(data);
      byId("standing").hidden = data.standing !== "warned";
      byId("standing-reason").textContent = data.reason;
      if (!data.alive.includes(current.token)) { refresh(); return; }
      [mine, left] = [data.mine, data.left];
      showNumbers();
      if (hasNewGuideline) settle();
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
  restoreComment();

  if (outbox.all().length) {
    waitFor("server");
    note(word("from_before"));
    fillForms(current);
    send();
  } else {
    show(current);
    refresh();
  }
})();
