// HTML in which a click, Enter or a pointer on an element that is called pick-... is told to the kernel or the reader.

function key(event) {
  return event.target.closest("[data-pick], [id^='pick-']");
}

function render({ model, el }) {
  el.classList.add("mosaic-picker");
  const body = document.createElement("div"), said = document.createElement("div");
  said.className = "mosaic-picked";
  said.setAttribute("role", "status");
  el.append(body, said);
  const name = (element) => element.dataset.pick ?? model.get("point_keys")[Number(element.id.slice("pick-".length))] ?? "";

  function show() {
    body.innerHTML = model.get("html"); // made and escaped by the kernel
    for (const element of body.querySelectorAll("[data-pick]")) {
      element.tabIndex = 0;
      element.setAttribute("aria-selected", String(element.dataset.pick == model.get("picked")));
    }
    said.textContent = model.get("hint");
  }

  function pick(event) {
    const element = key(event);
    if (!element || !name(element)) return;
    model.set("picked", name(element));
    model.save_changes();
  }

  body.addEventListener("click", pick);
  body.addEventListener("keydown", (event) => {
    if (event.key == "Enter") pick(event);
  });
  body.addEventListener("pointerover", (event) => {
    const element = key(event);
    const label = element && model.get("labels")[Number(element.id.slice("pick-".length))];
    said.textContent = label || model.get("hint");
  });
  const changes = ["change:html", "change:picked"];
  for (const change of changes) model.on(change, show);
  show();
  return () => changes.forEach((change) => model.off(change, show));
}

export default { render };
