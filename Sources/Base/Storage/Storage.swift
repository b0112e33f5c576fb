// Storage: two SQLite files in WAL mode and one group-committing writer for each. Contents, in order:
//
//   DataDirectory      where everything of one appliance lies; created, locked, cleared of temporary files
//   Store              one SQLite file: reads from a pool, writes through one writer
//   GroupCommitWriter  many concurrent writes, one transaction, one sync to disk
//   Journal            records appended to a file, for what is to be in a database a moment later
//   WriteContext       what a write may do: change rows, and record the event that says so
//   Event, EventHub    recorded facts; live listeners
//   EventRetention     removes old events of the kinds that need not stay
//   JoinedReader       two files in one statement
//   Keyset             ordered searches page by page, with tokens that belong to one search
//   Migration          per-component schema changes, backup before an upgrade, refusal of a newer file
//   Backup             online copy of both files
//
// It refuses to know what a component stores: tables belong to components, prefixed with their name.
