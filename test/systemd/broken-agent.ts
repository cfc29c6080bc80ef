/** An agent that passes every test of itself, and ends when it is started: what an update has to take back. */
if (process.argv[2] === "start") process.exit(1);
await import("../../src/rexec-agent.ts");

export {};
