// What a scenario is, and what the scripts of several of them do.
import { actorsOf, crash } from '../../supervision/index.js';
import { putRecords } from '../sim/workload.js';
import { kindOf } from './moment.js';
import type { Member, Setting, World } from './world.js';

export interface Scenario extends Setting {
  readonly name: string;
  /** How long its script takes. */
  readonly ms: number;
  readonly before?: (world: World) => void;
  /** For how long others are there before the consumer it is about joins. Default: not at all. */
  readonly joinsMs?: number;
  /** Nothing fails in it: no item is handed out twice, whichever worker reads it. */
  readonly once?: true;
  readonly script: (world: World, struck: Member) => void;
  /** The code with which the consumer ends by itself without being struck. */
  readonly ends?: string;
  /** The table takes no write when it stops: no lease can be released. */
  readonly unreleased?: true;
}

/** Records all along. */
export function feed(world: World, untilMs: number, everyMs = 400, count = 8): void {
  for (let ms = everyMs; ms < untilMs; ms += everyMs) world.at(ms, () => putRecords(world, count));
}

/** Crashes one actor of a kind, if there is one. */
export function kill({ consumer }: Member, kind: string, why = 'scripted'): void {
  const victim = actorsOf(consumer.runtime).find((actor) => kindOf(actor) === kind);
  if (victim !== undefined) crash(victim, new Error(why));
}
