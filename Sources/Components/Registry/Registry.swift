// Registry: registered models, their versions, aliases and stages, in `nestbox.db`. In order:
//
//   EmbeddedRegistry              the seam on SQLite
//   EmbeddedRegistry+Models       create, find, list, describe, rename, delete, tag
//   EmbeddedRegistry+Versions     the same for versions; numbers are never given twice
//   EmbeddedRegistry+Moves        aliases and stages; each move is a row of history and an event
//   EmbeddedRegistry+Search       models and versions by filter, in order, as SQL
//   EmbeddedRegistry+Semantics    semantic versions: what a version gets, and that they grow
//   VersionProposer               how far a version is from the one before: signatures, algorithms, metrics
//   ModelInterface                a signature, and what changed between two
//   HistoryTable                  who moved and deleted what, when and why
//   RecordedRegistry              somebody else's registry, with the events and moves of what changes through this Nestbox
//   RegistryRows                  rows to values, in bulk
//   RegistryRules                 what a name, an alias and a tag may be
//   RegistryMigrations            the tables
//   PageToken                     where the next page begins
//
// It refuses to know deployments. A version points to its model folder by URI; only the proposer looks into it.
