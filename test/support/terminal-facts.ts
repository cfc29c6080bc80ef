/** All that two terminals have to have in common, as lines of text that can be compared. */
import { lookOf } from "../../src/screen/attributes.ts";
import type { Beyond } from "../../src/screen/beyond.ts";
import { designated } from "../../src/screen/charsets.ts";
import { keyboard, modes, savedCursor, titles } from "../../src/screen/state.ts";
import type { Buffer, Core } from "../../src/screen/xterm-core.ts";

export function factsOf(core: Core, beyond: Beyond): string[] {
  const { normal, alt, active } = core.buffers;
  const { fg, bg, extended } = core._inputHandler._curAttrData;
  const { insertMode } = core.coreService.modes;
  const { origin, wraparound, synchronizedOutput } = core.coreService.decPrivateModes;
  const keys = core.coreService.kittyKeyboard;
  return [
    `${core.cols}x${core.rows} ${active === alt ? "alternate" : "normal"}`,
    ...rows("normal", core, normal, beyond),
    ...(active === alt ? rows("alternate", core, alt, beyond) : []),
    `cursor ${active.x};${active.y} region ${active.scrollTop};${active.scrollBottom}`,
    `normal region ${normal.scrollTop};${normal.scrollBottom}`,
    `pen ${JSON.stringify({ ...lookOf(fg, bg, extended), link: beyond.link(bg & 0x10000000 ? extended.urlId : 0) })}`,
    `modes ${modes(core)}${beyond.serialize()} ${JSON.stringify({ insertMode, origin, wraparound, synchronizedOutput })}`,
    `sets ${designated(core._charsetService.charsets)} ${core._charsetService.glevel}`,
    `saved ${savedCursor(core, normal)} / ${savedCursor(core, alt)}`,
    `tabs ${stops(core, normal)} / ${active === alt ? stops(core, alt) : ""}`,
    `keys ${keyboard(keys.mainStack, active === alt ? keys.mainFlags : keys.flags)}`,
    `alternate keys ${keyboard(keys.altStack, active === alt ? keys.flags : keys.altFlags)}`,
    `titles ${titles(core)}`,
  ];
}

// --- internal ---

function rows(name: string, core: Core, { lines, ybase }: Buffer, beyond: Beyond): string[] {
  const all: string[] = [];
  // The alternate screen has no past; xterm.js keeps some where it was made smaller.
  const first = name === "normal" ? 0 : ybase;
  for (let row = first; row < lines.length; row += 1) {
    const line = lines.get(row);
    if (!line) continue;
    let text = "";
    for (let column = 0; column < core.cols; column += 1) {
      const look = lookOf(line.getFg(column), line.getBg(column), line.getExtended(column));
      const seen = Object.values({ ...look, link: look.link ? beyond.link(look.link) : "" }).join(",");
      text += `${line.getString(column) || "·"}${line.getWidth(column)}${seen === "0,0,0," ? "" : `<${seen}>`}`;
    }
    // Whether the oldest row goes on from one that is gone is not seen.
    const wraps = row > first && line.isWrapped ? " wrapped" : "";
    all.push(`${name} ${row - ybase}: ${text}${wraps}`);
  }
  return all;
}

function stops({ cols }: Core, { tabs }: Buffer): string {
  return Array.from({ length: cols }, (_, column) => (tabs[column] ? column : "")).join(" ");
}
