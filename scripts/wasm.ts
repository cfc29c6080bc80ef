/** Assembles `escape.wat`: run it after a change of that file. */
import { join } from "node:path";
import wabt from "wabt";

const FOLDER = join(import.meta.dir, "..", "src", "gateway", "recordings");

/** The module's bytes, made from its source. */
export async function assembled(): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  const source = await Bun.file(join(FOLDER, "escape.wat")).text();
  const module = parseWat("escape.wat", source, { simd: true });
  module.validate();
  return module.toBinary({}).buffer;
}

if (import.meta.main) {
  const text = Buffer.from(await assembled()).toString("base64");
  const lines = (text.match(/.{1,100}/g) ?? []).map((line) => `  "${line}"`);
  await Bun.write(
    join(FOLDER, "escape-wasm.ts"),
    `/** \`escape.wat\`, assembled: \`bun scripts/wasm.ts\` writes this file, and a test compares the two. */\nexport const ESCAPE_WASM =\n${lines.join(" +\n")};\n`,
  );
}
