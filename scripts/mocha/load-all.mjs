// Loads every module of the three shipped roots, so that coverage counts modules that no test imports. Programs are left out,
// because loading a program runs it.
import { existsSync, readdirSync } from 'node:fs';

const build = new URL('../../.build/', import.meta.url);

for (const place of ['src', 'actors', 'supervision']) {
  if (!existsSync(new URL(place, build))) continue;
  for (const file of readdirSync(new URL(place, build), { recursive: true })) {
    if (!file.endsWith('.js') || /^cli[\\/]main\.js$|-(program|process|thread)\.js$/.test(file)) continue;
    await import(new URL(`${place}/${file.replaceAll('\\', '/')}`, build).href);
  }
}
