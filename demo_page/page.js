import * as ort from "./ort.wasm.bundle.min.mjs";
import { SIDE, preprocess } from "./preprocess.js";

const PEN = 22; // pixels of the drawing
const MOST_NEURONS = 256; // shown of a layer
const NEURONS_IN_A_ROW = 32;
const CELL = 5; // pixels of a picture to a neuron, the gap to the next one included
const SPIKING = "#ffb02e";
const SILENT = "#242936";

const $ = (id) => document.getElementById(id);
const drawing = $("drawing");
const pen = drawing.getContext("2d", { willReadFrequently: true });
let changed = true;

function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function percent(part) {
  return `${(100 * part).toFixed(0)} %`;
}

// The drawing

function clear() {
  pen.fillStyle = "black";
  pen.fillRect(0, 0, drawing.width, drawing.height);
  changed = true;
}

function drawWithPointer() {
  let last = null;
  const line = (event) => {
    const scale = drawing.width / drawing.clientWidth;
    const at = [event.offsetX * scale, event.offsetY * scale];
    pen.beginPath();
    pen.moveTo(...(last ?? at));
    pen.lineTo(...at);
    pen.stroke();
    last = at;
    changed = true;
  };
  Object.assign(pen, { strokeStyle: "white", lineWidth: PEN, lineCap: "round" });
  drawing.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    drawing.setPointerCapture(event.pointerId);
    line(event);
  });
  drawing.addEventListener("pointermove", (event) => {
    if (event.isPrimary && last) line(event);
  });
  drawing.addEventListener("lostpointercapture", () => (last = null));
  $("clear").addEventListener("click", clear);
}

/** The stimulus drawn so far, or null. */
function drawn() {
  const { data, width, height } = pen.getImageData(0, 0, drawing.width, drawing.height);
  const ink = Float32Array.from({ length: width * height }, (_, i) => data[4 * i] / 255);
  return preprocess(ink, width, height);
}

/** Show what the network sees, or nothing. */
function showStimulus(stimulus) {
  const image = new ImageData(SIDE, SIDE);
  stimulus?.forEach((value, i) => image.data.set([255, 255, 255, 255 * value], 4 * i));
  $("stimulus").getContext("2d").putImageData(image, 0, 0);
}

// What the network makes of it. Each of these prepares its part of the page, and gives a function that
// shows what there is to show, or nothing.

function decisionOf(labels) {
  const bars = labels.map((label) => {
    const [bar, filled, share] = [element("span", "", { className: "bar" }), element("span"), element("span")];
    const row = element("li");
    bar.append(filled);
    share.className = "share";
    row.append(element("span", label), bar, share);
    $("scores").append(row);
    return { filled, share };
  });
  let before;
  return (scores, decided) => {
    bars.forEach(({ filled, share }, i) => {
      filled.style.width = `${100 * (scores?.[i] ?? 0)}%`;
      share.textContent = percent(scores?.[i] ?? 0);
    });
    if (decided === before) return; // a screen reader speaks what is written anew
    before = decided;
    $("decision").replaceChildren(...(decided === null ? ["Draw a digit."] : reading(labels[decided])));
  };
}

function reading(label) {
  return ["It reads ", element("strong", label)];
}

function recallOf(labels, recalled) {
  const [image, caption] = $("recall").children;
  return (decided) => {
    $("recall").hidden = decided === null;
    if (decided === null || image.getAttribute("src") === recalled[decided]) return;
    image.src = recalled[decided];
    caption.textContent = image.alt = `what the network recalls of ${labels[decided]}`;
  };
}

/** One picture for each layer and time step, of neurons that are spread evenly over the layer. */
function spikesOf(layers, trains) {
  const steps = trains[0].dims[1];
  const head = $("spikes").tHead.insertRow();
  for (let t = 1; t <= steps; t++) head.append(element("th", `Step ${t}`, { scope: "col" }));
  const pictures = layers.map((layer, i) => {
    const neurons = trains[i].data.length / steps;
    const shown = Math.min(neurons, MOST_NEURONS);
    const body = $("spikes").createTBody();
    const name = element("th", `${layer} `, { scope: "rowgroup", colSpan: steps });
    name.append(element("small", `${neurons.toLocaleString("en")} neurons`));
    body.insertRow().append(name);
    const row = body.insertRow();
    return Array.from({ length: steps }, () => {
      const [width, height] = [NEURONS_IN_A_ROW * CELL, Math.ceil(shown / NEURONS_IN_A_ROW) * CELL];
      const [picture, share] = [element("canvas", "", { width, height, role: "img" }), element("small")];
      row.insertCell().append(picture, share);
      return { layer, neurons, shown, picture, share };
    });
  });
  $("legend").textContent =
    `Between layers only spikes pass. Each dot is a neuron, bright where it spikes in that step; of a large ` +
    `layer ${MOST_NEURONS} neurons are shown.`;
  return (trains) => {
    pictures.forEach((row, i) =>
      row.forEach(({ layer, neurons, shown, picture, share }, t) => {
        const train = trains?.[i].data.subarray(t * neurons, (t + 1) * neurons);
        const rate = train ? train.reduce((sum, spike) => sum + spike, 0) / neurons : 0;
        const context = picture.getContext("2d");
        for (let dot = 0; dot < shown; dot++) {
          const [x, y] = [dot % NEURONS_IN_A_ROW, Math.floor(dot / NEURONS_IN_A_ROW)];
          context.fillStyle = train?.[Math.floor((dot * neurons) / shown)] ? SPIKING : SILENT;
          context.fillRect(x * CELL, y * CELL, CELL - 1, CELL - 1);
        }
        picture.ariaLabel = `${layer}, step ${t + 1}: ${percent(rate)} of the neurons spike`;
        share.textContent = percent(rate);
      }),
    );
  };
}

async function start() {
  const about = await (await fetch("network.json")).json();
  ort.env.wasm.numThreads = 1; // more need headers that a plain file server doesn't send
  const session = await ort.InferenceSession.create("network.onnx");
  const outputs = session.outputNames.filter((name) => name.startsWith("spikes/"));
  const layers = outputs.map((name) => name.slice("spikes/".length));
  const see = async (stimulus) => {
    const given = await session.run({ stimulus: new ort.Tensor("float32", stimulus, [1, SIDE, SIDE, 1]) });
    return { scores: [...given.scores.data], trains: outputs.map((name) => given[name]) };
  };
  const showDecision = decisionOf(about.labels);
  const showRecall = recallOf(about.labels, about.recalled);
  const showSpikes = spikesOf(layers, (await see(new Float32Array(SIDE * SIDE))).trains);
  $("network").textContent = about.description;

  const look = async () => {
    if (changed) {
      changed = false;
      const stimulus = drawn();
      const { scores, trains } = stimulus ? await see(stimulus) : {};
      const decided = scores ? scores.indexOf(Math.max(...scores)) : null;
      showStimulus(stimulus);
      showDecision(scores, decided);
      showRecall(decided);
      showSpikes(trains);
    }
    requestAnimationFrame(look);
  };
  look();
}

clear();
drawWithPointer();
start().catch((error) => {
  $("decision").textContent = `The network cannot run here: ${error.message}`;
  throw error;
});
