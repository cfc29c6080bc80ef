import { describe, expect, test } from "bun:test";
import { constants } from "node:os";
import { signalName, signalNumber } from "../../src/lib/signals.ts";

describe("the names of signals", () => {
  test("lead back to their numbers, all 64 of them", () => {
    for (let number = 1; number <= 64; number += 1) expect(signalNumber(signalName(number))).toBe(number);
  });

  test("are the usual ones", () => {
    expect([1, 6, 9, 15, 29].map(signalName)).toEqual(["SIGHUP", "SIGABRT", "SIGKILL", "SIGTERM", "SIGIO"]);
    expect([34, 35, 50, 64].map(signalName)).toEqual(["SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+16", "SIGRTMAX"]);
  });

  test("are understood in every form, those of other agents too", () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      expect([signalNumber(name), signalNumber(name.slice(3)), signalNumber(name.toLowerCase())]).toEqual([
        number,
        number,
        number,
      ]);
    }
    for (const name of ["34", "SIG34", "SIGRT34", "RT34", "SIGRTMIN", "RTMIN+0", "SIGRTMAX-30"])
      expect([name, signalNumber(name)]).toEqual([name, 34]);
  });

  test("do not exist for what is no signal", () => {
    for (const name of ["", "SIG", "0", "65", "SIGRTMAX+1", "RTMIN+31", "SIGNOTHING", "1e1", "-9"])
      expect([name, signalNumber(name)]).toEqual([name, undefined]);
  });
});
