/** The addons import types from the browser's package, which needs DOM types: the headless one has the same types. */
export * from "@xterm/headless";
