// Keys of the page on which a pair is decided. The page is a plain form without them.

const form = document.getElementById("decision-form");
const reason = form.elements.namedItem("reason");
const skip = document.getElementById("decide-skip");

// No key acts while somebody writes; Ctrl+Enter sends from the reason as well.
const isWriting = (target) => target.closest("textarea, select, input:not([type=radio]):not([type=checkbox])") !== null;

const choose = (key) => {
  const option = form.querySelector(`input[name=decision][data-key="${CSS.escape(key)}"]`);
  if (option === null) return false;
  option.checked = true;
  reason.focus();
  return true;
};

const act = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = form.querySelector("button.button-primary");
    if (!button.disabled && form.contains(document.activeElement)) form.requestSubmit(button);
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return false;
  if (event.key === "r") {
    reason.focus();
    return true;
  }
  if (event.key === "s" && skip !== null) {
    skip.click();
    return true;
  }
  return choose(event.key);
};

document.addEventListener("keydown", (event) => {
  if (!event.repeat && act(event)) event.preventDefault();
});
form.querySelector(".keys-line").hidden = false;
