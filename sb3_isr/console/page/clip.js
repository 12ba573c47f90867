// The question on the screen: its steps, the pictures before and after each, and the marks.

const FRAME_MS = 160;
const MAX_THUMBNAILS = 48;
const $ = (id) => document.getElementById(id);

export const pictureOf = (question, position) =>
  `/api/questions/${encodeURIComponent(question.id)}/pictures/${position}`;

export class Clip {
  constructor(onChange) {
    this.onChange = onChange;
    this.question = null;
    this.timer = null;
    $("timeline").addEventListener("click", (event) => {
      const cell = event.target.closest("li");
      if (cell) { this.pause(); this.go([...cell.parentNode.children].indexOf(cell)); }
    });
  }

  // Show a question, with marks (one of 1, -1, 0 for each step).
  show(question, marks) {
    this.pause();
    this.question = question;
    this.marks = marks ?? new Array(question.n_steps).fill(0);
    this.step = 0;
    const hasPictures = question.n_pictures > 0;
    const isLong = question.n_steps > MAX_THUMBNAILS;
    $("timeline").className = isLong ? "bars" : hasPictures ? "pictures" : "numbers";
    $("timeline").replaceChildren(...this.marks.map((_, step) => {
      const cell = document.createElement("li");
      if (hasPictures && !isLong) {
        const image = new Image();
        image.src = pictureOf(question, step + 1);
        image.alt = "";
        cell.append(image);
      }
      const label = document.createElement("span");
      label.textContent = step + 1;
      cell.append(label);
      return cell;
    }));
    this.draw();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (hasPictures && !calm && !marks) this.play();
  }

  hide() { this.pause(); this.question = null; }

  get isPlaying() { return this.timer !== null; }

  play() {
    if (this.isPlaying) return;
    if (this.step === this.question.n_steps - 1) this.step = 0;
    this.timer = setInterval(() => {
      if (this.step >= this.question.n_steps - 1) this.pause();
      else this.go(this.step + 1);
    }, FRAME_MS);
    this.draw();
  }

  pause() {
    if (!this.isPlaying) return;
    clearInterval(this.timer);
    this.timer = null;
    if (this.question) this.draw();
  }

  go(step) {
    this.step = Math.max(0, Math.min(this.question.n_steps - 1, step));
    this.draw();
  }

  // Mark this step, or take the same mark off. While it plays nobody can say which step was meant: then it only pauses.
  mark(value) {
    if (this.isPlaying) {
      this.pause();
      return false;
    }
    this.marks[this.step] = this.marks[this.step] === value ? 0 : value;
    this.draw();
    return true;
  }

  draw() {
    const { question, step, marks } = this;
    $("step-title").textContent = `Step ${step + 1} of ${question.n_steps}`;
    $("action-name").textContent = question.actions[step];
    this.drawView("before", step);
    this.drawView("after", step + 1);
    const kind = (mark) => (mark > 0 ? "praise" : mark < 0 ? "reproach" : "");
    $("after").className = kind(marks[step]);
    [...$("timeline").children].forEach((cell, i) => {
      cell.className = `${kind(marks[i])} ${i === step ? "current" : ""}`;
      if (i === step) cell.setAttribute("aria-current", "step"); else cell.removeAttribute("aria-current");
    });
    const ended = question.terminated[step] ? " The episode ends with it." : "";
    $("verdict").textContent = { 1: "+ You praise this step.", "-1": "− You reproach this step." }[marks[step]] ?? ended;
    $("verdict").className = kind(marks[step]);
    const n = marks.filter((mark) => mark !== 0).length;
    $("enter-label").textContent = n ? `${n} mark${n > 1 ? "s" : ""}, rest nothing` : "Nothing, next";
    $("play-label").textContent = this.isPlaying ? "Pause" : "Play";
    this.onChange();
  }

  drawView(id, position) {
    const view = $(id).querySelector(".view");
    if (this.question.n_pictures > 0) {
      const source = pictureOf(this.question, position);
      let image = view.querySelector("img");
      if (!image) {
        image = new Image();
        view.replaceChildren(image);
      }
      if (image.getAttribute("src") !== source) image.src = source;
      image.alt = `What was seen ${id} step ${this.step + 1}`;
      return;
    }
    const numbers = this.question.numbers[id === "before" ? 0 : 1][this.step];
    const list = document.createElement("ol");
    list.append(...numbers.map((number) => {
      const item = document.createElement("li");
      item.textContent = number;
      return item;
    }));
    view.replaceChildren(list);
  }
}
