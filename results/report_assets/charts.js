"use strict";
/* Plots that can be read off: densities of states, and hops whose images can be chosen. */

// Okabe and Ito's colours, distinguishable without colour vision; the first is for the total.
const COLOURS = ["#5f6368", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"];

function inkOf(element) {
  return getComputedStyle(element).color;
}

function axis(label, element) {
  const ink = inkOf(element);
  const lines = { stroke: "rgba(128,128,128,0.3)", width: 1 };
  return { label, stroke: ink, grid: lines, ticks: lines, font: "12px sans-serif", labelFont: "12px sans-serif" };
}

function widthOf(element) {
  return Math.max(260, Math.min(720, element.clientWidth));
}

/* Left and right move the cursor, + and - zoom about it, 0 shows everything. */
function addKeys(box, plot, x, words) {
  const whole = [x[0], x[x.length - 1]];
  let index = Math.floor(x.length / 2);
  const zoom = (factor) => {
    const { min, max } = plot.scales.x;
    const half = ((max - min) * factor) / 2;
    const low = Math.max(whole[0], x[index] - half);
    plot.setScale("x", { min: low, max: Math.min(whole[1], low + 2 * half) });
  };
  const actions = {
    ArrowLeft: () => { index = Math.max(0, index - 1); },
    ArrowRight: () => { index = Math.min(x.length - 1, index + 1); },
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    0: () => plot.setScale("x", { min: whole[0], max: whole[1] }),
  };
  box.tabIndex = 0;
  box.addEventListener("keydown", (event) => {
    if (!(event.key in actions) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
    plot.setCursor({ left: plot.valToPos(x[index], "x"), top: plot.over.clientHeight / 2 });
    if (event.key.startsWith("Arrow")) words.textContent = wordsAt(plot, index);
  });
}

function wordsAt(plot, index) {
  const parts = plot.series.map((series, i) => `${series.label} ${plot.data[i][index] ?? "none"}`);
  return parts.join(", ");
}

function drawDos(panel, holder) {
  const box = document.createElement("div");
  box.className = "panel";
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", `Density of states of ${panel.title}`);
  const words = document.createElement("p");
  words.className = "hint";
  words.setAttribute("aria-live", "polite");
  holder.append(box, words);
  const series = panel.series.map((one, i) => ({
    label: one.name,
    stroke: COLOURS[i % COLOURS.length],
    width: i ? 1.5 : 1,
    pxAlign: 0,
    dash: i < COLOURS.length ? [] : [4, 3],
    fill: one.name === "total" ? "rgba(128,128,128,0.15)" : undefined,
    points: { show: false },
  }));
  const plot = new uPlot(
    {
      title: panel.title,
      width: widthOf(holder),
      height: 260,
      scales: { x: { time: false } },
      axes: [axis(`${panel.zero} (eV)`, box), axis(panel.unit, box)],
      series: [{ label: "energy (eV)" }, ...series],
      cursor: { drag: { x: true, y: false } },
    },
    [panel.x, ...panel.series.map((one) => one.y)],
    box,
  );
  addKeys(box, plot, panel.x, words);
  new ResizeObserver(() => plot.setSize({ width: widthOf(holder), height: 260 })).observe(holder);
}

function startDos(dos) {
  for (const part of document.querySelectorAll("details[data-dos]")) {
    part.addEventListener(
      "toggle",
      () => {
        const holder = part.querySelector(".panels");
        for (const panel of dos[part.dataset.dos]) drawDos(panel, holder);
      },
      { once: true },
    );
  }
}

class BandPlot {
  constructor(bands, structures, canTurn) {
    this.bands = bands;
    this.structures = structures;
    this.chart = document.querySelector(".band-chart");
    this.buttons = document.querySelector(".band-images");
    this.words = document.querySelector(".band-words");
    this.viewer = new StructureViewer(document.querySelector("[data-viewer=hops]"), canTurn);
    this.plot = null;
    new ResizeObserver(() => {
      this.plot?.setSize({ width: widthOf(this.chart), height: 300 });
    }).observe(this.chart);
  }

  /* Draw a band; its highest image is chosen, for that is what one wants to see. */
  show(number) {
    this.band = this.bands[number];
    const band = this.band;
    const at = new Map(band.path.map((x, i) => [x, band.energies[i]]));
    const curve = new Map(band.curve_path.map((x, i) => [x, band.curve_energies[i]]));
    const x = Array.from(new Set([...at.keys(), ...curve.keys()])).sort((a, b) => a - b);
    const data = [x, x.map((v) => curve.get(v) ?? null), x.map((v) => at.get(v) ?? null)];
    this.plot?.destroy();
    this.plot = new uPlot(this.options(band), data, this.chart);
    this.buttons.replaceChildren(...band.path.map((_, i) => this.button(i)));
    this.choose(band.energies.indexOf(Math.max(...band.energies)), false);
  }

  options(band) {
    const solid = band.status === "ok";
    return {
      width: widthOf(this.chart),
      height: 300,
      scales: { x: { time: false } },
      legend: { show: false },
      axes: [axis("path (Å)", this.chart), axis("energy (eV)", this.chart)],
      series: [
        { label: "path (Å)" },
        { label: "spline (eV)", stroke: COLOURS[1], width: 1.5, pxAlign: 0, spanGaps: true, dash: solid ? [] : [6, 4], points: { show: false } },
        { label: "images (eV)", stroke: COLOURS[2], paths: () => null, points: { show: true, size: 9, fill: solid ? COLOURS[2] : "transparent" } },
      ],
      cursor: { drag: { x: false, y: false } },
      hooks: {
        ready: [(plot) => plot.over.addEventListener("click", (event) => this.clicked(plot, event))],
        draw: [(plot) => this.ring(plot)],
      },
    };
  }

  button(i) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `image ${i}`;
    button.addEventListener("click", () => this.choose(i, true));
    return button;
  }

  clicked(plot, event) {
    const x = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    const distances = this.band.path.map((value) => Math.abs(value - x));
    this.choose(distances.indexOf(Math.min(...distances)), true);
  }

  choose(i, keepView) {
    this.chosen = i;
    const { band } = this;
    for (const [j, button] of Array.from(this.buttons.children).entries()) {
      button.setAttribute("aria-pressed", j === i);
    }
    const what = `${band.model}, ${band.label}, image ${i} of ${band.path.length - 1}`;
    this.words.textContent = `${what}: ${band.energies[i].toFixed(3)} eV at ${band.path[i].toFixed(2)} Å`;
    const image = this.structures[band.key]?.images[i];
    if (image) this.viewer.show(image, what, keepView);
    this.plot.redraw(false);
  }

  ring(plot) {
    const { band, chosen } = this;
    if (chosen === undefined || chosen >= band.path.length) return;
    const context = plot.ctx;
    context.save();
    context.beginPath();
    context.arc(plot.valToPos(band.path[chosen], "x", true), plot.valToPos(band.energies[chosen], "y", true), 9 * devicePixelRatio, 0, 2 * Math.PI);
    context.lineWidth = 2 * devicePixelRatio;
    context.strokeStyle = inkOf(this.chart);
    context.stroke();
    context.restore();
  }
}

function startBands(bands, structures, canTurn) {
  const choice = document.getElementById("band-choice");
  if (!choice) return;
  const plot = new BandPlot(bands, structures, canTurn);
  choice.addEventListener("change", () => plot.show(Number(choice.value)));
  plot.show(0);
}
