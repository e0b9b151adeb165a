// Parameters of a property whose inputs KINACT_SEED fixes; without it every run tries others, and a failure names its seed.

/** For `fc.assert`. */
export function seeded(numRuns: number): { readonly numRuns: number; readonly seed?: number } {
  const given = process.env['KINACT_SEED'];
  return given === undefined ? { numRuns } : { numRuns, seed: Number(given) };
}
