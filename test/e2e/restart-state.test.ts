/**
 * What an earlier build has handed over is read by this one. `restart-state.bin` is the memory file that build 67f4da3
 * left to the next image: a shell that runs (it had printed `before-the-update`), one that ended with 7, and a command
 * that ended with 5 and whose opener was gone.
 */
import { expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stream } from "../../src/protocol/v2/frames.ts";
import { BuiltAgent } from "../support/built-agent.ts";
import { V2Opener } from "../support/v2-opener.ts";
import { until } from "../support/wait.ts";

const STORED = join(import.meta.dir, "restart-state.bin");
const EARLIER = join(import.meta.dir, "../support/earlier-image.ts");
/** Of the stored state. */
const TYPED_BYTES = 47;
const OVER = "1b4858f6-bd00-4d9b-bd2b-317f59d33eb9";
const RUN = "c7fe2033-b1b8-44b1-82d9-3c98214030a2";
const VIEWER = "f3ac238b-7c23-4bf1-88f3-7fdebb657b02";

test("an earlier build's shells and commands go on in this one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-state-"));
  try {
    const state = join(folder, "state");
    copyFileSync(STORED, state);
    await using opener = new V2Opener();
    await using agent = new BuiltAgent(opener, {}, {}, [process.execPath, EARLIER, state]);
    await until(
      () => agent.log.includes("1 shell and 1 command kept"),
      10_000,
      () => `the state to be read; the agent says:\n${agent.log}`,
    );
    await opener.connected();

    const kept = opener.attach("kept", { viewer: VIEWER, cursor: 0 });
    expect(await opener.answered(kept)).toMatchObject({ created: false, input: TYPED_BYTES, starts: [0, 0] });
    await opener.printed(kept, "before-the-update");
    opener.type(kept, TYPED_BYTES, "echo still''here; exit 9\r");
    await opener.printed(kept, "stillhere");
    expect(await until(() => kept.ended, 5_000, "its end")).toMatchObject({ exit_code: 9 });

    const over = opener.attach("over", { instance: OVER, cursor: 0 });
    expect(await until(() => over.ended, 5_000, "the end again")).toMatchObject({ exit_code: 7 });
    expect(over.out.text).toContain("goodbye");

    const run = opener.run(RUN, "", { resume: true });
    expect(await until(() => run.ended, 5_000, "the end of the command")).toMatchObject({ exit_code: 5 });
    expect([run.out.text, run.outputs[Stream.stderr]?.text]).toEqual(["begun\ndone\n", "said\n"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
