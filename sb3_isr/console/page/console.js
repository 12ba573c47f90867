// The console: fetches questions, listens to the keyboard, and says what happens to answers.

import { Clip, pictureOf } from "/clip.js";
import { Outbox, Refused, ask } from "/outbox.js";
import { addToLog, drawSide, nothingToDo } from "/side.js";

const POLL_MS = 1000;
const $ = (id) => document.getElementById(id);
// The token has become a cookie: it need not stand in the address any more.
if (location.search) history.replaceState(null, "", location.pathname);

let state = null;         // what the console said last
let isConnected = false;
let lostBecause = "";
let isBusy = false;       // an undo is under way
let refusal = "";         // an answer that will never be saved
let nSaid = 0;            // answers (not skips) of this page that the state does not count yet
const done = new Set();   // questions answered on this page
const details = new Map(); // questions that were fetched, as promises
const drafts = new Map();  // marks of questions that were put aside
const clip = new Clip(() => {});
const outbox = new Outbox(drawAlarm, onSaved, onRefused);

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").hidden = true; }, 3500);
}

function drawAlarm() {
  const n = outbox.items.length;
  const parts = [];
  if (refusal) parts.push(`Not saved: ${refusal}`);
  if (n && outbox.problem) {
    parts.push(`NOT SAVED: ${n} answer${n > 1 ? "s" : ""} did not reach the disk (${outbox.problem}). ` +
      "They are kept in this page and sent again; leave it open.");
  } else if (state !== null && !isConnected) {
    parts.push(`The console does not answer (${lostBecause}). Start it again (sb3-isr console RUN): this page goes on ` +
      "by itself.");
  }
  $("alarm").textContent = parts.join(" ");
  $("alarm").hidden = parts.length === 0;
  $("connection").textContent = !isConnected ? "console does not answer"
    : n ? (outbox.problem ? `${n} not saved` : "saving…") : "all saved";
  $("connection").className = `pill ${isConnected && !outbox.problem ? "good" : "bad"}`;
}

const isSkip = (item) => item.rewards.every((reward) => reward === null);

function onSaved(item) {
  const n = item.rewards.filter((reward) => reward).length;
  const text = isSkip(item) ? "skipped" : n ? `${n} mark${n > 1 ? "s" : ""} saved` : "nothing there, saved";
  addToLog(text, isSkip(item) ? "skip" : "saved");
}

function onRefused(item, text) {
  refusal = text;
  done.delete(item.question);
  addToLog("not saved", "refused");
}

async function poll() {
  try {
    const answer = await ask("/api/state");
    state = answer;
    nSaid = outbox.items.filter((item) => !isSkip(item)).length;
    isConnected = true;
    outbox.open(state.mailbox);
    drawSide(state);
    await choose();
  } catch (error) {
    isConnected = false;
    lostBecause = error.message;
  }
  drawAlarm();
  setTimeout(poll, POLL_MS);
}

function detailsOf(id) {
  if (!details.has(id)) {
    const promise = ask(`/api/questions/${encodeURIComponent(id)}`).then((question) => {
      for (let position = 0; position < question.n_pictures; position += 1) new Image().src = pictureOf(question, position);
      return question;
    });
    promise.catch(() => details.delete(id));
    details.set(id, promise);
    if (details.size > 8) details.delete(details.keys().next().value);
  }
  return details.get(id);
}

const waiting = () => (state?.open ?? []).map((each) => each.id).filter((id) => !done.has(id));
const isUsedUp = () => state.status.budget !== undefined && state.n_answered + nSaid >= state.status.budget;

// Show the next question, unless the one that is shown is still open.
async function choose() {
  if (isBusy) return;
  const ids = waiting();
  const isWhole = state.open.length === state.n_open;
  const shown = clip.question?.id;
  if (shown !== undefined && !isUsedUp() && (ids.includes(shown) || (!isWhole && !done.has(shown)))) {
    drawWaiting(ids);
    return;
  }
  if (shown !== undefined && !done.has(shown) && !ids.includes(shown)) {
    toast("This question is not asked any more: it was too old, or somebody else answered it.");
  }
  if (ids.length === 0 || isUsedUp()) {
    clip.hide();
    const [title, text] = nothingToDo({ ...state, n_answered: state.n_answered + nSaid });
    $("nothing-title").textContent = title;
    $("nothing-text").textContent = text;
    $("reason").textContent = $("help-reason").textContent = "There is no question on the screen.";
    $("clip").hidden = true;
    $("nothing").hidden = false;
    return;
  }
  await show(ids[0]);
}

