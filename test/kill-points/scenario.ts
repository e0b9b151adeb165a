// What a scenario is, and steps that the scripts of several scenarios share.
import { actorsOf, crash } from '../../supervision/index.js';
import { putRecords } from '../sim/workload.js';
import { kindOf } from './moment.js';
import type { Member, Setting, World } from './world.js';

export interface Scenario extends Setting {
  readonly name: string;
  /** How long its script takes. */
  readonly ms: number;
  readonly before?: (world: World) => void;
  /** How long other consumers run before the struck consumer joins. Default: 0. */
  readonly joinsMs?: number;
  /** Nothing fails in the scenario, so no item is handed out twice, whichever worker reads it. */
  readonly once?: true;
  readonly script: (world: World, struck: Member) => void;
  /** The code with which the consumer ends by itself if it is not struck. */
  readonly ends?: string;
  /** The table takes no write when the consumer stops, so no lease can be released. */
  readonly unreleased?: true;
}

/** Puts `count` records every `everyMs` until `untilMs`. */
export function feed(world: World, untilMs: number, everyMs = 400, count = 8): void {
  for (let ms = everyMs; ms < untilMs; ms += everyMs) world.at(ms, () => putRecords(world, count));
}

/** Crashes one actor of a kind, if there is one. */
export function kill({ consumer }: Member, kind: string, why = 'scripted'): void {
  const victim = actorsOf(consumer.runtime).find((actor) => kindOf(actor) === kind);
  if (victim !== undefined) crash(victim, new Error(why));
}
