// Answers on their way to the disk. They are sent one after the other, and kept until the console says that they are
// saved: through a console that is down, and through a closed browser.

const RETRY_AFTER = 1000;

export class Refused extends Error {}

// Ask the console for something. A refusal (it will not change by asking again) is a Refused.
export async function ask(path, content) {
  const options = content === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  };
  const response = await fetch(path, { ...options, signal: AbortSignal.timeout(15000) });
  if (response.ok) return response.json();
  const text = await response.text();
  let reason = text;
  try { reason = JSON.parse(text).error; } catch { /* it was plain text */ }
  throw response.status < 500 && response.status !== 401
    ? new Refused(reason) : new Error(reason || `status ${response.status}`);
}

export class Outbox {
  // onChange() after each change; onSaved(item) when an answer is on the disk; onRefused(item, text) when it never will.
  constructor(onChange, onSaved, onRefused) {
    Object.assign(this, { onChange, onSaved, onRefused, items: [], problem: "", isSending: false, name: null });
  }

  // Answers that an earlier page of this mailbox could not save are sent now.
  open(mailbox) {
    if (this.name !== null) return;
    this.name = `sb3-isr outbox ${mailbox}`;
    try { this.items = JSON.parse(localStorage.getItem(this.name) ?? "[]").concat(this.items); } catch { /* none */ }
    this.send();
  }

  get isEmpty() { return this.items.length === 0; }

  put(item) {
    this.items.push(item);
    this.keep();
    this.send();
  }

  keep() {
    try {
      if (this.name !== null) localStorage.setItem(this.name, JSON.stringify(this.items));
    } catch { /* a browser without storage keeps them in the page alone */ }
    this.onChange();
  }

  async send() {
    if (this.isSending) return;
    this.isSending = true;
    while (!this.isEmpty) {
      const item = this.items[0];
      let saved = false, refusal = null;
      try {
        await ask("/api/answers", { question: item.question, rewards: item.rewards });
        saved = true;
      } catch (error) {
        if (error instanceof Refused) refusal = error.message;
        else this.problem = error.message;
      }
      if (saved || refusal !== null) {
        this.items.shift();
        this.problem = "";
        if (saved) this.onSaved(item); else this.onRefused(item, refusal);
        this.keep();
      } else {
        this.onChange();
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER));
      }
    }
    this.isSending = false;
  }
}
