// Writes the files below the first folder as zips into the second, in the ways of the library that is named third.
const fs = require("fs");
const path = require("path");

const [from, into, library] = process.argv.slice(2);
const found = require(library);
const names = fs.readdirSync(from).flatMap((folder) => fs.readdirSync(path.join(from, folder)).map((file) => `${folder}/${file}`));
const content = (name) => fs.readFileSync(path.join(from, name));
const target = (way) => path.join(into, `${way}.zip`);

const ways = {
  yazl() {
    for (const compress of [true, false]) {
      const zip = new found.ZipFile();
      zip.outputStream.pipe(fs.createWriteStream(target(compress ? "buffer" : "buffer-stored")));
      names.forEach((name) => zip.addBuffer(content(name), name, { compress }));
      zip.end();
      const streamed = new found.ZipFile();
      streamed.outputStream.pipe(fs.createWriteStream(target(compress ? "stream" : "stream-stored")));
      names.forEach((name) => streamed.addReadStream(fs.createReadStream(path.join(from, name)), name, { compress }));
      streamed.end();
    }
  },
  fflate() {
    const files = Object.fromEntries(names.map((name) => [name, new Uint8Array(content(name))]));
    fs.writeFileSync(target("deflated"), found.zipSync(files));
    fs.writeFileSync(target("stored"), found.zipSync(files, { level: 0 }));
    const parts = [];
    const zip = new found.Zip((error, part) => parts.push(Buffer.from(part)));
    names.forEach((name) => {
      const file = new found.ZipPassThrough(name);
      zip.add(file);
      file.push(files[name], true);
    });
    zip.end();
    fs.writeFileSync(target("passed-through"), Buffer.concat(parts));
  },
  async jszip() {
    const zip = new found();
    names.forEach((name) => zip.file(name, content(name)));
    for (const [way, options] of Object.entries({
      plain: {},
      deflated: { compression: "DEFLATE" },
      streamed: { streamFiles: true },
      unix: { platform: "UNIX" },
    })) {
      fs.writeFileSync(target(way), await zip.generateAsync({ type: "nodebuffer", ...options }));
    }
  },
  "adm-zip"() {
    const zip = new found();
    names.forEach((name) => zip.addFile(name, content(name)));
    zip.writeZip(target("file"));
    const folder = new found();
    folder.addLocalFolder(from);
    folder.writeZip(target("folder"));
  },
};

ways[library]();
