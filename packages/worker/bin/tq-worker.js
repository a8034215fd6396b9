#!/usr/bin/env node
// Node opens a debugger on this signal, which runs whatever it is sent. Nothing of Node shall listen
// for it, and that from the first moment on: so this stands before the program is loaded.
process.on("SIGUSR1", () => {});

const { main } = await import("../dist/cli/main.js");
await main();