async function show(id, marks) {
  const request = (show.request = {});
  const question = await detailsOf(id);
  const isOld = show.request !== request || done.has(id);
  if (isOld || (clip.question?.id === id && marks === undefined)) return;
  $("clip").classList.remove("loading");
  $("reason").textContent = $("help-reason").textContent = question.reason || "No reason was given.";
  $("nothing").hidden = true;
  $("clip").hidden = false;
  clip.show(question, marks ?? drafts.get(id));
  drawWaiting(waiting());
  const next = waiting().find((other) => other !== id);
  if (next !== undefined) detailsOf(next).catch(() => {});
}

function drawWaiting(ids) {
  const others = ids.filter((id) => id !== clip.question?.id).length;
  $("waiting").textContent = others ? `${others} more waiting` : "the last one for now";
}

function answer(rewards) {
  const { id } = clip.question;
  refusal = "";
  done.add(id);
  drafts.delete(id);
  clip.hide();
  $("clip").classList.add("loading");
  const item = { question: id, rewards };
  if (!isSkip(item)) nSaid += 1;
  outbox.put(item);
  choose().catch(() => {});
}

function save() {
  const { praise = 1, reproach = -1 } = state.status;
  answer(clip.marks.map((mark) => (mark > 0 ? praise : mark < 0 ? reproach : 0)));
}

async function undo() {
  if (isBusy) return;
  if (!outbox.isEmpty) { toast("Wait until your last answer is saved, then undo it."); return; }
  isBusy = true;
  try {
    const undone = await ask("/api/undo", {});
    if (undone.question === null) {
      toast("There is nothing of yours to undo.");
      return;
    }
    if (clip.question) drafts.set(clip.question.id, clip.marks);
    done.delete(undone.question);
    refusal = "";
    state = await ask("/api/state");
    nSaid = 0;
    drawSide(state);
    await show(undone.question, undone.rewards.map((reward) => Math.sign(reward ?? 0)));
    addToLog("taken back", "undone");
    toast("Taken back. Change it and press Enter, or U again for the one before.");
  } catch (error) {
    refusal = `the undo failed (${error.message}); press U again`;
  } finally {
    isBusy = false;
    drawAlarm();
  }
}

async function later() {
  try {
    await ask("/api/later", {});
    toast("A training that waits for you goes on now. The questions stay here.");
  } catch (error) {
    refusal = `"later" was not heard (${error.message}); press L again`;
    drawAlarm();
  }
}

function toggleHelp() {
  if ($("help").open) $("help").close(); else { clip.pause(); $("help").showModal(); }
}

const ANYTIME = { "u": undo, "l": later, "r": toggleHelp, "?": toggleHelp };
const WITH_CLIP = {
  " ": () => (clip.isPlaying ? clip.pause() : clip.play()),
  "arrowleft": () => { clip.pause(); clip.go(clip.step - 1); },
  "arrowright": () => { clip.pause(); clip.go(clip.step + 1); },
  "home": () => { clip.pause(); clip.go(0); },
  "end": () => { clip.pause(); clip.go(Infinity); },
  "+": () => mark(1),
  "-": () => mark(-1),
  "backspace": () => { clip.pause(); clip.marks[clip.step] = 0; clip.draw(); },
  "enter": save,
  "s": () => answer(clip.marks.map(() => null)),
};
const SAME = { ",": "arrowleft", ".": "arrowright", "=": "+", "−": "-", "_": "-", "delete": "backspace" };

function mark(value) {
  if (!clip.mark(value)) toast("Paused. Go to the step that you mean, then mark it.");
}

function press(key) {
  const name = SAME[key.toLowerCase()] ?? key.toLowerCase();
  if ($("help").open) {
    if (["escape", "r", "?", "enter"].includes(name)) $("help").close();
    return true;
  }
  if (Object.hasOwn(ANYTIME, name)) { ANYTIME[name](); return true; }
  if (!Object.hasOwn(WITH_CLIP, name)) return false;
  if (clip.question && !isBusy) WITH_CLIP[name]();
  return true;
}

// On the window and before anything else: no focus takes the keys away.
window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const once = ["Enter", "s", "S", "u", "U", "l", "L", "+", "-"];
  if (event.repeat && once.includes(event.key)) { event.preventDefault(); return; }
  if (press(event.key)) { event.preventDefault(); event.stopPropagation(); }
}, true);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-key]");
  if (button) { button.blur(); press(button.dataset.key); }
});
window.addEventListener("beforeunload", (event) => { if (!outbox.isEmpty) event.preventDefault(); });
poll();
