/** Asks `/health` again and again on a thread of its own, so that a busy test does not look like a busy gateway. */
declare const self: Worker;

/** Between two questions, ms. */
const EVERY_MS = 5;

let longest = 0;
let answers = 0;
let askedAt = 0;

self.onmessage = ({ data }: MessageEvent<{ url: string } | "report">) => {
  if (data === "report") {
    // A question that still waits counts with the time that it has waited.
    self.postMessage({ longest: Math.max(longest, performance.now() - askedAt), answers });
    longest = 0;
    answers = 0;
  } else void ask(data.url);
};

async function ask(url: string): Promise<never> {
  for (;;) {
    askedAt = performance.now();
    await fetch(`${url}/health`)
      .then((response) => response.text())
      .then(() => {
        answers += 1;
      })
      .catch(() => {});
    longest = Math.max(longest, performance.now() - askedAt);
    await Bun.sleep(EVERY_MS);
    askedAt = performance.now();
  }
}
