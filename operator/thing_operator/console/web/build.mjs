// Makes app.js, app.css, index.html and LICENSES.txt in the folder that is given: node build.mjs FOLDER
import { cp, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node build.mjs FOLDER");
await mkdir(folder, { recursive: true });

const { metafile } = await build({
  entryPoints: { app: "src/app.tsx" },
  outdir: folder,
  bundle: true,
  minify: true,
  metafile: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none", // the licences are whole in LICENSES.txt
  logLevel: "warning",
});
for (const file of ["index.html", "icon.svg"]) await cp(file, path.join(folder, file));

// The licence of each package that something in the bundle comes from.
const packages = new Set();
for (const input of Object.keys(metafile.inputs)) {
  const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
  if (found) packages.add(found[1]);
}
const texts = [];
for (const name of [...packages].sort()) {
  const home = path.join("node_modules", name);
  const { version, license } = JSON.parse(await readFile(path.join(home, "package.json"), "utf8"));
  const file = (await readdir(home)).find((each) => /^licen[cs]e(\.|$)/i.test(each));
  if (!file) throw new Error(`${name} has no licence file`);
  texts.push(`${name} ${version} (${license})\n\n${(await readFile(path.join(home, file), "utf8")).trim()}\n`);
}
await writeFile(path.join(folder, "LICENSES.txt"), texts.join(`\n${"-".repeat(79)}\n\n`));
