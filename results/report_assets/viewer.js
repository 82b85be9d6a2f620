"use strict";
/* A structure that turns. The WebGL context is made when the viewer is first seen. */

const TURN = 10; // degrees per key

function hasWebgl() {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2") || canvas.getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers allow few of them
  return Boolean(context);
}

function asXyz(image) {
  const elements = image.e.split(" ");
  const lines = elements.map((symbol, i) => `${symbol} ${image.x.slice(3 * i, 3 * i + 3).join(" ")}`);
  return `${elements.length}\n\n${lines.join("\n")}\n`;
}

class StructureViewer {
  constructor(box, canTurn) {
    this.box = box;
    this.stage = box.querySelector(".stage");
    this.words = box.querySelector(".viewer-words");
    this.image = null;
    this.viewer = null;
    this.withCell = true;
    this.canTurn = canTurn;
    if (!canTurn) {
      box.classList.add("no-webgl");
      this.stage.removeAttribute("tabindex");
      this.stage.setAttribute("role", "img");
      box.querySelector(".hint").textContent =
        "This browser offers no WebGL, so nothing turns; the still pictures show the models.";
      return;
    }
    this.listen();
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      this.start();
    }).observe(this.stage);
  }

  listen() {
    const steps = {
      ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
      "+": "in", "=": "in", "-": "out", 0: "reset", c: "cell",
    };
    this.stage.addEventListener("keydown", (event) => {
      if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.step(steps[event.key]);
    });
    for (const button of this.box.querySelectorAll("[data-turn]")) {
      button.addEventListener("click", () => this.step(button.dataset.turn));
    }
    // The wheel scrolls the page until the viewer was chosen; without this, one is caught in it.
    this.stage.addEventListener("wheel", (event) => {
      if (document.activeElement !== this.stage) event.stopPropagation();
    }, { capture: true, passive: true });
    this.stage.addEventListener("pointerdown", () => this.stage.focus({ preventScroll: true }));
    window.addEventListener("beforeprint", () => this.keepStill());
    new ResizeObserver(() => this.viewer?.resize()).observe(this.stage);
  }

  start() {
    if (this.viewer || !this.canTurn) return;
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    this.viewer = $3Dmol.createViewer(this.stage, {
      backgroundColor: dark ? "#1b1d21" : "#ffffff",
      antialias: true,
      disableFog: true,
    });
    this.stage.querySelector("canvas")?.setAttribute("aria-hidden", "true");
    if (this.image) this.draw(true);
  }

  /* Show a structure; keep the view where it is another image of the same one. */
  show(image, name, keepView = false) {
    this.image = image;
    this.words.textContent = `${name}: ${image.w}`;
    if (this.viewer) this.draw(!keepView);
  }

  draw(anew) {
    const viewer = this.viewer;
    viewer.removeAllModels();
    viewer.removeAllShapes();
    const model = viewer.addModel(asXyz(this.image), "xyz");
    viewer.setStyle({}, {
      stick: { radius: 0.1, colorscheme: "Jmol" },
      sphere: { scale: 0.28, colorscheme: "Jmol" },
    });
    const cell = this.image.c;
    if (cell.length) {
      // 3Dmol.js takes a matrix whose columns are the lattice vectors.
      const [a, b, c] = [cell.slice(0, 3), cell.slice(3, 6), cell.slice(6, 9)];
      model.setCrystMatrix(
        new $3Dmol.Matrix3(a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]),
      );
      if (this.withCell) viewer.addUnitCell(model, { box: { color: "#7a7f87" } });
    }
    if (anew) this.reset();
    viewer.render();
  }

  reset() {
    this.viewer.setView([0, 0, 0, 0, 0, 0, 0, 1]);
    this.viewer.zoomTo();
    if (this.image.c.length) this.viewer.rotate(-85, "x"); // the layers lie flat, seen from the side
    this.viewer.render();
  }

  step(what) {
    this.start();
    const turns = { left: [0, -TURN], right: [0, TURN], up: [-TURN, 0], down: [TURN, 0] };
    if (what in turns) this.turn(...turns[what]);
    else if (what === "in") this.viewer.zoom(1.2);
    else if (what === "out") this.viewer.zoom(1 / 1.2);
    else if (what === "reset") this.reset();
    else if (what === "cell") {
      this.withCell = !this.withCell;
      this.box.querySelector("[data-turn=cell]").setAttribute("aria-pressed", this.withCell);
      this.draw(false);
    }
    this.viewer.render();
  }

  /* Turn about the axes of the screen, in degrees: 3Dmol.js' own "vx" and "vy" drift once turned. */
  turn(aboutX, aboutY) {
    const half = ((aboutX || aboutY) * Math.PI) / 360;
    const [s, w] = [Math.sin(half), Math.cos(half)];
    const [x, y] = aboutX ? [s, 0] : [0, s];
    const view = this.viewer.getView();
    const [a, b, c, d] = view.slice(4);
    const turned = [
      w * a + x * d + y * c,
      w * b + y * d - x * c,
      w * c + x * b - y * a,
      w * d - x * a - y * b,
    ];
    this.viewer.setView([...view.slice(0, 4), ...turned]);
  }

  /* Paper gets the view as it is on the screen. */
  keepStill() {
    if (!this.viewer) return;
    const still = this.box.querySelector(".viewer-still");
    still.src = this.viewer.pngURI();
    still.alt = this.words.textContent;
    still.hidden = false;
  }
}

function startModels(structures, canTurn) {
  const box = document.querySelector("[data-viewer=models]");
  const choice = document.getElementById("model-choice");
  if (!box || !choice.options.length) return;
  const viewer = new StructureViewer(box, canTurn);
  const slider = document.getElementById("model-image");
  const show = (keepView) => {
    const entry = structures[choice.value];
    const last = entry.images.length - 1;
    slider.max = last;
    slider.parentElement.hidden = last === 0;
    const i = Math.min(Number(slider.value), last);
    const name = last ? `${entry.name}, image ${i} of ${last}` : entry.name;
    viewer.show(entry.images[i], name, keepView);
  };
  choice.addEventListener("change", () => {
    slider.value = 0;
    show(false);
  });
  slider.addEventListener("input", () => show(true));
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      choice.value = button.dataset.show;
      slider.value = 0;
      show(false);
      viewer.start();
      box.scrollIntoView({ block: "center", behavior: "instant" });
      viewer.stage.focus({ preventScroll: true });
    });
  }
  show(false);
}
