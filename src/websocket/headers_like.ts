/** Headers as `new Headers` accepts them: `HeadersInit` of the web, a name that some runtimes' types lack. */
export type HeadersLike = NonNullable<ConstructorParameters<typeof Headers>[0]>;
