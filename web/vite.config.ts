import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const OUT = "../src/flam/server/static";

// What was built carries a hash of what it was built from: a test finds a build that was forgotten, without Node.
function sourceHash(): string {
  const inFolders = ["public", "src"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`),
  );
  const hash = createHash("sha256");
  for (const path of [...inFolders, "index.html", "package-lock.json", "vite.config.ts"].sort())
    hash.update(`${path}\n`).update(readFileSync(path));
  return hash.digest("hex");
}

// Fixed names: the built files are committed, and a rebuild must give the same ones.
export default defineConfig({
  plugins: [svelte(), { name: "source-hash", closeBundle: () => writeFileSync(`${OUT}/sources.sha256`, `${sourceHash()}\n`) }],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8753", ws: true } } },
});
