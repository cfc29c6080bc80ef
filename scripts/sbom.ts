/** The bill of materials of a release, CycloneDX 1.6 (https://cyclonedx.org): the shipped packages of the lockfile. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod/mini";
import { RUNTIMES } from "./runtimes.ts";

/** A file of the release. */
export interface ReleasedFile {
  name: string;
  sha256: string;
}

interface Component {
  type: "library" | "file" | "platform" | "application";
  name: string;
  version?: string;
  purl?: string;
  "bom-ref": string;
  hashes?: { alg: string; content: string }[];
  licenses?: { license: { id: string } }[];
}

/**
 * The document as text. The same input gives the same text.
 * @param time of the release, Unix seconds
 */
export function makeSbom(
  root: string,
  about: { version: string; commit: string; time: number },
  files: readonly ReleasedFile[],
): string {
  const lock = lockfile.parse(Bun.JSONC.parse(readFileSync(join(root, "bun.lock"), "utf8")));
  const direct = Object.keys(lock.workspaces[""]?.dependencies ?? {});
  const shipped = reachable(direct, lock.packages);
  const libraries = shipped.map((name) => library(root, name, lock.packages));
  const product = `pkg:generic/rexec@${about.version}`;
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(about.time * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": product,
        name: "rexec",
        version: about.version,
        purl: product,
        licenses: [{ license: { id: "MIT" } }],
        properties: [{ name: "git:commit", value: about.commit }],
      },
    },
    components: [...libraries.map(({ component }) => component), ...runtimes(), ...files.map(fileComponent)],
    dependencies: [
      {
        ref: product,
        dependsOn: [...direct.map((name) => refOf(name, lock.packages)), ...runtimes().map(ref)],
      },
      ...libraries.map(({ component, needs }) => ({
        ref: component["bom-ref"],
        dependsOn: needs.map((name) => refOf(name, lock.packages)),
      })),
    ],
  };
  // CycloneDX asks for a serial number; of the content, so that it is the same for the same release.
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(document))}`;
  return `${JSON.stringify({ serialNumber, ...document }, null, 2)}\n`;
}

// --- internal ---

/** `[name@version, registry, {dependencies…}, integrity]` */
const lockedPackage = z.tuple(
  [z.string(), z.string(), z.looseObject({ dependencies: z.optional(z.record(z.string(), z.string())) })],
  z.string(),
);
const lockfile = z.looseObject({
  workspaces: z.record(
    z.string(),
    z.looseObject({ dependencies: z.optional(z.record(z.string(), z.string())) }),
  ),
  packages: z.record(z.string(), lockedPackage),
});
type Packages = z.infer<typeof lockfile>["packages"];

const manifest = z.looseObject({ license: z.optional(z.string()) });

/** The packages and their dependencies, by name. */
function reachable(names: readonly string[], packages: Packages): string[] {
  const found = new Set<string>();
  const queue = [...names];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (found.has(name)) continue;
    found.add(name);
    queue.push(...needsOf(name, packages));
  }
  return [...found].sort();
}

function locked(name: string, packages: Packages): Packages[string] {
  const entry = packages[name];
  if (!entry) throw new Error(`bun.lock has no ${name}: run bun install`);
  return entry;
}

function needsOf(name: string, packages: Packages): string[] {
  return Object.keys(locked(name, packages)[2].dependencies ?? {});
}

function versionOf(name: string, packages: Packages): string {
  return locked(name, packages)[0].slice(name.length + 1);
}

function refOf(name: string, packages: Packages): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${versionOf(name, packages)}`;
}

function library(root: string, name: string, packages: Packages): { component: Component; needs: string[] } {
  const purl = refOf(name, packages);
  const [algorithm, digest] = (locked(name, packages)[3] ?? "").split("-", 2);
  const path = join(root, "node_modules", name, "package.json");
  const license = existsSync(path)
    ? manifest.parse(JSON.parse(readFileSync(path, "utf8"))).license
    : undefined;
  const component: Component = {
    type: "library",
    "bom-ref": purl,
    name,
    version: versionOf(name, packages),
    purl,
    ...(algorithm === "sha512" && digest
      ? { hashes: [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }] }
      : {}),
    ...(license ? { licenses: [{ license: { id: license } }] } : {}),
  };
  return { component, needs: needsOf(name, packages) };
}

/** The runtime is in every executable. */
function runtimes(): Component[] {
  return Object.values(RUNTIMES).map(({ package: name, version, sha256 }) => {
    const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
    const hashes = [{ alg: "SHA-256", content: sha256 }];
    return {
      type: "platform",
      "bom-ref": purl,
      name,
      version,
      purl,
      hashes,
      licenses: [{ license: { id: "MIT" } }],
    };
  });
}

function fileComponent({ name, sha256 }: ReleasedFile): Component {
  return { type: "file", "bom-ref": `file:${name}`, name, hashes: [{ alg: "SHA-256", content: sha256 }] };
}

function ref(component: Component): string {
  return component["bom-ref"];
}

/** A UUID of version 8 (RFC 9562: vendor-specific) from the text's SHA-256. */
function uuidOf(text: string): string {
  const hex = new Bun.CryptoHasher("sha256").update(text).digest("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}
