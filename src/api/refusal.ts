// Refusals of values that an application passes in: INVALID_OPTION, with the path, what was expected and what was given.
import { KinactError } from './errors.js';

/** The objects that are named, by their tag, so that those of another realm are too. */
const named: Readonly<Record<string, string>> = {
  '[object Date]': 'a Date',
  '[object ArrayBuffer]': 'an ArrayBuffer',
  '[object Promise]': 'a promise',
};

/** Shows any value in an error, shortened. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return named[Object.prototype.toString.call(value)] ?? 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

export function refuse(path: string, expected: string, got: unknown): never {
  throw new KinactError('INVALID_OPTION', `${path}: expected ${expected}, got ${show(got)}`, {
    data: { option: path },
  });
}

export function refuseName(option: string, complaint: string): never {
  throw new KinactError('INVALID_OPTION', `${option}: ${complaint}`, { data: { option } });
}
