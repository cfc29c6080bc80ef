/** Reads source text for fields that a restart in place would lose: neither saved and restored, nor said to be transient. */

import {
  type ClassDeclaration,
  type ClassElement,
  isClassDeclaration,
  isConstructorDeclaration,
  isGetAccessorDeclaration,
  isMethodDeclaration,
  isPropertyDeclaration,
  ModifierFlags,
  type SourceFile,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";
import { createVirtualFileSystem } from "typescript/unstable/fs";

/** Members by which a class gives out what survives, and by which it takes that. */
interface Ways {
  save: readonly string[];
  restore: readonly string[];
}

/** Classes that do it in other or more members than `WAYS`. Each other class that has a method `save` is looked at too. */
const OTHER_WAYS: Readonly<Record<string, Ways>> = {
  Ended: { save: ["save"], restore: ["add"] },
  InputStreams: { save: ["save"], restore: ["restore", "of"] },
  OutputBuffer: { save: ["copy"], restore: ["push"] },
  Pace: { save: ["left"], restore: ["hold"] },
  RingPool: { save: ["isV2"], restore: ["serveV2"] },
  RunInput: { save: ["save"], restore: ["fin", "#enqueue"] },
  RunManager: { save: ["save"], restore: ["restore", "#make"] },
  SessionInput: { save: ["save"], restore: ["restore", "write", "type", "#put"] },
  V1Feed: { save: ["save"], restore: ["restore", "#push"] },
};
const WAYS: Ways = { save: ["save"], restore: ["restore", "#restore"] };

export interface Survivors {
  /** Names of the classes that were looked at. */
  classes: string[];
  /** One line for each field that would be lost. */
  lost: string[];
}

/** @param sources text by file name; each is parsed, and nothing of it is resolved */
export async function survivorsIn(sources: Readonly<Record<string, string>>): Promise<Survivors> {
  const found: Survivors = { classes: [], lost: [] };
  for (const [name, parsed] of await parse(sources)) {
    for (const statement of parsed.statements) {
      if (!isClassDeclaration(statement)) continue;
      const members = new Members(statement, parsed);
      if (!members.survives) continue;
      found.classes.push(members.name);
      found.lost.push(...members.lost().map((why) => `${name}: ${members.name}.${why}`));
    }
  }
  return found;
}

/**
 * What the type checker says of files of this project while others of them have another text.
 * @param changed text by path
 * @returns its messages, each without the chain that explains it
 */
export async function typeErrorsWith(
  changed: Readonly<Record<string, string>>,
  files: readonly string[],
): Promise<string[]> {
  const readFile = (path: string) => (path.startsWith(ROOT) ? changed[path.slice(ROOT.length)] : undefined);
  const api = new API({ cwd: ROOT, fs: { readFile } });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [`${ROOT}tsconfig.json`] });
    const [project] = snapshot.getProjects();
    if (!project) throw new Error("the project was not opened");
    const found = await Promise.all(files.map((file) => project.program.getSemanticDiagnostics(ROOT + file)));
    return found.flat().map(({ text }) => text);
  } finally {
    await api.close();
  }
}

// --- internal ---

const ROOT = new URL("../../", import.meta.url).pathname;

async function parse(sources: Readonly<Record<string, string>>): Promise<[string, SourceFile][]> {
  const names = Object.keys(sources);
  const config = { compilerOptions: { noLib: true, noResolve: true, types: [] }, files: names };
  const files = Object.entries(sources).map(([name, text]) => [`/${name}`, text]);
  const fs = createVirtualFileSystem({ ...Object.fromEntries(files), [CONFIG]: JSON.stringify(config) });
  const api = new API({ cwd: "/", fs });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [CONFIG] });
    const [project] = snapshot.getProjects();
    const parsed: [string, SourceFile][] = [];
    for (const name of names) {
      const file = await project?.program.getSourceFile(`/${name}`);
      if (!file) throw new Error(`${name} was not parsed`);
      parsed.push([name, file]);
    }
    return parsed;
  } finally {
    await api.close();
  }
}

const CONFIG = "/tsconfig.json";

class Members {
  readonly name: string;
  readonly #file: SourceFile;
  readonly #members: readonly ClassElement[];
  readonly #ways: Ways;

  constructor(from: ClassDeclaration, file: SourceFile) {
    this.name = from.name?.text ?? "";
    this.#file = file;
    this.#members = from.members;
    this.#ways = OTHER_WAYS[this.name] ?? WAYS;
  }

  get survives(): boolean {
    return this.#ways.save.some((name) => this.#named(name) !== undefined);
  }

  lost(): string[] {
    const maker = this.#members.find(isConstructorDeclaration);
    const made = maker ? this.#text(maker) : "";
    const saved = this.#reach(this.#ways.save);
    const restored = new Set(mentions(made));
    for (const name of this.#ways.restore)
      for (const mentioned of this.#mentionsOf(name)) restored.add(mentioned);
    return this.#members.filter(isPropertyDeclaration).flatMap((field) => {
      const name = this.#nameOf(field);
      const [, reason = ""] = /@transient([^\n]*?)(?:\*\/|\n)/.exec(this.#text(field)) ?? [];
      const isReadonly = (field.modifierFlags & ModifierFlags.Readonly) !== 0;
      if (isReadonly && !field.initializer && isHandedIn(made, name)) return [];
      if (reason.trim()) return [];
      if (!saved.has(name))
        return [`${name} is not saved, and no "@transient REASON" says that it may be lost`];
      return restored.has(name) ? [] : [`${name} is saved and not restored`];
    });
  }

  /** All that these mention, and what is mentioned in turn. */
  #reach(names: readonly string[]): Set<string> {
    const reached = new Set(names);
    for (const name of reached) for (const mentioned of this.#mentionsOf(name)) reached.add(mentioned);
    return reached;
  }

  #mentionsOf(name: string): string[] {
    const member = this.#named(name);
    return member && !isPropertyDeclaration(member) ? mentions(this.#text(member)) : [];
  }

  #named(name: string): ClassElement | undefined {
    return this.#members.find((member) => this.#nameOf(member) === name);
  }

  #nameOf(member: ClassElement): string {
    const isNamed =
      isPropertyDeclaration(member) || isMethodDeclaration(member) || isGetAccessorDeclaration(member);
    return isNamed ? member.name.getText(this.#file) : "";
  }

  /** With the comment before it. */
  #text(member: ClassElement): string {
    return member.getFullText(this.#file);
  }
}

/** `this.name`, `this.#name` and `const { name } = this`. */
function mentions(text: string): string[] {
  const taken = [...text.matchAll(/\{([^{}]*)\}\s*=\s*this;/g)].flatMap(([, names = ""]) => names.split(","));
  const direct = [...text.matchAll(/\bthis\??\.(#?\w+)/g)].map(([, name = ""]) => name);
  return [...direct, ...taken.map((name) => name.split(":")[0]?.trim() ?? "")];
}

/** The constructor sets it to what it was given, or a part of that: it makes nothing, so its owner holds the state. */
function isHandedIn(maker: string, name: string): boolean {
  const [, value] = new RegExp(`this\\.${name} = ([^;]*);`).exec(maker) ?? [];
  return value !== undefined && !/\bnew\b|\(/.test(value);
}
