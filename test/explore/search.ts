// A breadth-first search over every choice, so the first path that breaks a law is a shortest one. A world is stored as its parent
// and the choice that led from there, and is made again when needed. Threads share the seen worlds, and go from level to level
// together.
import { after, choicesOf, type Choice } from './choices.js';
import { fingerprint } from './fingerprint.js';
import { runOut } from './run-out.js';
import { startOf } from './scenes.js';
import type { Scene, World } from './world.js';

/** Places in the shared counters. */
const at = {
  from: 0,
  to: 1,
  next: 2,
  written: 3,
  arrived: 4,
  generation: 5,
  stop: 6,
  broken: 7,
  brokenBy: 8,
  states: 9,
  paths: 10,
  level: 11,
  runs: 12,
} as const;

export const why = { time: 1, full: 2, broken: 3 } as const;

/** Memory that all threads of one search share. */
export interface Shared {
  readonly control: Int32Array;
  readonly seen: Int32Array;
  readonly counted: Int32Array;
  readonly parent: Int32Array;
  readonly choice: Uint8Array;
}

/** `counted`: the table of earlier searches, so that no state is counted twice. */
export function share(mostWorlds: number, counted?: Int32Array): Shared {
  const bits = Math.ceil(Math.log2(mostWorlds * 1.5));
  const of = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length));
  return {
    control: of(32),
    seen: of(2 ** bits),
    counted: counted ?? of(2 ** bits),
    parent: of(mostWorlds),
    choice: new Uint8Array(new SharedArrayBuffer(mostWorlds)),
  };
}

/** Returns true if the fingerprint is new. Half of it is the place in the table, the other half is stored there. */
function insert(table: Int32Array, [key, place]: readonly [number, number]): boolean {
  const mask = table.length - 1;
  const wanted = key === 0 ? 1 : key;
  for (let slot = place & mask; ; slot = (slot + 1) & mask) {
    let found = Atomics.load(table, slot);
    if (found === 0) found = Atomics.compareExchange(table, slot, 0, wanted);
    if (found === 0) return true;
    if (found === wanted) return false;
  }
}

export interface Limits {
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly threads: number;
  /** One world in this many is run out. */
  readonly runOutEvery: number;
  readonly mostStates?: number;
}

export interface Found {
  readonly law: string;
  readonly choices: readonly Choice[];
}

export interface Result {
  readonly states: number;
  readonly worlds: number;
  readonly paths: number;
  readonly longest: number;
  readonly runs: number;
  /** Every reachable world has been seen. */
  readonly complete: boolean;
  readonly found: Found | undefined;
}

/** The part of one thread. The `first` thread begins with the root. */
export function search(scene: Scene, shared: Shared, limits: Limits, first: boolean): void {
  const searcher = new Searcher(scene, shared, limits);
  if (first) searcher.begin();
  searcher.run();
}

export function resultOf(scene: Scene, { control, parent, choice }: Shared): Result {
  const read = (index: number): number => control[index] as number;
  const stopped = read(at.stop);
  const found =
    stopped === why.broken ? trace(scene, { parent, choice }, read(at.broken), read(at.brokenBy)) : undefined;
  return {
    states: read(at.states),
    worlds: read(at.written),
    paths: read(at.paths),
    longest: read(at.level),
    runs: read(at.runs),
    complete: stopped === 0,
    found,
  };
}

function trace(
  scene: Scene,
  { parent, choice }: Pick<Shared, 'parent' | 'choice'>,
  index: number,
  last: number,
): Found {
  const indices = last === runsOut ? [] : [last];
  for (let world = index; world > 0; world = parent[world] as number) indices.unshift(choice[world] as number);
  const choices: Choice[] = [];
  let world = startOf(scene);
  for (const each of indices) {
    const made = choicesOf(scene, world)[each] as Choice;
    choices.push(made);
    world = after(scene, world, made);
  }
  if (world.violation !== undefined) return { law: world.violation, choices };
  const run = runOut(scene, world);
  return { law: run.world.violation ?? 'nothing is wrong any more', choices: [...choices, ...run.choices] };
}

const runsOut = 255;
const chunk = 32;

class Searcher {
  readonly #scene: Scene;
  readonly #shared: Shared;
  readonly #limits: Limits;
  /** The path to the world at hand, root first. */
  #path: number[] = [];
  #worlds: World[] = [];

