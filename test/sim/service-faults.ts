// Wrong answers of the services, as rules that hold for a while: any error of their models to any call, once or in bursts, and
// answers that are incomplete or out of date. If a service fails with an error of its own, it may or may not have carried out the
// call: the caller cannot know.
import type { Dice } from './dice.js';
import { errorNames, errorOf, mayHaveHappened, type Service } from './sdk-answers.js';

export type Mishap =
  | { readonly type: 'error'; readonly name: string }
  /** GetRecords returns no next iterator although the shard is not at its end. */
  | { readonly type: 'noIterator' }
  /** GetRecords returns no records although there are some, as Kinesis sometimes does if the next record is far away. */
  | { readonly type: 'emptyPage' }
  /** ListShards without some of the shards. */
  | { readonly type: 'omitsShards' }
  /** ListShards shows the state of `ageMs` ago. */
  | { readonly type: 'olderListing'; readonly ageMs: number };

export interface Rule {
  readonly service: Service;
  /** Undefined: every operation. */
  readonly operation?: string | undefined;
  readonly mishap: Mishap;
  readonly chance: number;
  /** World time. */
  readonly until: number;
  /** The most calls that the rule affects. */
  readonly times: number;
}

export interface ServiceFaults {
  /** The mishap of this call; undefined: none. */
  meets(service: Service, operation: string, dice: Dice): Mishap | undefined;
  add(rule: Rule): void;
  /** Whether any answer to this operation has been wrong so far. */
  haveLied(operation: string): boolean;
  /** The operations that were called so far. */
  operations(service: Service): readonly string[];
  clear(): void;
}

export function createServiceFaults(now: () => number): ServiceFaults {
  const called: Record<Service, Set<string>> = { kinesis: new Set(), dynamodb: new Set() };
  const lied = new Set<string>();
  let rules: { readonly rule: Rule; left: number }[] = [];
  return {
    meets: (service, operation, dice) => {
      called[service].add(operation);
      if (rules.length === 0) return undefined;
      rules = rules.filter(({ rule, left }) => left > 0 && rule.until > now());
      const met = rules.find(({ rule }) => {
        const isMeant = rule.service === service && (rule.operation === undefined || rule.operation === operation);
        return isMeant && dice.chance(rule.chance);
      });
      if (met === undefined) return undefined;
      met.left -= 1;
      lied.add(operation);
      return met.rule.mishap;
    },
    add: (rule) => void rules.push({ rule, left: rule.times }),
    haveLied: (operation) => lied.has(operation),
    operations: (service) => [...called[service]],
    clear: () => void (rules = []),
  };
}

/** If the mishap is an error, throws it, before or after the call has taken effect. Otherwise carries the call out. */
export function answerInstead(service: Service, mishap: Mishap | undefined, dice: Dice, effect: () => object): object {
  if (mishap?.type !== 'error') return effect();
  const error = errorOf(service, mishap.name, `${mishap.name}, for no reason`);
  if (mayHaveHappened(error) && dice.chance(0.5)) effect();
  throw error;
}

/** Errors that are temporary, by their name or their status. */
export function passingErrors(service: Service): readonly string[] {
  const isPassing = (name: string): boolean => {
    if (/Throttl|Throughput|LimitExceeded/.test(name)) return true;
    return mayHaveHappened(errorOf(service, name, ''));
  };
  return errorNames(service).filter(isPassing);
}

/** Draws how long a rule holds and which calls it affects: one, some, or all for a moment. */
export function drawn(dice: Dice, now: number): Pick<Rule, 'chance' | 'until' | 'times'> {
  switch (dice.pick(['once', 'some', 'all'])) {
    case 'once':
      return { chance: 1, until: now + 60_000, times: 1 };
    case 'some':
      return { chance: dice.pick([0.003, 0.03, 0.3]), until: now + dice.between(2_000, 60_000), times: Infinity };
    default:
      return { chance: 1, until: now + dice.between(500, 15_000), times: Infinity };
  }
}
