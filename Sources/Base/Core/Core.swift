// Core: what every other module may lean on. Contents, in order:
//
//   NestboxError        the one error type that crosses a module boundary
//   Timestamp           milliseconds since 1970, as stored, sent and printed
//   Ambient             injected clock and randomness; identifiers are made from both
//   SeededGenerator     reproducible random numbers for engines and tests
//   JSONValue, JSON     any JSON value; shared coders whose errors name the place
//   JSONReader          bytes -> JSONValue, several times faster than JSONDecoder, and 1 stays apart from 1.0
//   Settings            configuration: flags > environment NESTBOX_* > nestbox.yaml
//   ComputePool         threads for compute and blocking calls, apart from the cooperative pool
//   DurableFile         temporary name, sync, rename, sync of the directory
//   Lease on a folder   DirectoryLock: one server per data directory
//   OpenFiles           the limit of open files and sockets
//
// Foundation and swift-log are the only imports here besides Yams, which reads nestbox.yaml.
