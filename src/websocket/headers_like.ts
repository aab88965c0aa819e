/** What `new Headers` takes. The web calls it `HeadersInit`, a name that not every runtime's types have. */
export type HeadersLike = NonNullable<ConstructorParameters<typeof Headers>[0]>;
