// The dashboard asks for its inside again while somebody looks at it. Without this the page is as it was when loaded.
(() => {
  "use strict";

  const board = document.getElementById("board");
  const trouble = document.getElementById("board-trouble");
  if (!board) return;
  let etag = board.dataset.etag;
  let asking = false;
  let timer = 0;

  // What the reader has opened stays open, and nothing is swapped from under the focus.
  const replace = (html) => {
    const open = [...board.querySelectorAll("details")].map((one) => one.open);
    board.innerHTML = html;
    board.querySelectorAll("details").forEach((one, place) => {
      one.open = Boolean(open[place]);
    });
  };

  const ask = async () => {
    if (document.hidden || asking || board.contains(document.activeElement)) return;
    asking = true;
    try {
      const answer = await fetch(board.dataset.url, { headers: { "If-None-Match": etag }, cache: "no-store" });
      if (answer.redirected || answer.status === 401 || answer.status === 403 || answer.status === 404) {
        clearInterval(timer); // logged out, or no longer a curator
        return;
      }
      if (answer.status === 200) {
        replace(await answer.text());
        etag = answer.headers.get("ETag") || "";
      }
      trouble.hidden = answer.status < 500;
    } catch {
      trouble.hidden = false;
    } finally {
      asking = false;
    }
  };

  timer = setInterval(ask, 1000 * Number(board.dataset.every));
  document.addEventListener("visibilitychange", ask);
})();
