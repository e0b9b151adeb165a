// A regular expression matcher that backtracks like V8's and counts its steps. With it, a test can bound the work of a pattern without
// a clock. It supports only the syntax that the sources use, and throws on any other: a pattern that cannot be counted must not pass.

type Node =
  | { readonly type: 'one'; readonly accepts: (character: string) => boolean }
  | { readonly type: 'start' | 'end' }
  | { readonly type: 'sequence'; readonly parts: readonly Node[] }
  | { readonly type: 'choice'; readonly options: readonly Node[] }
  | { readonly type: 'repeat'; readonly body: Node; readonly min: number; readonly max: number };

/** How many steps `pattern.exec`, or a global replacement, takes on `text`; stops counting above `limit`. */
export function stepsOf(pattern: RegExp, text: string, limit: number): number {
  const root = parse(pattern);
  const characters = pattern.unicode ? [...text] : text.split('');
  let steps = 0;
  class Enough extends Error {}
  const step = (): void => {
    steps += 1;
    if (steps > limit) throw new Enough();
  };
  // Continuations instead of a stack: `next` matches the part of the pattern after the node.
  const match = (node: Node, at: number, next: (at: number) => number): number => {
    step();
    switch (node.type) {
      case 'one':
        return at < characters.length && node.accepts(characters[at] as string) ? next(at + 1) : -1;
      case 'start':
        return at === 0 ? next(at) : -1;
      case 'end':
        return at === characters.length ? next(at) : -1;
      case 'sequence': {
        const from = (part: number, here: number): number =>
          part === node.parts.length ? next(here) : match(node.parts[part] as Node, here, (to) => from(part + 1, to));
        return from(0, at);
      }
      case 'choice':
        for (const option of node.options) {
          const found = match(option, at, next);
          if (found >= 0) return found;
        }
        return -1;
      case 'repeat':
        return repeat(node, at, next);
    }
  };
  const repeat = (node: Extract<Node, { type: 'repeat' }>, at: number, next: (at: number) => number): number => {
    const { body, min, max } = node;
    if (body.type === 'one') {
      // Without recursion, because the texts are long: take all characters, then give them back one by one.
      let count = 0;
      while (count < max && at + count < characters.length && body.accepts(characters[at + count] as string)) {
        step();
        count += 1;
      }
      for (; count >= min; count -= 1) {
        step();
        const found = next(at + count);
        if (found >= 0) return found;
      }
      return -1;
    }
    const again = (count: number, here: number): number => {
      if (count < max) {
        const found = match(body, here, (to) => (to === here && count >= min ? -1 : again(count + 1, to)));
        if (found >= 0) return found;
      }
      return count >= min ? next(here) : -1;
    };
    return again(0, at);
  };
  try {
    for (let from = 0; from <= characters.length;) {
      const to = match(root, from, (end) => end);
      if (to >= 0 && !pattern.global) break;
      from = to > from ? to : from + 1;
    }
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return steps;
}

/** The characters for texts that may trouble the pattern: one for each of its classes and literals. */
export function alphabetOf(pattern: RegExp): readonly string[] {
  // A pattern with a class like [^x] does not name the characters that match. So all of ASCII's punctuation is tried.
  const punctuation = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~ '];
  const candidates = [...'019aAz', ...punctuation, '\n', '\u2028', 'é', '\u001b'];
  const literal = [...pattern.source].filter((character) => /\w/.test(character));
  return [...new Set([...literal, ...candidates])];
}

function parse({ source, flags }: RegExp): Node {
  let at = 0;
  const rest = flags.replace('g', '');
  const one = (piece: string): Node => {
    const single = new RegExp(`^(?:${piece})$`, rest);
    const known = new Map<string, boolean>();
    const accepts = (character: string): boolean => {
      const before = known.get(character);
      if (before !== undefined) return before;
      const accepted = single.test(character);
      known.set(character, accepted);
      return accepted;
    };
    return { type: 'one', accepts };
  };
  const choice = (): Node => {
    const options: Node[] = [sequence()];
    while (source[at] === '|') {
      at += 1;
      options.push(sequence());
    }
    return options.length === 1 ? (options[0] as Node) : { type: 'choice', options };
  };
  const sequence = (): Node => {
    const parts: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') parts.push(quantified(atom()));
    return { type: 'sequence', parts };
  };
  const atom = (): Node => {
    const rule =
      /^(?:\^|\$|\((?:\?:)?|\[(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\[^kbB1-9]|[^()[\]{}*+?\\|])/su;
    const piece = rule.exec(source.slice(at))?.[0];
    if (piece === undefined) throw new Error(`/${source}/ has syntax at ${at} that cannot be counted`);
    at += piece.length;
    if (piece === '^') return { type: 'start' };
    if (piece === '$') return { type: 'end' };
    if (!piece.startsWith('(')) return one(piece);
    if (source[at] === '?') throw new Error(`/${source}/ has a group at ${at} that cannot be counted`);
    const inside = choice();
    if (source[at] !== ')') throw new Error(`/${source}/ has an open group`);
    at += 1;
    return inside;
  };
  const quantified = (body: Node): Node => {
    const found = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})/.exec(source.slice(at));
    if (found === null) return body;
    at += found[0].length;
    // A lazy quantifier visits the same places in another order.
    if (source[at] === '?') at += 1;
    const [, sign, min, comma, max] = found;
    if (sign !== undefined)
      return { type: 'repeat', body, min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity };
    const least = Number(min);
    return { type: 'repeat', body, min: least, max: comma === '' ? least : max === '' ? Infinity : Number(max) };
  };
  const root = choice();
  if (at !== source.length) throw new Error(`/${source}/ has syntax at ${at} that cannot be counted`);
  return root;
}