  constructor(scene: Scene, shared: Shared, limits: Limits) {
    this.#scene = scene;
    this.#shared = shared;
    this.#limits = limits;
  }

  begin(): void {
    const { control, seen, counted } = this.#shared;
    const { exact, order } = fingerprint(this.#scene, startOf(this.#scene));
    insert(seen, exact);
    if (insert(counted, order)) control[at.states] = 1;
    control[at.written] = 1;
    control[at.to] = 1;
  }

  run(): void {
    const { control } = this.#shared;
    const { until, threads } = this.#limits;
    // The first thread may not have added the root yet.
    this.#barrier(threads, false);
    for (;;) {
      const to = Atomics.load(control, at.to);
      for (;;) {
        const from = Atomics.add(control, at.next, chunk);
        if (from >= to || Atomics.load(control, at.stop) !== 0) break;
        for (let index = from; index < Math.min(to, from + chunk); index++) this.#expand(index);
        if (Date.now() >= until) this.#stop(why.time);
      }
      this.#barrier(threads, true);
      if (Atomics.load(control, at.stop) !== 0 || Atomics.load(control, at.from) >= Atomics.load(control, at.to))
        return;
    }
  }

  #stop(reason: number): boolean {
    return Atomics.compareExchange(this.#shared.control, at.stop, 0, reason) === 0;
  }

  /** The last thread to arrive opens the next level. */
  #barrier(threads: number, isLevel: boolean): void {
    const { control } = this.#shared;
    const generation = Atomics.load(control, at.generation);
    if (Atomics.add(control, at.arrived, 1) === threads - 1) {
      if (isLevel) {
        const from = Atomics.load(control, at.to);
        Atomics.store(control, at.from, from);
        Atomics.store(control, at.next, from);
        Atomics.store(control, at.to, Atomics.load(control, at.written));
        Atomics.add(control, at.level, 1);
      }
      Atomics.store(control, at.arrived, 0);
      Atomics.add(control, at.generation, 1);
      Atomics.notify(control, at.generation);
    } else while (Atomics.load(control, at.generation) === generation) Atomics.wait(control, at.generation, generation);
  }

  #expand(index: number): void {
    const { control } = this.#shared;
    const world = this.#worldAt(index);
    const choices = choicesOf(this.#scene, world);
    Atomics.add(control, at.paths, choices.length);
    for (const [number, choice] of choices.entries()) this.#try(world, index, choice, number);
  }

  #try(world: World, index: number, choice: Choice, number: number): void {
    const { control, seen, counted, parent, choice: chosen } = this.#shared;
    const { runOutEvery, mostStates = Infinity } = this.#limits;
    const next = after(this.#scene, world, choice);
    if (next.violation !== undefined) return this.#broken(index, number);
    const { exact, order } = fingerprint(this.#scene, next);
    if (!insert(seen, exact)) return;
    const place = Atomics.add(control, at.written, 1);
    if (place >= parent.length - chunk) return void this.#stop(why.full);
    parent[place] = index;
    chosen[place] = number;
    if (insert(counted, order) && Atomics.add(control, at.states, 1) >= mostStates) this.#stop(why.full);
    if (exact[0] % runOutEvery !== 0) return;
    Atomics.add(control, at.runs, 1);
    if (runOut(this.#scene, next).world.violation !== undefined) this.#broken(place, runsOut);
  }

  #broken(index: number, number: number): void {
    const { control } = this.#shared;
    if (!this.#stop(why.broken)) return;
    control[at.broken] = index;
    control[at.brokenBy] = number;
  }

  /** Makes the world again from the root, but reuses the part of the path that it shares with the previous world. */
  #worldAt(index: number): World {
    const { parent, choice } = this.#shared;
    const path = [index];
    while ((path[0] as number) > 0) path.unshift(parent[path[0] as number] as number);
    if (this.#worlds.length === 0) {
      this.#worlds.push(startOf(this.#scene));
      this.#path.push(0);
    }
    let common = 0;
    while (common < path.length && path[common] === this.#path[common]) common += 1;
    this.#worlds.length = common;
    for (let depth = common; depth < path.length; depth++) {
      const before = this.#worlds[depth - 1] as World;
      const made = choicesOf(this.#scene, before)[choice[path[depth] as number] as number] as Choice;
      this.#worlds.push(after(this.#scene, before, made));
    }
    this.#path = path;
    return this.#worlds.at(-1) as World;
  }
}
