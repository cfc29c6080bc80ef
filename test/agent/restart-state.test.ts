/** What survives a restart in place: a field that is forgotten fails here or in the type checker. */
import { beforeAll, describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { type Survivors, survivorsIn, typeErrorsWith } from "../support/survivors.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const SCHEMA = "src/agent/restart/schema.ts";

let sources: Record<string, string>;
let found: Survivors;
beforeAll(async () => {
  const names = [...new Glob("src/agent/{sessions,commands,v1}/*.ts").scanSync({ cwd: ROOT })];
  const texts = await Promise.all(names.map((name) => Bun.file(`${ROOT}${name}`).text()));
  sources = Object.fromEntries(names.map((name, index) => [name, texts[index] ?? ""]));
  found = await survivorsIn(sources);
});

/** A copy of a source with one place in it changed. */
function changed(text: string, from: string | RegExp, to: string): string {
  const copy = text.replace(from, to);
  expect(copy).not.toBe(text);
  return copy;
}

describe("a field of what survives a restart", () => {
  test("is saved and restored, or says why it may be lost", () => {
    expect(found.lost).toEqual([]);
    const expected = [
      "Session",
      "SessionInput",
      "InputStream",
      "V1Feed",
      "Pace",
      "Run",
      "RunInput",
      "RunStream",
    ];
    expect(found.classes).toEqual(expect.arrayContaining(expected));
  });

  test("is missed by its name where it is new and forgotten, in each class", async () => {
    const copies = Object.entries(sources).map(([name, text]) => {
      return [name, text.replaceAll(/^(?:export )?class \w+ .*\{$/gm, "$&\n  #forgotten = 0;\n")] as const;
    });
    const { lost } = await survivorsIn(Object.fromEntries(copies));
    const missed = found.classes.map((name) => expect.stringContaining(`: ${name}.#forgotten is not saved`));
    expect(missed.length).toBeGreaterThan(10);
    expect(lost).toEqual(missed);
  });

  test.each([
    ["src/agent/sessions/session-manager.ts", /for \(const id of again\).*\n/, "SessionManager.#again"],
    ["src/agent/sessions/session.ts", "this.watchedAt = now - unwatchedMs;", "Session.watchedAt"],
    ["src/agent/commands/run-stream.ts", "this.#limit = limit;", "RunStream.#limit"],
    [
      "src/agent/sessions/input-streams.ts",
      "this.#receiver = new StreamReceiver(accepted);",
      "InputStream.#receiver",
    ],
  ])("is missed where it is saved and no longer restored (%s)", async (name, statement, field) => {
    const { lost } = await survivorsIn({ [name]: changed(sources[name] ?? "", statement, "") });
    expect(lost).toEqual([`${name}: ${field} is saved and not restored`]);
  });

  test("needs a reason to be transient", async () => {
    const name = "src/agent/v1/feed.ts";
    const { lost } = await survivorsIn({
      [name]: changed(sources[name] ?? "", / @transient of one conn\w+/, " @transient"),
    });
    expect(lost).toEqual([expect.stringContaining("V1Feed.#isHeld is not saved")]);
  });
});

test.each([
  ["savedSession", "src/agent/sessions/session.ts"],
  ["savedSessions", "src/agent/sessions/session-manager.ts"],
  ["savedRun", "src/agent/commands/run.ts"],
  ["savedStream", "src/agent/commands/run-stream.ts"],
])(
  "a field of the schema %s, optional as it must be, that no class has is a type error in %s",
  async (schema, file) => {
    const text = await Bun.file(`${ROOT}${SCHEMA}`).text();
    const copy = changed(text, `const ${schema} = z.object({`, "$&\n  forgotten: z.optional(z.string()),");
    const errors = await typeErrorsWith({ [SCHEMA]: copy }, [file]);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toContain("forgotten");
  },
);
