// What stands beside the question: the budget, the learner's curve, what was done, and how it goes with the training.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const count = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;

export function drawSide(state) {
  const { status, n_answered: given } = state;
  const { budget } = status;
  $("run").textContent = state.mailbox;
  $("run").title = `${state.mailbox}, as ${state.by}`;
  $("n-answered").textContent = given;
  $("n-budget").textContent = budget === undefined ? "given" : `of ${budget}`;
  $("budget-bar").hidden = budget === undefined;
  $("budget-bar").firstElementChild.style.width = `${budget ? Math.min(100, (100 * given) / budget) : 0}%`;
  $("budget-bar").setAttribute("aria-valuenow", given);
  $("budget-bar").setAttribute("aria-valuemax", budget ?? given);
  const left = budget === undefined ? "" : `${count(Math.max(0, budget - given), "answer")} left; `;
  $("n-left").textContent = `${left}${count(state.n_open, "question")} waiting`;
  $("training").textContent = state.is_training
    ? (state.is_postponed ? "training goes on: later" : status.is_waiting ? "training waits for you" : "training runs")
    : "training is not running";
  $("training").className = `pill ${state.is_training ? "good" : "idle"}`;
  const { steps, total_steps: total } = status;
  $("steps").textContent = steps === undefined ? ""
    : `${steps.toLocaleString("en")}${total ? ` of ${total.toLocaleString("en")}` : ""} steps of practice`;
  $("curve-name").textContent = `The learner${status.curve_name ? `: ${status.curve_name}` : ""}`;
  drawCurve(state.progress);
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function drawCurve(points) {
  const svg = $("curve");
  if (points.length === 0) {
    svg.replaceChildren(element("text", { x: 140, y: 65, class: "empty" }, "no figures yet"));
    return;
  }
  const [left, right, top, bottom] = [34, 272, 26, 108];
  const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
  const [low, high] = [Math.min(0, ...ys), Math.max(0, ...ys)];
  const height = high - low || 1;
  const x = (value) => left + ((right - left) * (value - xs[0])) / (xs.at(-1) - xs[0] || 1);
  const y = (value) => bottom - ((bottom - top) * (value - low)) / height;
  const short = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
  const line = points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  svg.replaceChildren(
    element("line", { x1: left, x2: right, y1: y(0), y2: y(0), class: "axis" }),
    ...(high > 0 ? [element("text", { x: left - 6, y: y(high) + 4, class: "y" }, short(high))] : []),
    ...(low < 0 ? [element("text", { x: left - 6, y: y(low) + 4, class: "y" }, short(low))] : []),
    element("text", { x: left - 6, y: y(0) + 4, class: "y" }, "0"),
    element("text", { x: left, y: 126, class: "x" }, short(xs[0])),
    element("text", { x: right, y: 126, class: "x end" }, `${short(xs.at(-1))} steps`),
    element("polyline", { points: line, class: "curve" }),
    element("circle", { cx: x(xs.at(-1)), cy: y(ys.at(-1)), r: 3.5, class: "now" }),
    element("text", { x: Math.min(right - 2, x(xs.at(-1))), y: Math.max(12, y(ys.at(-1)) - 8), class: "x end now" },
      short(ys.at(-1))),
  );
}

// Why there is nothing on the screen: a title and a text.
export function nothingToDo(state) {
  const { status, n_answered: given, n_asked: asked } = state;
  const runs = state.is_training;
  if (status.budget !== undefined && given >= status.budget) {
    return ["That was all, thank you", `All ${count(given, "answer")} of the budget are given. ` + (runs
      ? "The learner goes on with what you taught it; the curve shows how it does. U takes an answer back."
      : "The training is not running; when it is started again, it learns from them.")];
  }
  if (!runs && asked === 0) {
    return ["No training has asked anything yet",
      `Start one with this mailbox, ${state.mailbox}: its questions appear here by themselves.`];
  }
  if (!runs) {
    return ["The training is not running", `${count(given, "answer")} of yours are saved. Start the training again, ` +
      "and it goes on from them; its questions appear here by themselves."];
  }
  return ["Nothing to answer right now", `${status.state ?? "The learner is practising"}` +
    ". The next question appears here by itself."];
}

export function addToLog(text, kind) {
  const item = document.createElement("li");
  item.textContent = text;
  item.className = kind ?? "";
  $("log").prepend(item);
  while ($("log").children.length > 6) $("log").lastChild.remove();
}
