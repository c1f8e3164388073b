// Keys and display: a field takes the key that is pressed in it, and says at once which keys clash.
(() => {
  "use strict";

  const form = document.getElementById("preferences");
  if (!form) return;
  const NAMED = ["Backspace", "ArrowLeft", "ArrowRight"];
  const fields = [...form.querySelectorAll("[data-steps]")];
  const save = form.querySelector(".button-primary");

  form.addEventListener("keydown", (event) => {
    const field = event.target.closest("[data-steps]");
    if (!field || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Delete") field.value = "";
    else if (NAMED.includes(event.key)) field.value = event.key;
    else if (event.key.length === 1 && event.key !== " ") field.value = event.key.toLowerCase();
    else return;
    event.preventDefault();
    look();
  });
  form.addEventListener("input", look);
  form.addEventListener("focusin", (event) => { if (event.target.matches("[data-steps]")) event.target.select(); });

  const labelOf = (field) => form.querySelector(`label[for="${field.id}"]`).textContent;
  const stepsOf = (field) => field.dataset.steps.split(" ");
  const meet = (one, other) => stepsOf(one).some((step) => stepsOf(other).includes(step));

  function keyOf(field) {
    const text = field.value.trim();
    return text.length <= 1 ? text.toLowerCase() : NAMED.find((name) => name.toLowerCase() === text.toLowerCase());
  }

  function complaintOf(field) {
    const key = keyOf(field);
    if (key === undefined) return form.dataset.bad;
    const others = fields.filter((other) => other !== field && key && keyOf(other) === key && meet(field, other));
    if (!others.length) return "";
    return form.dataset.clash.replace("%(key)s", key).replace("%(acts)s", others.map(labelOf).join("; "));
  }

  function look() {
    const complaints = fields.map((field) => [field, complaintOf(field)]);
    for (const [field, complaint] of complaints) {
      field.toggleAttribute("aria-invalid", false);
      if (complaint) field.setAttribute("aria-invalid", "true");
      field.closest(".key-row").classList.toggle("is-wrong", complaint !== "");
      document.getElementById(`complaint-${field.name.slice(4)}`).textContent = complaint;
    }
    const wrong = complaints.map(([, complaint]) => complaint).filter(Boolean);
    save.disabled = wrong.length > 0;
    document.getElementById("keys-say").textContent = wrong[0] || form.dataset.fine;
  }
})();
