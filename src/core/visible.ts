// Makes text from outside safe to show to people: in error messages, log lines and on terminals. Text that would move a cursor,
// end a line or turn the direction of writing is escaped as in JSON. All other text, of any script, stays as it is. Escaped text
// does not change when it is escaped again. KinactError, the logger, the emitter and the command line call this, and code that builds
// their texts calls it, too.

/**
 * Controls (C0, DEL, C1), line and paragraph separators, bidirectional and other invisible formatting controls, halves of
 * surrogate pairs. Joiners are not included: Arabic, Indic scripts and emoji need them.
 */
const unseen = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\u206a-\u206f\ufeff\ufff9-\ufffb]/gu;

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with every character escaped that cannot be seen, or that would change how the rest is seen. */
export function visible(text: string): string {
  return text.replaceAll(unseen, escaped);
}

/** The first `maxCharacters` characters of a text, escaped. */
export function excerpt(text: string, maxCharacters: number): string {
  return visible(text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}…`);
}

/** The lines of a text as one line, escaped. */
export function oneLine(text: string): string {
  const lines = text.split(/[\n\r\u2028\u2029]/).map((line) => line.trim());
  return visible(lines.filter((line) => line !== '').join(' '));
}

function escaped(character: string): string {
  return short[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
