/**
 * What every schema library that follows Standard Schema (https://standardschema.dev, version 1)
 * offers: zod, valibot, arktype and others. Only its shape is known here; none of them is needed.
 */

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Verdict<Output> | Promise<Verdict<Output>>;
    /** Never there at run time: it carries the types. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type Verdict<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

export interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What may be given to it. */
export type InputOf<S> = S extends StandardSchema<infer Input, unknown> ? Input : never;
/** What it makes of that. */
export type OutputOf<S> = S extends StandardSchema<unknown, infer Output> ? Output : never;

/** Of the issues of a schema as many are told. */
const ISSUES_MAX = 5;

/** The value as the schema makes it; throws what `refuse` makes of the issues. */
export async function validate<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
  refuse: (why: string) => Error,
): Promise<Output> {
  const verdict = await schema["~standard"].validate(value);
  if (verdict.issues === undefined) return verdict.value;
  const told = verdict.issues.slice(0, ISSUES_MAX).map(toSentence);
  const more = verdict.issues.length - told.length;
  if (more > 0) told.push(`and ${more} more`);
  throw refuse(told.join("; "));
}

function toSentence({ path = [], message }: Issue): string {
  const steps = path.map((step) => String(typeof step === "object" ? step.key : step));
  return steps.length === 0 ? message : `${steps.join(".")}: ${message}`;
}
