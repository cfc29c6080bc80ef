/** What the addons import types from is made for browsers, and would bring theirs along: the headless one has the same. */
export * from "@xterm/headless";
