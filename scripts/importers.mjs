// Finds the compiled tests that import a changed file, directly or through other files.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { root } from './steps.mjs';

const roots = ['src', 'actors', 'supervision', 'test'];

/** `changed` gets the path of a compiled file, relative to the root, and returns whether the file has changed. */
export function importersOf(changed) {
  const files = roots.flatMap((place) =>
    readdirSync(join(root, '.build', place), { recursive: true })
      .map((file) => `.build/${place}/${file.replaceAll('\\', '/')}`)
      .filter((file) => file.endsWith('.js')),
  );
  const importers = new Map();
  for (const file of files) {
    for (const [, specifier] of readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)\s*\(?'(\.[^']+)'/g)) {
      const target = posix.join(dirname(file), specifier);
      importers.set(target, [...(importers.get(target) ?? []), file]);
    }
  }
  const found = new Set();
  const visit = (file) => {
    if (found.has(file)) return;
    found.add(file);
    for (const importer of importers.get(file) ?? []) visit(importer);
  };
  for (const file of files.filter(changed)) visit(file);
  return [...found].filter((file) => file.endsWith('.test.js')).toSorted((one, other) => (one < other ? -1 : 1));
}
