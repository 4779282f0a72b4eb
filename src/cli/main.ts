#!/usr/bin/env node
/**
 * The program `aha`. This file uses nothing that an old Node.js lacks, so that one is told what it needs instead
 * of failing on some import.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: aha needs Node.js 20.19 or newer; this is ${process.versions.node}.\n  next: Install a newer version from https://nodejs.org.\n`,
  );
  process.exitCode = 1;
} else {
  const { main } = await import('./program.ts');
  await main(process.argv.slice(2));
}
