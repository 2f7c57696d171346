// An image under one or two class maps. All that follows the pointer happens here, without the kernel.

const CHUNK = 1 << 20; // bytes of a file in one message: Jupyter's web socket refuses large ones
const LARGEST_FILE = 200 * CHUNK;
const PANES = ["one", "other", "difference"];
const MOST_ZOOM = 40;

function make(parent, tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  parent.append(element);
  return element;
}

function bytes(model, name) {
  const view = model.get(name);
  return view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array();
}

// A class map as a canvas of its own size; with `isolated`, only the class of that name.
function coloured(model, pane) {
  const [height, width] = model.get(`${pane}_size`);
  const canvas = document.createElement("canvas");
  if (!width) return canvas;
  Object.assign(canvas, { width, height });
  const ids = bytes(model, `${pane}_map`);
  const { names, palette } = model.get(`${pane}_classes`);
  const isolated = pane == "difference" ? "" : model.get("isolated");
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < ids.length; i++) {
    const colour = palette[ids[i]];
    if (!colour || (isolated && names[ids[i]] != isolated)) continue;
    pixels.data.set([colour[0], colour[1], colour[2], 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// What one pane finds at a place (0..1 from the top left): "road, 97 %".
function found(model, pane, [x, y]) {
  const [height, width] = model.get(`${pane}_size`);
  const place = Math.min(height - 1, Math.floor(y * height)) * width + Math.min(width - 1, Math.floor(x * width));
  const name = model.get(`${pane}_classes`).names[bytes(model, `${pane}_map`)[place]] ?? "no class";
  const confidence = bytes(model, `${pane}_confidence`);
  return confidence.length ? `${name}, ${Math.round((100 * confidence[place]) / 255)} %` : name;
}

async function upload(model, file, say) {
  if (file.size > LARGEST_FILE) {
    say(`${file.name} has ${Math.round(file.size / CHUNK)} MB, more than the limit of ${LARGEST_FILE / CHUNK} MB.`);
    return;
  }
  const count = Math.max(1, Math.ceil(file.size / CHUNK));
  for (let index = 0; index < count; index++) {
    say(`Reading ${file.name}: ${Math.round((100 * index) / count)} %`);
    const part = await file.slice(index * CHUNK, (index + 1) * CHUNK).arrayBuffer();
    model.send({ kind: "upload", name: file.name, index, count }, undefined, [part]);
  }
  say("");
}

function render({ model, el }) {
  el.classList.add("mosaic-viewer");
  const view = { zoom: 1, x: 0, y: 0, pointer: null }; // x, y: the top left corner shown, 0..1 of the image
  let photo = null;
  const maps = {};

  const tools = make(el, "div", { className: "mosaic-tools" });
  const file = make(tools, "input", { type: "file", accept: "image/jpeg,image/png", hidden: true });
  const choose = make(tools, "button", { type: "button", textContent: "Open an image", title: "JPEG or PNG; or drop one here" });
  const say = (text) => (said.textContent = text);
  const open = (chosen) => upload(model, chosen, say);
  const closeCamera = camera(tools, open, say);
  const opacityLabel = make(tools, "label", { textContent: "Opacity " });
  const opacity = make(opacityLabel, "input", { type: "range", min: 0, max: 1, step: 0.01 });
  const zoomOut = make(tools, "button", { type: "button", textContent: "\u2212", ariaLabel: "Zoom out" });
  const zoomIn = make(tools, "button", { type: "button", textContent: "+", ariaLabel: "Zoom in" });
  const whole = make(tools, "button", { type: "button", textContent: "Whole image" });
  const said = make(tools, "span", { className: "mosaic-said", role: "status" });
  const row = make(el, "div", { className: "mosaic-panes" });
  const panes = {};
  for (const name of PANES) {
    const figure = make(row, "figure");
    const title = make(figure, "figcaption");
    panes[name] = { figure, title, canvas: make(figure, "canvas"), under: make(figure, "div", { className: "mosaic-under" }) };
  }
  const shares = make(el, "div", { className: "mosaic-shares" });
  const legend = make(el, "ul", { className: "mosaic-legend", ariaLabel: "Classes" });

  const shown = () => PANES.filter((name) => model.get(`${name}_size`)[1]);

  function layout() {
    const names = shown();
    for (const name of PANES) {
      panes[name].figure.hidden = !names.includes(name);
      panes[name].title.textContent = model.get(`${name}_title`);
      panes[name].canvas.setAttribute("role", "img");
      panes[name].canvas.setAttribute("aria-label", model.get(`${name}_title`));
    }
    const [height, width] = model.get("picture_size");
    if (!width) return;
    const gap = 12, columns = Math.min(names.length, el.clientWidth > 1150 ? 3 : el.clientWidth > 560 ? 2 : 1);
    const most = 900 * (width / height > 1 ? 1 : width / height);
    const across = Math.max(120, Math.min(most, (el.clientWidth - gap * (columns - 1)) / columns));
    const ratio = window.devicePixelRatio || 1;
    for (const name of names) {
      const { canvas, figure } = panes[name];
      figure.style.width = `${across}px`;
      canvas.style.height = `${(across * height) / width}px`;
      canvas.width = Math.round(across * ratio);
      canvas.height = Math.round((across * ratio * height) / width);
    }
    draw();
  }

  function draw() {
    const part = 1 / view.zoom;
    view.x = Math.min(Math.max(view.x, 0), 1 - part);
    view.y = Math.min(Math.max(view.y, 0), 1 - part);
    for (const name of shown()) {
      const { canvas } = panes[name], map = maps[name], context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      const put = (image, smooth) => {
        context.imageSmoothingEnabled = smooth;
        context.drawImage(image, view.x * image.width, view.y * image.height, part * image.width, part * image.height,
          0, 0, canvas.width, canvas.height);
      };
      if (photo) put(photo, view.zoom < 4);
      if (map && map.width) {
        context.globalAlpha = name == "difference" ? Math.max(model.get("opacity"), 0.4) : model.get("opacity");
        put(map, false);
        context.globalAlpha = 1;
      }
      if (view.pointer) {
        const x = (view.pointer[0] - view.x) * view.zoom * canvas.width, y = (view.pointer[1] - view.y) * view.zoom * canvas.height;
        for (const [colour, size] of [["#000", 4], ["#fff", 2]]) {
          context.strokeStyle = colour;
          context.lineWidth = size;
          context.beginPath();
          context.arc(x, y, 8, 0, 7);
          context.stroke();
        }
      }
    }
  }

  function point(event, canvas) {
    const box = canvas.getBoundingClientRect(), part = 1 / view.zoom;
    return [view.x + ((event.clientX - box.left) / box.width) * part, view.y + ((event.clientY - box.top) / box.height) * part];
  }

  function tell() {
    for (const name of shown()) {
      const under = view.pointer ? found(model, name, view.pointer) : "";
      panes[name].under.textContent = under || "Point at the image";
    }
  }

  function zoom(factor, [x, y] = [view.x + 0.5 / view.zoom, view.y + 0.5 / view.zoom]) {
    const next = Math.min(MOST_ZOOM, Math.max(1, view.zoom * factor));
    view.x = x - ((x - view.x) * view.zoom) / next;
    view.y = y - ((y - view.y) * view.zoom) / next;
    view.zoom = next;
    draw();
  }

  function repaint() {
    for (const name of PANES) maps[name] = coloured(model, name);
    draw();
  }

  function list() {
    const isolated = model.get("isolated"), two = model.get("other_size")[1] > 0;
    const names = two ? `${model.get("one_title")} (left) and ${model.get("other_title")} (right)` : model.get("one_title");
    shares.textContent = model.get("legend").length ? `Share of the pixels by class: ${names}` : "";
    legend.replaceChildren();
    for (const { name, colour, shares } of model.get("legend")) {
      const item = make(legend, "li");
      const button = make(item, "button", { type: "button", ariaPressed: String(isolated == name), title: "Show this class alone" });
      make(button, "span", { className: "mosaic-swatch" }).style.background = `rgb(${colour.join(",")})`;
      make(button, "span", { className: "mosaic-name", textContent: name });
      shares.forEach((share, index) => {
        if (index && !two) return;
        const bar = make(button, "span", { className: "mosaic-share" });
        make(bar, "span").style.width = `${100 * share}%`;
        make(button, "span", { className: "mosaic-percent", textContent: share ? `${(100 * share).toFixed(1)} %` : "\u2013" });
      });
      button.addEventListener("click", () => {
        model.set("isolated", model.get("isolated") == name ? "" : name);
        model.save_changes();
      });
    }
  }

  for (const name of PANES) {
    const { canvas } = panes[name];
    let drag = null;
    canvas.addEventListener("pointermove", (event) => {
      const here = point(event, canvas);
      if (drag) {
        view.x += drag[0] - here[0];
        view.y += drag[1] - here[1];
      } else view.pointer = here.map((value) => Math.min(0.999999, Math.max(0, value)));
      draw();
      tell();
    });
    canvas.addEventListener("pointerdown", (event) => {
      drag = point(event, canvas);
      canvas.setPointerCapture(event.pointerId);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (drag = null));
    canvas.addEventListener("pointerleave", () => {
      view.pointer = null;
      draw();
      tell();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), point(event, canvas));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => zoom(2, point(event, canvas)));
  }
  zoomIn.addEventListener("click", () => zoom(1.6));
  zoomOut.addEventListener("click", () => zoom(1 / 1.6));
  whole.addEventListener("click", () => zoom(0));
  opacity.addEventListener("input", () => {
    model.set("opacity", Number(opacity.value));
    draw();
  });
  opacity.addEventListener("change", () => model.save_changes());
  choose.addEventListener("click", () => file.click());
  file.addEventListener("change", () => file.files[0] && open(file.files[0]));
  el.addEventListener("dragover", (event) => event.preventDefault());
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });

  async function picture() {
    const content = bytes(model, "picture");
    photo = content.length ? await createImageBitmap(new Blob([content])) : null;
    Object.assign(view, { zoom: 1, x: 0, y: 0, pointer: null });
    layout();
    tell();
  }

  function classes() {
    repaint();
    list();
    layout();
    tell();
  }

  const follow = {
    "change:picture": picture,
    "change:version": classes,
    "change:isolated": () => { repaint(); list(); },
    "change:opacity": () => { opacity.value = model.get("opacity"); draw(); },
  };
  for (const [event, action] of Object.entries(follow)) model.on(event, action);
  opacity.value = model.get("opacity");
  const observer = new ResizeObserver(layout);
  observer.observe(el);
  classes();
  picture();
  return () => {
    observer.disconnect();
    closeCamera();
    for (const [event, action] of Object.entries(follow)) model.off(event, action);
  };
}

export default { render };
