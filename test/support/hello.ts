/** The least that a compiled program can be: what it costs is the runtime's. */
console.log("hello");
